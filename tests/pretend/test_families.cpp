// SPDX-License-Identifier: GPL-3.0-or-later
// Every family, with an adapter, whole and under gradient checkpointing, takes training steps and
// decodes on a device whose memory the host cannot touch, and comes to the CPU's numbers. They
// differ in the last bits alone: on the CPU larger products go through oneDNN (nn/products), on a
// device through LibTorch's own, which adds up in another order.
#include "engine/models/clipseg/segmenter.h"
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"
#include "tests/rounds.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr double kLastBits = 3e-6;
constexpr std::int64_t kSteps = 2, kTokens = 4;

double apart(double a, double b) { return std::abs(a - b) / std::max(1e-3, std::abs(a)); }

ModelInput next_tokens(torch::Device device) {
  ModelInput next;
  next.input_ids = torch::tensor({5, 9}, torch::kInt64).to(device);
  next.lengths = {1, 1};
  return next;
}

Tensor logits_of(Model& model, const Tensor& states) {
  const Tensor last = states.view({2, -1, states.size(-1)}).select(1, -1);
  return model.output_head()->forward(last).to(torch::kFloat32).to(torch::kCPU);
}

/// Logits of each of a few tokens after two prompts of one length, [tokens, 2, vocabulary]; of
/// models that write no text, what they make of whole rows.
Tensor answers(Tuning& tuning, const TinyModel& small, torch::Device device) {
  const c10::InferenceMode inference;
  Model& model = *tuning.base().model;
  tuning.rest();
  const MicroBatch rows = tiny_rows(pretend::tiny(small.family->model_type, {12, 12}));
  std::vector<Example> examples;
  for (const EncodedRow& row : rows.encoded) examples.push_back(row.sequences.front());
  ModelInput prompts = collate(examples);
  prompts.labels = Tensor();
  const ModelInput input = for_model(model, prompts);
  std::vector<Tensor> logits;
  if (TwoTowers* towers = model.two_towers()) return text_likeness(*towers, input).cpu();
  if (auto* segmenter = dynamic_cast<Segmenter*>(&model))  // each row's picture, by its text
    return segmenter->segment(input, {{0, 1}, {-1, -1}}).cpu();
  if (PatchRebuilder* rebuilder = model.patch_rebuilder()) {
    const Tensor noise =
        torch::arange(2 * rebuilder->patches(), torch::kFloat32).mul(0.37).frac().view({2, -1});
    return rebuilder->rebuild(input, noise.to(device)).made.cpu();
  }
  if (Classifier* classifier = model.classifier(); classifier && !model.output_head())
    return classifier->classify(input).cpu();
  if (Encoder* encoder = model.encoder())
    return encoder->head()->forward(encoder->before_head(encoder->encode(input))).cpu();
  if (SequenceToSequence* able = model.sequence_to_sequence()) {
    const RowStates memory = able->encode(input);
    KeyValueCache cache(able->decoder_layers(), kTokens);
    for (std::int64_t i = 0; i < kTokens; ++i)
      logits.push_back(logits_of(model, able->decode(next_tokens(device), memory, &cache)));
    return at::stack(logits);
  }
  KeyValueCache cache(model.causal()->num_hidden_layers(), prompts.lengths.front() + kTokens);
  TokenSequence sequence = model.embed(input);
  for (std::int64_t i = 0; i < kTokens; ++i) {
    logits.push_back(logits_of(model, model.decode(sequence, &cache)));
    sequence = model.embed(next_tokens(device));
  }
  return at::stack(logits);
}

struct Step {
  double loss = 0, norm = 0;
};
struct Outcome {
  std::vector<Step> steps;
  Tensor answers;
};

Outcome run(const TinyModel& model, torch::Device device, std::vector<std::string> settings) {
  // Where a gradient is zero but for rounding, Adam's usual 1e-8 makes a whole step of whatever is
  // left of it, and the answers would tell of that.
  settings.push_back("training.adam_epsilon=1e-5");
  const auto tuning = pretend::tuned(model, device, std::move(settings));
  const MicroBatch rows = tiny_rows(model);
  Outcome outcome;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    Step& step = outcome.steps.emplace_back();
    step.loss = tuning->micro_batch(rows, 3);
    step.norm = tuning->step(1e-3);
  }
  for (const auto& [name, tensor] : tuning->optimizer().state())
    if (!name.ends_with(".step") && tensor.device() != device)
      qFatal("%s is on %s", name.c_str(), tensor.device().str().c_str());
  outcome.answers = answers(*tuning, model, device);
  return outcome;
}

void verify_alike(const Outcome& here, const Outcome& there) {
  for (std::size_t i = 0; i < here.steps.size(); ++i) {
    const auto &a = here.steps[i], &b = there.steps[i];
    QVERIFY2(std::isfinite(a.loss) && apart(a.loss, b.loss) < kLastBits,
             qPrintable(QString("loss %1 %2").arg(a.loss, 0, 'g', 9).arg(b.loss, 0, 'g', 9)));
    QVERIFY2(a.norm > 0 && apart(a.norm, b.norm) < 10 * kLastBits,
             qPrintable(QString("norm %1 %2").arg(a.norm, 0, 'g', 9).arg(b.norm, 0, 'g', 9)));
  }
  const double far = (here.answers - there.answers).abs().max().item<double>();
  QVERIFY2(far < 1e-4, qPrintable(QString::number(far)));
}

}  // namespace

class TestFamilies : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void cleanup() { pretend::let_flash(true); }

  void trains_and_answers_as_on_the_cpu_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QStringList>("settings");
    const QStringList lora{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0"};
    // Each family has an adapter and, in a daily round, one of the other three. Where none hangs,
    // the head of classes learns, and all of it.
    std::size_t turn = 0;
    for (const Family& family : families()) {
      const std::string name = family.model_type;
      if (!takes_adapters(pretend::tiny(name))) {
        for (const char* strategy : {"freeze", "full"})
          QTest::newRow((name + ", " + strategy).c_str())
              << QString::fromStdString(name) << QStringList{QString("strategy=%1").arg(strategy)};
        continue;
      }
      std::size_t way = turn++;
      const auto row = [&](const char* what, const QStringList& settings) {
        if (!test::in_this_round(way++, 3)) return;
        QTest::newRow((name + ", " + what).c_str()) << QString::fromStdString(name) << settings;
      };
      QTest::newRow((name + ", lora").c_str())
          << QString::fromStdString(name)
          << lora + QStringList{"training.gradient_checkpointing=false"};
      row("full", {"strategy=full", "training.gradient_checkpointing=false"});
      row("checkpointing", lora + QStringList{"training.gradient_checkpointing=true"});
      // As a card has it in float32: attention over padded rows and groups.
      row("lora, no flash attention", lora + QStringList{"training.gradient_checkpointing=false"});
    }
  }
  void trains_and_answers_as_on_the_cpu() {
    QFETCH(QString, name);
    QFETCH(QStringList, settings);
    std::vector<std::string> list;
    for (const QString& each : settings) list.push_back(each.toStdString());
    const TinyModel model = pretend::tiny(name.toStdString());
    pretend::let_flash(!QString(QTest::currentDataTag()).endsWith("no flash attention"));
    const Outcome here = run(model, torch::kCPU, list), there = run(model, pretend::device(), list);
    verify_alike(here, there);
    QVERIFY(here.steps.front().loss != here.steps.back().loss);
  }

  /// What an answer has made once and left with the model is of its own mode of autograd.
  void trains_after_it_has_answered_data() {
    QTest::addColumn<QString>("name");
    for (const Family& family : families()) QTest::newRow(family.model_type) << family.model_type;
  }
  void trains_after_it_has_answered() {
    QFETCH(QString, name);
    const TinyModel model = pretend::tiny(name.toStdString());
    const auto training = pretend::tuned(model, pretend::device(), {"strategy=full"});
    answers(*training, model, pretend::device());
    QVERIFY(std::isfinite(training->micro_batch(tiny_rows(model), 3)));
    QVERIFY(training->step(1e-3) > 0);
  }

  void kernels_of_our_own_come_to_the_same_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QStringList>("settings");
    // With kernels the masks are the CPU's, so that dropout can be compared too.
    const QStringList lora{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.2"};
    std::size_t turn = 0;
    for (const Family& family : families()) {
      const QString name = family.model_type;
      if (!takes_adapters(pretend::tiny(family.model_type))) continue;
      if (test::in_this_round(turn++, 3))
        QTest::newRow(qPrintable(name + ", lora"))
            << name << lora + QStringList{"training.gradient_checkpointing=true"};
      // Gradients of norms' weights; a centred norm, one over cross attention, two towers.
      if (!QStringList{"qwen3_vl", "gemma3", "llama", "t5", "clip"}.contains(name)) continue;
      QTest::newRow(qPrintable(name + ", full"))
          << name << QStringList{"strategy=full", "training.gradient_checkpointing=false"};
    }
  }
  void kernels_of_our_own_come_to_the_same() {
    QFETCH(QString, name);
    QFETCH(QStringList, settings);
    std::vector<std::string> list;
    for (const QString& each : settings) list.push_back(each.toStdString());
    const TinyModel model = pretend::tiny(name.toStdString());
    const Outcome here = run(model, torch::kCPU, list);
    const pretend::OwnKernels own;
    const Outcome there = run(model, pretend::device(), list);
    verify_alike(here, there);
    QVERIFY(own.launches().contains("adamw_float"));
  }
};

QTEST_GUILESS_MAIN(TestFamilies)
#include "test_families.moc"
