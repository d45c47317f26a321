// SPDX-License-Identifier: GPL-3.0-or-later
// Whole steps of real sizes (engine/check/shapes: Qwen3-VL with the language models of Qwen3 0.6 B
// to 8 B, random nothing for weights) on the pretended device, large work left out, as a run does
// them: the most memory that lived at once against the forecast, and what a card would have to
// launch, move and multiply, by kernels of our own and by ATen's in their place. The tokens a
// second are a roofline's over those counts, not a measurement. LUTHIER_DRY=all takes every case,
// LUTHIER_DRY_JSON names a file for the figures (./luthier bench --only device).
#include <cstdlib>
#include <fstream>

#include "engine/check/shapes.h"
#include "engine/check/tuning.h"
#include "engine/forecast/trained.h"
#include "engine/models/model_summary.h"
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using pretend::Counts;

namespace {

namespace fs = std::filesystem;

constexpr double kLaunch = 5e-6;  ///< seconds of the host for one kernel

struct StepKind {
  const char* name;
  std::vector<std::string> settings;
  bool pictures = false;
  std::size_t micro_batches = 1;  ///< of a step
  bool recorded = false;
  double least = 1.0;  ///< that the forecast comes to, of the counted peak
};
const std::vector<StepKind>& kinds() {
  const std::string text_alone = R"(adapter.exclude_modules=.*visual.*)",
                    again = "training.gradient_checkpointing=true",
                    kept = "training.gradient_checkpointing=false";
  static const std::vector<StepKind> list{
      {"LoRA", {"strategy=lora", text_alone, kept}},
      {"LoRA, checkpointing", {"strategy=lora", text_alone, again}},
      {"LoRA, pictures", {"strategy=lora", text_alone, kept}, true},
      {"LoRA, pictures, checkpointing", {"strategy=lora", text_alone, again}, true},
      // Since the last layer makes labelled tokens' states alone, 0.6 B comes to 0.9996: 3.5 MB of
      // 9.6 GB, which the count of all last states hid before and nobody has found yet.
      {"LoRA, pictures, the tower too", {"strategy=lora", kept}, true, 1, false, 0.999},
      {"full", {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", kept}},
      {"full, checkpointing",
       {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", again}},
      {"full, two micro-batches",
       {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", kept},
       false,
       2},
      // Without dropout: by ATen's operators its masks would be made for all numbers, dry or not.
      {"LoRA, recorded",
       {"strategy=lora", text_alone, kept, "adapter.lora_dropout=0"},
       false,
       1,
       true},
  };
  return list;
}

/// What a step comes to.
struct Measured {
  Counts counts;
  std::int64_t peak = 0;
  std::string place;  ///< where it is reached
  double launching() const { return static_cast<double>(counts.kernels) * kLaunch; }
  /// Seconds by the model: the card's work, or the host's launches where they take longer.
  double seconds() const { return std::max(counts.seconds, launching()); }
};

Recipe recipe_of(const StepKind& kind) {
  std::vector<std::string> settings = kind.settings;
  settings.push_back("training.dtype=bfloat16");
  settings.push_back("training.gradient_accumulation_steps=" + std::to_string(kind.micro_batches));
  return recipe_without_files(settings).take();
}

/// The same tokens, those of the last row as two rows.
MicroBatch one_row_more(MicroBatch rows) {
  rows.rows.push_back(rows.rows.back()), rows.cached.push_back(rows.cached.back());
  rows.encoded.push_back(rows.encoded.back());
  for (std::size_t half = 1; half <= 2; ++half) {
    Example& row = rows.encoded[rows.encoded.size() - half].sequences.front();
    row.input_ids.resize(row.input_ids.size() / 2);
    row.labels.resize(row.input_ids.size());
  }
  return rows;
}

Measured dry_step(const CardShape& shape, const StepKind& kind) {
  const std::vector<MicroBatch> batches(kind.micro_batches, rows_of(shape, kind.pictures));
  Measured figures;
  {
    const pretend::Dry dry;
    const auto tensors = torch::TensorOptions().device(pretend::device()).dtype(torch::kBFloat16);
    const auto tuning =
        Tuning::begin(drawn_in_place(shape, tensors, pretend::any_processor()).take(),
                      recipe_of(kind))
            .take();
    if (kind.recorded && !tuning->fill_up(true)) qFatal("nobody records");
    // The first one makes the optimizer's state.
    for (std::uint64_t turn = 0; turn < 2; ++turn) {
      pretend::reset_counts(), pretend::reset_peak();
      tuning->window(batches, turn).take();
      tuning->step(1e-3);
    }
    figures.counts = pretend::counts(), figures.peak = pretend::peak_bytes();
    if (kind.recorded) {
      // Replayed; then one of other rows comes, and is launched beside the recording.
      pretend::reset_counts();
      tuning->window(batches, 2).take();
      tuning->step(1e-3);
      figures.counts = pretend::counts();
      tuning->window({one_row_more(batches.front())}, 3).take();
      tuning->step(1e-3);
      figures.peak = pretend::peak_bytes();
    }
    figures.place = pretend::peak_place();
  }
  if (pretend::live_bytes() != 0) qFatal("tensors are left after a step");
  pretend::release_pages();
  return figures;
}

MemoryParts forecast_of(const CardShape& shape, const StepKind& kind, const fs::path& folder) {
  std::ofstream(folder / "config.json") << config_of(shape).dump();
  const Recipe recipe = recipe_of(kind);
  StepTerms terms;
  terms.element = 2, terms.cpu = false, terms.flash = true;
  terms.checkpointing = recipe.training.gradient_checkpointing == "true";
  terms.recorded = kind.recorded;
  return estimate(summarize_model(folder).take(), recipe, batch_shape_of(shape, kind.pictures),
                  terms)
      .take()
      .parts;
}

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

/// What ./luthier bench reads of a step.
Json figure_of(const Measured& step, double tokens) {
  const Counts& counts = step.counts;
  return {{"kernels", counts.kernels},
          {"bytes", counts.bytes},
          {"flops", counts.flops},
          {"up", counts.up},
          {"down", counts.down},
          {"waits", counts.waits},
          {"peak_bytes", step.peak},
          {"model_seconds", counts.seconds},
          {"model_launch_seconds", step.launching()},
          {"model_tokens_per_second", tokens / step.seconds()}};
}

void tell(const char* whose, const Measured& step, double tokens) {
  const Counts& counts = step.counts;
  qInfo(
      "%s, %s: %lld kernels, %.1f GB moved, %.2f Tflop, %lld up, %lld down, %lld waits; model of "
      "an H100: %.0f ms of work, %.0f ms of launches, %.0f tokens/s",
      QTest::currentDataTag(), whose, static_cast<long long>(counts.kernels), counts.bytes / 1e9,
      counts.flops / 1e12, static_cast<long long>(counts.up), static_cast<long long>(counts.down),
      static_cast<long long>(counts.waits), counts.seconds * 1e3, step.launching() * 1e3,
      tokens / step.seconds());
  qInfo("  the peak, %.2f GB, is in %s", gigabytes(step.peak), step.place.c_str());
}

void tell_costs() {
  std::vector<std::pair<double, std::string>> costs;
  for (const auto& [name, cost] : pretend::costs_by_name()) costs.emplace_back(cost.first, name);
  std::sort(costs.rbegin(), costs.rend());
  for (const auto& [seconds, name] : costs) qInfo("    %8.2f ms %s", seconds * 1e3, name.c_str());
  for (const auto& [name, count] : pretend::kernels_by_name())
    qInfo("    %8lld %s", static_cast<long long>(count), name.c_str());
}

}  // namespace

class TestDrySteps : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }
  void cleanupTestCase() {
    if (const char* path = std::getenv("LUTHIER_DRY_JSON")) std::ofstream(path) << figures_.dump();
  }

  void a_step_data() {
    QTest::addColumn<int>("size");
    QTest::addColumn<int>("kind");
    const char* asked = std::getenv("LUTHIER_DRY");
    const bool all = asked && std::string(asked) == "all";
    const std::vector<CardShape>& shapes = card_shapes();
    for (std::size_t size = 0; size < shapes.size(); ++size) {
      for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        if (!all && size != 0 && (size + 1 != shapes.size() || kind > 0)) continue;
        const std::string name = std::string(shapes[size].name) + ", " + kinds()[kind].name;
        QTest::newRow(name.c_str()) << static_cast<int>(size) << static_cast<int>(kind);
      }
    }
  }
  /// What a card runs is kernels of our own, which do in one launch what is several of ATen's, in
  /// no more memory than the forecast, which is made for ATen's: they stand behind ours.
  void a_step() {
    QFETCH(int, size);
    QFETCH(int, kind);
    const CardShape& shape = card_shapes()[static_cast<std::size_t>(size)];
    const StepKind& of = kinds()[static_cast<std::size_t>(kind)];
    const MemoryParts forecast = forecast_of(shape, of, folder_.path().toStdString());
    const double tokens =
        static_cast<double>(shape.rows * shape.length) * static_cast<double>(of.micro_batches);
    const Measured plain = dry_step(shape, of);
    tell("ATen's kernels", plain, tokens);
    Measured own;
    {
      const pretend::OwnKernels kernels;
      own = dry_step(shape, of);
      tell("kernels of our own", own, tokens);
      for (const auto& [entry, launches] : kernels.launches())
        qInfo("  %6d %s", launches, entry.c_str());
      if (std::getenv("LUTHIER_DRY_COSTS")) tell_costs();
    }
    const double ratio = static_cast<double>(forecast.total()) / static_cast<double>(plain.peak);
    qInfo(
        "  forecast %.2f GB, over ATen's peak %.3f, over ours %.3f (weights %.2f, adapter %.3f, "
        "gradients %.2f, optimizer %.2f, activations %.2f, workspace %.2f)",
        gigabytes(forecast.total()), ratio,
        static_cast<double>(forecast.total()) / static_cast<double>(own.peak),
        gigabytes(forecast.weights), gigabytes(forecast.adapter), gigabytes(forecast.gradients),
        gigabytes(forecast.optimizer), gigabytes(forecast.activations),
        gigabytes(forecast.workspace));
    figures_.push_back({{"case", QTest::currentDataTag()},
                        {"tokens", tokens},
                        {"weight_bytes", forecast.weights},
                        {"forecast_bytes", forecast.total()},
                        {"own", figure_of(own, tokens)},
                        {"aten", figure_of(plain, tokens)}});
    QVERIFY2(ratio >= of.least && ratio <= 1.1, qPrintable(QString::number(ratio)));
    for (const Counts& counts : {plain.counts, own.counts}) {
      QCOMPARE(counts.up, static_cast<std::int64_t>(of.micro_batches));
      // The losses and the gradients' norm, at the step's end.
      QCOMPARE(counts.down + counts.waits, 1);
    }
    QVERIFY(own.peak <= plain.peak);
    QVERIFY(own.peak <= forecast.total());
    if (of.recorded) {
      // The gradients' zeros and norm, the losses, the optimizer, and the step itself, once.
      QVERIFY(own.counts.kernels < 40 && plain.counts.kernels < 400);
      return;
    }
    QVERIFY(own.counts.kernels < 0.75 * static_cast<double>(plain.counts.kernels));
    QVERIFY(own.counts.bytes < 0.8 * plain.counts.bytes);
    if (QString(QTest::currentDataTag()) != "8 B, LoRA") return;
    QVERIFY(own.counts.kernels <= 3200);  // the goal is 4,000
    QVERIFY(own.counts.bytes <= 450e9);
  }

 private:
  QTemporaryDir folder_;
  Json figures_ = Json::array();
};

QTEST_GUILESS_MAIN(TestDrySteps)
#include "test_dry_steps.moc"
