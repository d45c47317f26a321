// SPDX-License-Identifier: GPL-3.0-or-later
// Whole steps of real sizes (qwen3_vl with the language models of Qwen3 0.6 B to 8 B, random
// nothing for weights) on the pretended device, large work left out: the most memory that lived at
// once against the forecast, and what a card would have to launch, move and multiply. The tokens a
// second are a roofline's over those counts, not a measurement. LUTHIER_DRY=all takes every case,
// LUTHIER_DRY_JSON names a file for the figures (./luthier bench --only device).
#include <cstdlib>
#include <fstream>

#include "engine/forecast/trained.h"
#include "engine/models/model_summary.h"
#include "tests/pretend/device_run.h"
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using pretend::Counts;
using pretend::DeviceRun;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRows = 2, kLength = 2048, kPrompt = 8, kImageToken = 151655, kSide = 32,
                       kMerge = 2, kPatchNumbers = 3 * 2 * 16 * 16;
constexpr double kLaunch = 5e-6;  ///< seconds of the host for one kernel

struct Size {
  const char* name;
  std::int64_t hidden, intermediate, layers, heads;
  bool tied;
};
const std::vector<Size>& sizes() {
  static const std::vector<Size> list{{"0.6 B", 1024, 3072, 28, 16, true},
                                      {"1.7 B", 2048, 6144, 28, 16, true},
                                      {"4 B", 2560, 9728, 36, 32, true},
                                      {"8 B", 4096, 12288, 36, 32, false}};
  return list;
}

struct Kind {
  const char* name;
  std::vector<std::string> settings;
  bool pictures = false;
  int micro_batches = 1;  ///< of a step
};
const std::vector<Kind>& kinds() {
  const std::string text_alone = R"(adapter.exclude_modules=.*visual.*)",
                    again = "training.gradient_checkpointing=true",
                    kept = "training.gradient_checkpointing=false";
  static const std::vector<Kind> list{
      {"LoRA", {"strategy=lora", text_alone, kept}},
      {"LoRA, checkpointing", {"strategy=lora", text_alone, again}},
      {"LoRA, pictures", {"strategy=lora", text_alone, kept}, true},
      {"LoRA, pictures, the tower too", {"strategy=lora", kept}, true},
      {"full", {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", kept}},
      {"full, checkpointing",
       {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", again}},
      {"full, two micro-batches",
       {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", kept},
       false,
       2},
  };
  return list;
}

Json config_of(const Size& size) {
  return {{"model_type", "qwen3_vl"},
          {"tie_word_embeddings", size.tied},
          {"image_token_id", kImageToken},
          {"text_config",
           {{"model_type", "qwen3_vl_text"},
            {"vocab_size", 151936},
            {"hidden_size", size.hidden},
            {"intermediate_size", size.intermediate},
            {"num_hidden_layers", size.layers},
            {"num_attention_heads", size.heads},
            {"num_key_value_heads", 8},
            {"head_dim", 128},
            {"tie_word_embeddings", size.tied},
            {"rope_parameters",
             {{"rope_type", "default"},
              {"rope_theta", 5e6},
              {"mrope_section", {24, 20, 20}},
              {"mrope_interleaved", true}}}}},
          {"vision_config",
           {{"depth", 24},
            {"hidden_size", 1024},
            {"intermediate_size", 4096},
            {"num_heads", 16},
            {"out_hidden_size", size.hidden},
            {"patch_size", 16},
            {"spatial_merge_size", kMerge},
            {"temporal_patch_size", 2},
            {"num_position_embeddings", 2304},
            {"deepstack_visual_indexes", {5, 11, 17}}}}};
}

ModelInput rows_of(bool pictures) {
  constexpr std::int64_t kTokens = kSide * kSide / kMerge / kMerge;
  ModelInput input;
  std::vector<std::int64_t> ids, labels;
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t i = 0; i < kLength; ++i) {
      const bool shown = pictures && i >= kPrompt && i < kPrompt + kTokens;
      ids.push_back(shown ? kImageToken : 100 + (i * 7 + row * 13) % 480);
      labels.push_back(shown || i < kPrompt ? kIgnoreLabel : ids.back());
    }
    input.lengths.push_back(kLength);
    input.prompt_lengths.push_back(kPrompt);
    if (pictures) input.pictures.push_back({kSide * kSide, {1, kSide, kSide}});
  }
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.labels = torch::tensor(labels, torch::kInt64);
  if (pictures) input.pixel_values = torch::zeros({kRows * kSide * kSide, kPatchNumbers});
  return input;
}

BatchShape shape_of(const ModelInput& input) {
  BatchShape shape;
  shape.batch_size = kRows;
  shape.lengths = input.lengths;
  shape.tokens = input.input_ids.size(0);
  shape.labels = (input.labels != kIgnoreLabel).sum().item<std::int64_t>();
  if (!input.pixel_values.defined()) return shape;
  shape.pictures.images = kRows;
  shape.pictures.patches = input.pixel_values.size(0);
  shape.pictures.numbers = input.pixel_values.numel();
  shape.pictures.tokens = shape.pictures.patches / kMerge / kMerge;
  return shape;
}

struct Measured {
  Counts counts;
  MemoryParts forecast;
  std::int64_t peak = 0;
  std::string place;  ///< where it is reached
};

Measured dry_step(const Size& size, const Kind& kind, const fs::path& folder) {
  std::ofstream(folder / "config.json") << config_of(size).dump();
  std::vector<std::string> settings = kind.settings;
  settings.push_back("training.dtype=bfloat16");
  settings.push_back("training.gradient_accumulation_steps=" + std::to_string(kind.micro_batches));
  const Recipe recipe = pretend::recipe_of(settings);
  const ModelInput rows = rows_of(kind.pictures);
  Measured figures;
  {
    const pretend::Dry dry;
    LoadedModel base;
    base.config = config_of(size);
    base.family = find_family(base.config, "config.json").take();
    base.model =
        base.family->read(base.config, folder)
            .take()
            .made(torch::TensorOptions().device(pretend::device()).dtype(torch::kBFloat16));
    DeviceRun run(std::move(base), recipe);
    const auto step = [&] {
      for (int i = 1; i <= kind.micro_batches; ++i)
        run.micro_batch(rows, /*last=*/i == kind.micro_batches);
      run.step();
    };
    step();
    pretend::reset_counts(), pretend::reset_peak();
    step();
    figures.counts = pretend::counts(), figures.peak = pretend::peak_bytes();
    figures.place = pretend::peak_place();
  }
  StepTerms terms;
  terms.element = 2, terms.cpu = false, terms.flash = true;
  terms.checkpointing = recipe.training.gradient_checkpointing == "true";
  const ModelSummary summary = summarize_model(folder).take();
  figures.forecast = estimate(summary, recipe, shape_of(rows), terms).take().parts;
  return figures;
}

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

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

  void the_forecast_holds_data() {
    QTest::addColumn<int>("size");
    QTest::addColumn<int>("kind");
    const char* asked = std::getenv("LUTHIER_DRY");
    const bool all = asked && std::string(asked) == "all";
    for (std::size_t size = 0; size < sizes().size(); ++size) {
      for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        if (!all && size != 0 && (size + 1 != sizes().size() || kind > 0)) continue;
        const std::string name = std::string(sizes()[size].name) + ", " + kinds()[kind].name;
        QTest::newRow(name.c_str()) << static_cast<int>(size) << static_cast<int>(kind);
      }
    }
  }
  void the_forecast_holds() {
    QFETCH(int, size);
    QFETCH(int, kind);
    const Measured figures =
        dry_step(sizes()[static_cast<std::size_t>(size)], kinds()[static_cast<std::size_t>(kind)],
                 folder_.path().toStdString());
    QCOMPARE(pretend::live_bytes(), 0);
    pretend::release_pages();
    const Counts& counts = figures.counts;
    const MemoryParts& parts = figures.forecast;
    const double ratio = static_cast<double>(parts.total()) / static_cast<double>(figures.peak);
    const auto& of = kinds()[static_cast<std::size_t>(kind)];
    const double tokens = static_cast<double>(kRows * kLength * of.micro_batches),
                 launching = static_cast<double>(counts.kernels) * kLaunch;
    qInfo(
        "%s: %lld kernels, %.1f GB moved, %.2f Tflop, %lld up, %lld down, %lld waits; model of "
        "an H100: %.0f ms of work, %.0f ms of launches, %.0f tokens/s",
        QTest::currentDataTag(), static_cast<long long>(counts.kernels), counts.bytes / 1e9,
        counts.flops / 1e12, static_cast<long long>(counts.up), static_cast<long long>(counts.down),
        static_cast<long long>(counts.waits), counts.seconds * 1e3, launching * 1e3,
        tokens / std::max(counts.seconds, launching));
    qInfo("  the peak is in %s", figures.place.c_str());
    qInfo(
        "  peak %.2f GB (over weights %.2f), forecast %.2f, ratio %.3f (weights %.2f, adapter "
        "%.3f, gradients %.2f, optimizer %.2f, activations %.2f, workspace %.2f)",
        gigabytes(figures.peak), gigabytes(figures.peak - parts.weights), gigabytes(parts.total()),
        ratio, gigabytes(parts.weights), gigabytes(parts.adapter), gigabytes(parts.gradients),
        gigabytes(parts.optimizer), gigabytes(parts.activations), gigabytes(parts.workspace));
    Json figure;
    figure["case"] = QTest::currentDataTag();
    figure["kernels"] = counts.kernels, figure["bytes"] = counts.bytes;
    figure["flops"] = counts.flops, figure["up"] = counts.up, figure["down"] = counts.down;
    figure["waits"] = counts.waits, figure["peak_bytes"] = figures.peak;
    figure["weight_bytes"] = parts.weights, figure["forecast_bytes"] = parts.total();
    figure["model_seconds"] = counts.seconds, figure["model_launch_seconds"] = launching;
    figure["tokens"] = tokens;
    figures_.push_back(figure);
    if (std::getenv("LUTHIER_DRY_COSTS")) {
      std::vector<std::pair<double, std::string>> costs;
      for (const auto& [name, cost] : pretend::costs_by_name())
        costs.emplace_back(cost.first, name);
      std::sort(costs.rbegin(), costs.rend());
      const auto kernels = pretend::kernels_by_name();
      for (const auto& [seconds, name] : costs)
        qInfo("    %8.2f ms %s", seconds * 1e3, name.c_str());
      for (const auto& [name, count] : kernels)
        qInfo("    %8lld %s", static_cast<long long>(count), name.c_str());
    }
    QVERIFY2(ratio >= 1.0 && ratio <= 1.1, qPrintable(QString::number(ratio)));
  }

  /// What a card runs: kernels of our own do in one launch what is several of ATen's, in no more
  /// memory than the forecast, which is made for ATen's.
  void own_kernels_launch_and_move_less_data() {
    QTest::addColumn<int>("size");
    QTest::addColumn<int>("kind");
    QTest::newRow("0.6 B, full") << 0 << 4;
    QTest::newRow("0.6 B, LoRA, checkpointing") << 0 << 1;
    QTest::newRow("8 B, LoRA") << 3 << 0;
  }
  void own_kernels_launch_and_move_less() {
    QFETCH(int, size);
    QFETCH(int, kind);
    const auto measured = [&] {
      const Measured figures =
          dry_step(sizes()[static_cast<std::size_t>(size)], kinds()[static_cast<std::size_t>(kind)],
                   folder_.path().toStdString());
      pretend::release_pages();
      return figures;
    };
    const Measured plain = measured();
    const pretend::OwnKernels own;
    const Measured fused = measured();
    for (const Measured* each : {&plain, &fused}) {
      qInfo(
          "%s, %s: %lld kernels, %.1f GB moved, peak %.2f GB, %.0f tokens/s of a model",
          QTest::currentDataTag(), each == &fused ? "our kernels" : "ATen's",
          static_cast<long long>(each->counts.kernels), each->counts.bytes / 1e9,
          gigabytes(each->peak),
          kRows * kLength /
              std::max(each->counts.seconds, static_cast<double>(each->counts.kernels) * kLaunch));
    }
    for (const auto& [entry, launches] : own.launches()) qInfo("  %6d %s", launches, entry.c_str());
    QVERIFY(fused.counts.kernels < 0.75 * static_cast<double>(plain.counts.kernels));
    QVERIFY(fused.counts.bytes < 0.8 * plain.counts.bytes);
    QVERIFY(fused.peak <= plain.peak);
    QVERIFY(fused.peak <= fused.forecast.total());
  }

 private:
  QTemporaryDir folder_;
  Json figures_ = Json::array();
};

QTEST_GUILESS_MAIN(TestDrySteps)
#include "test_dry_steps.moc"
