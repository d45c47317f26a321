// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts of a CLIP of a few thousand weights: the loss against its formula and its own
// slope, a window that is compared whole however it is cut, and runs that go on to the same bytes.
// tests/parity compares with transformers' CLIPModel.
#include "tests/train/watched_run.h"

#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

void write_captions(const fs::path& path, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const Json row = {{"image", (fixture() / (i % 2 ? "a.png" : "b.jpg")).string()},
                      {"text", "picture " + std::to_string(i * 7 % 11) + (i % 3 ? " again" : "")}};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

/// The tiny run's tokenizer and pictures under a model of two towers.
struct TinyClip : TinyRun {
  TinyClip() {
    const Json llava = *read_json_file(root() / "model/config.json");
    const Json config = {{"model_type", "clip"},
                         {"projection_dim", 24},
                         {"logit_scale_init_value", 1.5},
                         {"text_config",
                          {{"vocab_size", llava["text_config"]["vocab_size"]},
                           {"hidden_size", 40},
                           {"intermediate_size", 72},
                           {"num_hidden_layers", 2},
                           {"num_attention_heads", 4},
                           {"max_position_embeddings", 40},
                           {"eos_token_id", 2}}},
                         {"vision_config", llava["vision_config"]}};
    write_text(root() / "model/config.json", config.dump(2));
    write_captions(root() / "rows.jsonl", 11);
    write_captions(root() / "eval.jsonl", 5);
  }
  Recipe contrastive(const std::string& out, std::vector<std::string> settings = {}) const {
    settings.insert(settings.begin(), {"objective=contrastive", "training.learning_rate=1.0e-2"});
    return recipe(out, settings);
  }
};

const Tensor& named(const NamedTensors& tensors, const std::string& name) {
  static const Tensor none;
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  return none;
}

/// −log of the share that the own entry has of its row, the mean of all rows.
double picked(const Tensor& logits) {
  double sum = 0;
  for (std::int64_t i = 0; i < logits.size(0); ++i) {
    double all = 0;
    for (std::int64_t j = 0; j < logits.size(1); ++j) all += std::exp(logits[i][j].item<double>());
    sum += std::log(all) - logits[i][i].item<double>();
  }
  return sum / static_cast<double>(logits.size(0));
}

}  // namespace

class TestContrastive : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void the_loss_is_its_formula() {
    TinyClip tiny;
    const Recipe recipe = tiny.contrastive("run", {"strategy=full"});
    auto base = load(recipe);
    QVERIFY2(base.ok(), base ? "" : base.error().sentence().c_str());
    Tensor scale = base->model->named_parameters()["logit_scale"];
    QCOMPARE(scale.item<double>(), 1.5);  // as config.json has it, whatever else is drawn
    const auto loss_at = [&](double value) {
      const torch::NoGradGuard no_grad;
      scale.fill_(value);
      return loss_of_rows(*base, recipe, tiny.root() / "eval.jsonl");
    };
    const auto tensors = loss_at(1.5);
    QVERIFY2(tensors.ok(), tensors ? "" : tensors.error().sentence().c_str());
    const Tensor logits = named(*tensors, "logits_per_text").to(torch::kFloat64);
    QCOMPARE(logits.sizes().vec(), (std::vector<std::int64_t>{5, 5}));
    const double wanted = (picked(logits) + picked(logits.t())) / 2;
    QVERIFY(std::abs(named(*tensors, "loss").item<double>() - wanted) < 1e-5);
    // no likeness beyond that of points of length 1
    QVERIFY(logits.abs().max().item<double>() <= std::exp(1.5) + 1e-4);
    QVERIFY(named(*tensors, "metric.accuracy/text").defined());
    QVERIFY(named(*tensors, "metric.accuracy/image").defined());

    const double slope = named(*tensors, "grad.logit_scale").item<double>();
    const auto above = loss_at(1.52), below = loss_at(1.48);
    QVERIFY(above.ok() && below.ok());
    const double wanted_slope =
        (named(*above, "loss").item<double>() - named(*below, "loss").item<double>()) / 0.04;
    QVERIFY2(std::abs(slope - wanted_slope) < 2e-3 * std::max(0.1, std::abs(wanted_slope)),
             qPrintable(QString("%1, wanted %2").arg(slope).arg(wanted_slope)));
  }

  void a_window_is_compared_whole_however_it_is_cut() {
    TinyClip tiny;
    const auto cut = [&](const char* out, const char* rows, const char* batches) {
      return run(tiny.contrastive(
          out, {"strategy=full", "eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                std::string("training.per_device_train_batch_size=") + rows,
                std::string("training.gradient_accumulation_steps=") + batches}));
    };
    VERIFY_OK(cut("one", "4", "1"));
    VERIFY_OK(cut("two", "2", "2"));
    QVERIFY2(differences(tiny.root() / "one", tiny.root() / "two").isEmpty(),
             qPrintable(differences(tiny.root() / "one", tiny.root() / "two")));
  }

  /// The loss of all rows and its slope, but for what the order of sums leaves.
  void piece_by_piece_it_is_the_loss_of_all() {
    TinyClip tiny;
    const auto cut = [&](const char* out, const char* cached, const char* rows,
                         const char* batches) {
      return run(tiny.contrastive(
          out, {"strategy=full", std::string("contrastive.gradient_cache=") + cached,
                "eval_dataset=" + (tiny.root() / "eval.jsonl").string(), "training.logging_steps=1",
                "training.max_steps=2", std::string("training.per_device_train_batch_size=") + rows,
                std::string("training.gradient_accumulation_steps=") + batches}));
    };
    const Outcome whole = cut("whole", "false", "4", "1"), pieces = cut("pieces", "true", "2", "2"),
                  single = cut("single", "true", "1", "4");
    VERIFY_OK(whole);
    VERIFY_OK(pieces);
    VERIFY_OK(single);
    const MetricsLine& one = whole.watcher.lines.front();
    for (const Outcome* other : {&pieces, &single}) {
      const MetricsLine& cached = other->watcher.lines.front();
      QVERIFY(std::abs(one.loss - cached.loss) < 1e-5 * std::abs(one.loss));
      // Points of a model that has learned nothing are nearly one: what its gradients are is left
      // of sums that take one another away, in float32 to three places.
      QVERIFY2(std::abs(one.grad_norm - cached.grad_norm) < 2e-3 * one.grad_norm,
               qPrintable(QString("%1 beside %2")
                              .arg(cached.grad_norm, 0, 'g', 9)
                              .arg(one.grad_norm, 0, 'g', 9)));
      QCOMPARE(cached.figures.at("accuracy/text"), one.figures.at("accuracy/text"));
      QVERIFY(other->watcher.lines.back().eval_loss.has_value());
    }
  }

  void it_learns() {
    TinyClip tiny;
    write_text(tiny.root() / "rows.jsonl",
               Json({{"image", (fixture() / "a.png").string()}, {"text", "one"}}).dump() + "\n" +
                   Json({{"image", (fixture() / "b.jpg").string()}, {"text", "2 other"}}).dump() +
                   "\n");
    const Outcome outcome = run(tiny.contrastive(
        "run", {"strategy=full", "training.max_steps=60", "training.weight_decay=0"}));
    VERIFY_OK(outcome);
    const MetricsLine &first = outcome.watcher.lines.front(), &last = outcome.watcher.lines.back();
    QVERIFY(first.loss > 0.5 && last.loss < 0.1);
    QCOMPARE(last.figures.at("accuracy/text"), 1.0);
    QCOMPARE(last.figures.at("accuracy/image"), 1.0);
    // Dropout is the same both times that a piece goes through: its gradients are those of its
    // loss.
    const Outcome dropped = run(tiny.contrastive(
        "dropped",
        {"strategy=lora", "adapter.target_modules=all-linear", "adapter.lora_dropout=0.3",
         "contrastive.gradient_cache=true", "training.per_device_train_batch_size=1",
         "training.gradient_accumulation_steps=2", "training.max_steps=60",
         "training.learning_rate=1e-3", "training.weight_decay=0"}));
    VERIFY_OK(dropped);
    QVERIFY2(dropped.watcher.lines.back().loss < 0.2 * dropped.watcher.lines.front().loss,
             qPrintable(QString::number(dropped.watcher.lines.back().loss)));
  }

  void a_fixed_tower_gives_the_same_kept_or_made_anew() {
    TinyClip tiny;
    TrainerOptions anew;
    anew.max_cache_bytes = 0;
    VERIFY_OK(run(tiny.contrastive("kept", {"strategy=freeze"})));
    VERIFY_OK(run(tiny.contrastive("anew", {"strategy=freeze"}), {}, {}, anew));
    QVERIFY2(differences(tiny.root() / "kept", tiny.root() / "anew").isEmpty(),
             qPrintable(differences(tiny.root() / "kept", tiny.root() / "anew")));
  }

  void layers_made_again_give_the_same() {
    TinyClip tiny;
    TrainerOptions again;
    again.gradient_checkpointing = true;
    const std::vector<std::string> settings{"strategy=lora", "adapter.target_modules=all-linear"};
    const Outcome plain = run(tiny.contrastive("plain", settings)),
                  made = run(tiny.contrastive("again", settings), {}, {}, again);
    VERIFY_OK(plain);
    VERIFY_OK(made);
    for (std::size_t i = 0; i < plain.watcher.lines.size(); ++i) {
      const double one = plain.watcher.lines[i].loss, other = made.watcher.lines[i].loss;
      QVERIFY(std::abs(one - other) < 1e-5 * std::abs(one));
    }
  }

  void goes_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("strategy");
    for (const char* strategy : {"lora", "full", "freeze"}) QTest::newRow(strategy) << strategy;
  }
  void goes_on_to_the_same_bytes() {
    QFETCH(QString, strategy);
    TinyClip tiny;
    const std::vector<std::string> settings{
        "strategy=" + strategy.toStdString(), "training.logging_steps=2",
        "eval_dataset=" + (tiny.root() / "eval.jsonl").string()};
    const Outcome whole = run(tiny.contrastive("whole", settings));
    VERIFY_OK(whole);
    QVERIFY(whole.watcher.lines.back().figures.contains("eval_accuracy/text"));
    const Recipe recipe = tiny.contrastive("cut", settings);
    int seen = 0;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 5 && !seen) seen = 1, control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  void what_cannot_be_is_refused_by_name() {
    TinyClip clip;
    TinyRun causal;
    const auto sentence = [](const Outcome& outcome) {
      return outcome.result ? QString() : QString::fromStdString(outcome.result.error().sentence());
    };
    const QString sft = sentence(run(clip.recipe("sft")));
    QVERIFY2(sft.contains("clip") && sft.contains("next token"), qPrintable(sft));
    const QString other = sentence(run(causal.recipe(
        "run", {"objective=contrastive", "dataset=" + (clip.root() / "rows.jsonl").string()})));
    QVERIFY2(other.contains("llava") && other.contains("one space"), qPrintable(other));
    write_text(clip.root() / "rows.jsonl", R"({"text": "no picture"})"
                                           "\n");
    const QString row = sentence(run(clip.contrastive("row")));
    QVERIFY2(row.contains("row 1: image"), qPrintable(row));
  }
};

QTEST_GUILESS_MAIN(TestContrastive)
#include "test_contrastive.moc"
