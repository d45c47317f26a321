// SPDX-License-Identifier: GPL-3.0-or-later
// A decoder's last layer makes states of the tokens alone that are asked for, where nothing in it
// looks at the others: the loss and its gradients are those of all states, of which some are taken.
#include <algorithm>

#include "engine/methods/ports.h"
#include "engine/objectives/head_loss.h"
#include "tests/pretend/tuned.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

/// In the place of a linear, or of what hangs there: how many rows it gets.
class Counting : public LinearPlug {
 public:
  explicit Counting(Linear linear, bool alone = true)
      : linear_(std::move(linear)), under_(linear_->plug), alone_(alone) {
    linear_->plug = this;
  }
  ~Counting() override { linear_->plug = under_; }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;

  Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
    rows = x.size(0);
    return under_ ? under_->forward(x, linear) : linear.product(x);
  }
  bool row_by_row() const override { return alone_ && (!under_ || under_->row_by_row()); }

  mutable std::int64_t rows = 0;

 private:
  Linear linear_;
  const LinearPlug* under_;
  bool alone_;
};

/// The product behind what mixes the tokens, in the last of the text's layers.
Linear last_mixed(Model& model) {
  const Ports ports = list_ports(model);
  const std::int64_t layers = model.causal()->num_hidden_layers();
  const std::string layer = "layers." + std::to_string(layers - 1) + ".";
  for (const auto& [name, linear] : ports.linears) {
    const bool found =
        name.ends_with(layer + "self_attn.o_proj") ||
        name.ends_with(layer + "self_attn.out_proj") || name.ends_with(layer + "self_attn.dense") ||
        name.ends_with(layer + "linear_attn.out_proj") || name.ends_with(layer + "conv.out_proj") ||
        name == "transformer.h." + std::to_string(layers - 1) + ".attn.c_proj";
    if (found && model.part_of(name) == kLanguageModel) return linear;
  }
  qFatal("nothing mixes in %s", layer.c_str());
}

/// The answer has labels, what comes before has none.
ModelInput input_of(const TinyModel& model) {
  MicroBatch rows = tiny_rows(model);
  std::vector<Example> examples;
  for (const EncodedRow& row : rows.encoded) examples.push_back(row.sequences.front());
  for (Example& example : examples) {
    const std::size_t prompt = example.labels.size() - 7;
    std::fill_n(example.labels.begin(), prompt, kIgnoreLabel);
  }
  return collate(examples);
}

struct Made {
  double loss = 0;
  std::vector<Tensor> gradients;
};

enum class Way { Asked, AllStates };

Made made(Tuning& tuning, const ModelInput& input, Way way) {
  Model& model = *tuning.base().model;
  tuning.clear_gradients();
  Tensor hidden, target;
  if (way == Way::Asked) {
    const LabelledStates states = labelled_states(model, input);
    hidden = states.hidden, target = states.target;
  } else {
    const NextLabels next = next_labels(input);
    hidden = model.decode(model.embed(input), nullptr).index_select(0, next.places);
    target = next.labels;
  }
  const Tensor loss = chunked_cross_entropy(hidden, model.head(), target);
  loss.backward();
  Made result{loss.item<double>(), {}};
  for (const TrainedTensor& each : tuning.trainables().tensors) {
    const Tensor& gradient = each.tensor.grad();
    result.gradients.push_back(gradient.defined() ? gradient.clone() : Tensor());
  }
  return result;
}

/// How far apart two are at most, of the largest gradient that there is.
double apart(const Made& a, const Made& b) {
  double far = std::abs(a.loss / b.loss - 1), most = 0, difference = 0;
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    if (a.gradients[i].defined() != b.gradients[i].defined()) return 1;
    if (!a.gradients[i].defined()) continue;
    most = std::max(most, b.gradients[i].abs().max().item<double>());
    difference = std::max(difference, (a.gradients[i] - b.gradients[i]).abs().max().item<double>());
  }
  return most > 0 ? std::max(far, difference / most) : 1;
}

std::unique_ptr<Tuning> tuning_of(const TinyModel& model, const QStringList& settings) {
  std::vector<std::string> list;
  for (const QString& each : settings) list.push_back(each.toStdString());
  auto tuning = pretend::tuned(model, torch::kCPU, std::move(list));
  tuning->draw_adapter(torch::kFloat32);
  return tuning;
}

const QString kKept = "training.gradient_checkpointing=false",
              kAgain = "training.gradient_checkpointing=true";

}  // namespace

class TestNarrowEnd : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void comes_to_what_all_states_come_to_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QStringList>("settings");
    QTest::addColumn<bool>("narrow");
    const QStringList lora{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0"};
    // Whose last layer has experts or carries a state.
    const QStringList whole{"qwen3_vl_moe",     "qwen3_5", "qwen3_5_moe",
                            "qwen3_5_moe_text", "lfm2",    "deepseek_ocr2"};
    const auto row = [](const QString& name, const char* what, const QStringList& settings,
                        bool narrow) {
      QTest::newRow(qPrintable(name + ", " + what)) << name << settings << narrow;
    };
    for (const Family& family : families()) {
      const QString name = family.model_type;
      const TinyModel tiny = tiny_model(family).take();
      if (tiny.objective != "sft" || tiny.start >= 0) continue;  // all states of two texts are made
      const bool narrow = !whole.contains(name);
      row(name, "full", {"strategy=full", kKept}, narrow);
      row(name, "lora", lora + QStringList{kKept}, narrow);
      row(name, "lora, checkpointing", lora + QStringList{kAgain}, narrow);
    }
    row("llama", "tokens before", {"strategy=prompt_tuning", kKept}, true);
    row("llama", "keys before", {"strategy=prefix_tuning", kKept}, true);
    row("llama", "behind the branches", {"strategy=bottleneck", kAgain}, true);
    row("llama", "rotated", {"strategy=oft", kKept}, true);
    row("llama", "on from an invocation",
        lora + QStringList{"adapter.alora_invocation_tokens=[17]", kKept}, false);
  }
  void comes_to_what_all_states_come_to() {
    QFETCH(QString, name);
    QFETCH(QStringList, settings);
    QFETCH(bool, narrow);
    const TinyModel model = pretend::tiny(name.toStdString());
    const auto tuning = tuning_of(model, settings);
    const ModelInput input = input_of(model);
    const std::int64_t labels = next_labels(input).labels.size(0),
                       rounded = labels + filler_tokens(labels);
    QVERIFY(labels < input.input_ids.size(0) / 2);
    const Made all = made(*tuning, input, Way::AllStates);

    {
      const Counting behind(last_mixed(*tuning->base().model));
      const Made asked = made(*tuning, input, Way::Asked);
      const double far = apart(asked, all);
      QVERIFY2(far < 1e-5, qPrintable(QString::number(far)));
      QVERIFY((behind.rows == rounded) == narrow);
    }
    const Counting knows(last_mixed(*tuning->base().model), false);
    const Made asked = made(*tuning, input, Way::Asked);
    QVERIFY(apart(asked, all) < 1e-5);
    QVERIFY(knows.rows >= input.input_ids.size(0));
  }

  /// Features that are added behind the last layer are added to all states.
  void features_behind_the_last_layer() {
    TinyModel model = pretend::tiny("qwen3_vl");
    model.config["vision_config"]["deepstack_visual_indexes"] = {0, 1, 2};
    const auto tuning = tuning_of(model, {"strategy=full", kKept});
    const ModelInput input = input_of(model);
    const Made all = made(*tuning, input, Way::AllStates);
    const Counting behind(last_mixed(*tuning->base().model));
    const Made asked = made(*tuning, input, Way::Asked);
    QVERIFY(apart(asked, all) < 1e-5);
    QCOMPARE(behind.rows, input.input_ids.size(0));
  }

  /// A layer that is made again drops what it dropped.
  void masks_are_drawn_again() {
    const TinyModel model = pretend::tiny("llama");
    const ModelInput input = input_of(model);
    const QStringList drops{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.4"};
    const auto with = [&](const QString& checkpointing, std::uint64_t seed) {
      const auto tuning = tuning_of(model, drops + QStringList{checkpointing});
      tuning->trainables().adapter->set_training(true, seed);
      return made(*tuning, input, Way::Asked);
    };
    const Made kept = with(kKept, 3);
    QVERIFY(apart(with(kAgain, 3), kept) < 1e-6);
    QVERIFY(apart(with(kKept, 4), kept) > 1e-3);
  }

  void nothing_is_asked_for() {
    const TinyModel model = pretend::tiny("llama");
    const auto tuning = tuning_of(model, {"strategy=full", kKept});
    ModelInput input = input_of(model);
    input.labels.fill_(kIgnoreLabel);
    const LabelledStates states = labelled_states(*tuning->base().model, input);
    QCOMPARE(states.hidden.size(0), 0);
    QCOMPARE(states.target.size(0), 0);
  }
};

QTEST_GUILESS_MAIN(TestNarrowEnd)
#include "test_narrow_end.moc"
