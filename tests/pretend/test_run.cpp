// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces of a run on a device, as a run puts them together: rows read and encoded, windows,
// batches with a tower that is fixed or not, objectives with a reference, and answers. All as on
// the CPU, in whose memory a row of filler stands beside.
#include <torch/library.h>

#include "engine/device/lost_device.h"
#include "engine/generate/generate.h"
#include "engine/train/row_loss.h"
#include "engine/train/step_runner.h"
#include "tests/pretend/pretend.h"

// After LibTorch, whose names Qt's keywords would break.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

constexpr double kLastBits = 2e-5;  // of sums that differ in their order

LoadedModel twin(const LoadedModel& here, torch::Device device) {
  LoadedModel there = here;
  there.model = here.family->read(here.config, here.folder)
                    .take()
                    .made(torch::TensorOptions().device(device).dtype(torch::kFloat32));
  const torch::NoGradGuard no_grad;
  const auto from = here.model->named_parameters();
  for (auto& item : there.model->named_parameters()) item.value().copy_(from[item.key()]);
  return there;
}

void write_pairs(const fs::path& path) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    Json row = {{"prompt", "<image>What is number " + std::to_string(i) + "?"},
                {"chosen", "It is " + std::to_string(i * 3) + "."},
                {"rejected", "I cannot say, but perhaps " + std::to_string(i) + "."}};
    row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

/// The chosen answers of the same pairs, each with a label.
void write_judged(const fs::path& path) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    Json row = {{"prompt", "<image>What is number " + std::to_string(i) + "?"},
                {"completion", "It is " + std::to_string(i * 3) + "."},
                {"label", i != 1}};
    row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

Tensor dies(const Tensor& x) {
  TORCH_CHECK(x.numel() < 0, "CUDA error: an illegal memory access was encountered");
  return x;
}

/// A kernel whose last bits go by all that is in its call, as a product's on a card may. Of these
/// models only the tower's activation asks for it.
Tensor goes_by_the_batch(const Tensor& x) {
  return x.neg().exp_().add_(1).reciprocal_().mul_(x.mean().tanh_().mul_(1e-3).add_(1));
}

double far(const Tensor& got, const Tensor& wanted) {
  if (wanted.numel() == 0) return 0;
  const Tensor a = got.to(torch::kFloat64), b = wanted.to(torch::kFloat64);
  const double size = b.abs().max().item<double>();
  return (a - b).abs().max().item<double>() / std::max(size, 1e-3);
}

}  // namespace

class TestRun : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
    LoadOptions options;
    options.device = "cpu", options.dtype = "float32", options.random_weights = true;
    here_ = load_model(run_.root() / "model", options).take();
    {
      const torch::NoGradGuard no_grad;
      for (Tensor& tensor : here_.model->parameters())
        if (tensor.dim() > 1) tensor.mul_(4);  // so that every block shows
    }
    there_ = twin(here_, pretend::device());
    write_pairs(run_.root() / "pairs.jsonl");
    write_judged(run_.root() / "judged.jsonl");
  }

  void losses_and_gradients_are_the_cpus_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::addColumn<QString>("rows");
    const QString all = "rows.jsonl", pairs = "pairs.jsonl",
                  fixed = "adapter.exclude_modules=.*vision_tower.*";
    const QStringList still{"adapter.lora_dropout=0"};
    QTest::newRow("sft, a tower that trains") << still << all;
    QTest::newRow("sft, a fixed tower") << (still + QStringList{fixed}) << all;
    QTest::newRow("sft, full") << QStringList{"strategy=full"} << all;
    QTest::newRow("sft, ia3") << QStringList{"strategy=ia3"} << all;
    QTest::newRow("sft, prompt_tuning") << QStringList{"strategy=prompt_tuning"} << all;
    QTest::newRow("sft, prefix_tuning") << QStringList{"strategy=prefix_tuning"} << all;
    QTest::newRow("sft, bottleneck") << QStringList{"strategy=bottleneck"} << all;
    QTest::newRow("dpo") << (still + QStringList{"objective=dpo"}) << pairs;
    QTest::newRow("dpo, a fixed tower") << (still + QStringList{"objective=dpo", fixed}) << pairs;
    QTest::newRow("orpo") << (still + QStringList{"objective=orpo"}) << pairs;
    QTest::newRow("cpo") << (still + QStringList{"objective=cpo"}) << pairs;
    for (const char* objective : {"kto", "bco"}) {
      const QStringList chosen = still + QStringList{QString("objective=%1").arg(objective)};
      QTest::newRow(objective) << chosen << "judged.jsonl";
      QTest::addRow("%s, a fixed tower", objective)
          << (chosen + QStringList{fixed}) << "judged.jsonl";
    }
  }
  void losses_and_gradients_are_the_cpus() {
    QFETCH(QStringList, settings);
    QFETCH(QString, rows);
    std::vector<std::string> list;
    for (const QString& each : settings) list.push_back(each.toStdString());
    const Recipe recipe = run_.recipe("out", list);
    const fs::path file = run_.root() / rows.toStdString();
    const auto here = loss_of_rows(here_, recipe, file), there = loss_of_rows(there_, recipe, file);
    QVERIFY2(here.ok(), here ? "" : here.error().sentence().c_str());
    QVERIFY2(there.ok(), there ? "" : there.error().sentence().c_str());
    QCOMPARE(there->size(), here->size());
    double moved = 0;
    for (std::size_t i = 0; i < here->size(); ++i) {
      const auto& [name, wanted] = (*here)[i];
      QCOMPARE((*there)[i].first, name);
      const double apart = far((*there)[i].second.cpu(), wanted);
      QVERIFY2(apart < kLastBits, (name + " " + std::to_string(apart)).c_str());
      if (name.starts_with("grad.")) moved += wanted.abs().sum().item<double>();
    }
    QVERIFY(moved > 0);
  }

  /// What a window asks of the device besides kernels: a copy up for each micro-batch, pixels or
  /// the features of rows that were seen before within it, and one read at the window's end.
  /// Features that are kept come down in a copy of their own, which is waited for with that read.
  void a_window_is_read_once_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::addColumn<QString>("rows");
    const QString fixed = "adapter.exclude_modules=.*vision_tower.*";
    QTest::newRow("sft, a fixed tower") << QStringList{fixed} << "rows.jsonl";
    QTest::newRow("sft, a tower that trains") << QStringList{} << "rows.jsonl";
  }
  void a_window_is_read_once() {
    QFETCH(QStringList, settings);
    QFETCH(QString, rows);
    std::vector<std::string> list;
    for (const QString& each : settings) list.push_back(each.toStdString());
    const Recipe recipe = run_.recipe("out", list);
    const auto objective = make_objective(recipe).take();
    RowReader reader;
    reader.dataset = Dataset::open({run_.root() / rows.toStdString()}).take();
    reader.processor = there_.processor;
    const Trainables trainables = apply_strategy(there_, recipe).take();
    const auto cache =
        trainables.tower_fixed ? std::make_shared<RowCache>(1 << 24) : std::shared_ptr<RowCache>();
    StepRunner runner(there_, *objective, trainables, cache);
    constexpr std::int64_t kBatches = 2, kRows = 4;
    WindowOutcome outcomes[2];
    std::vector<pretend::Counts> asked;
    for (WindowOutcome& outcome : outcomes) {  // the second finds what the first has kept
      Window window;
      for (std::int64_t row = 0; row < kBatches * kRows; ++row) {
        if (row % kRows == 0) window.batches.emplace_back();
        MicroBatch& batch = window.batches.back();
        batch.rows.push_back(row);
        batch.cached.push_back(cache ? cache->find(row) : nullptr);
        batch.encoded.push_back(batch.cached.back() ? batch.cached.back()->encoded
                                                    : reader.read(row).take());
      }
      pretend::reset_counts();
      outcome = runner.accumulate(window, 3, 0).take();
      asked.push_back(pretend::counts());
      for (const TrainedTensor& trained : trainables.tensors)
        torch::Tensor(trained.tensor).mutable_grad().reset();
    }
    for (const pretend::Counts& counts : asked) QCOMPARE(counts.up, kBatches);
    QCOMPARE(asked[0].down + asked[0].waits, cache ? 1 + kBatches : 1);
    QCOMPARE(asked[1].down + asked[1].waits, 1);
    if (cache) QVERIFY(asked[1].kernels < asked[0].kernels);
    QVERIFY(std::isfinite(outcomes[0].loss) && outcomes[0].norm > 0);
    QVERIFY(std::abs(outcomes[0].loss - outcomes[1].loss) < 1e-6);
    QVERIFY(std::abs(outcomes[0].norm - outcomes[1].norm) < 1e-5);
    if (trainables.adapter) trainables.adapter->deactivate();
    for (Tensor& tensor : there_.model->parameters()) tensor.requires_grad_(false);
  }

  /// The tower runs once for a micro-batch's pictures, whatever rows they belong to.
  void a_fixed_tower_runs_once_a_micro_batch() {
    const Recipe recipe = run_.recipe("out", {"adapter.exclude_modules=.*vision_tower.*"});
    RowReader reader;
    reader.dataset = Dataset::open({run_.root() / "rows.jsonl"}).take();
    reader.processor = there_.processor;
    const auto launches = [&](const std::vector<std::int64_t>& rows) {
      MicroBatch batch;
      for (const std::int64_t row : rows) {
        batch.rows.push_back(row), batch.cached.emplace_back();
        batch.encoded.push_back(reader.read(row).take());
      }
      pretend::reset_counts();
      BatchMaker(there_, true, nullptr)
          .make(batch, SequenceOrder::RowByRow, BatchMaker::Pass::Training);
      return pretend::kernels_by_name()["sigmoid"];
    };
    const std::int64_t one = launches({1});
    QVERIFY(one > 0);
    QCOMPARE(launches({1, 2, 3, 4, 5}), one);
  }

  /// On a device what is kept has the bits of the batch in which it was made. A resume makes it
  /// again from the same batches, however much was kept.
  void a_resume_keeps_what_the_run_kept_data() {
    QTest::addColumn<int>("room");
    QTest::newRow("all") << (1 << 24);
    QTest::newRow("a few rows") << 6000;
    QTest::newRow("none") << 0;
  }
  void a_resume_keeps_what_the_run_kept() {
    QFETCH(int, room);
    const Recipe recipe = run_.recipe("out", {"adapter.exclude_modules=.*vision_tower.*"});
    const auto objective = make_objective(recipe).take();
    RowReader reader;
    reader.dataset = Dataset::open({run_.root() / "rows.jsonl"}).take();
    reader.processor = there_.processor;
    const Trainables trainables = apply_strategy(there_, recipe).take();
    const std::vector<std::int64_t> rows{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const StepPlan plan = plan_steps(11, recipe.training).take();
    torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__,
                           __LINE__);
    library.impl("sigmoid", goes_by_the_batch);
    // The losses and norms of the second epoch's steps from `begin` on.
    const auto second_epoch = [&](std::int64_t begin, bool again, std::int64_t* bytes) {
      const auto cache = std::make_shared<RowCache>(room);
      StepRunner runner(there_, *objective, trainables, cache);
      if (again) {
        WindowSource before(reader, rows, plan, 7, true, 0, cache);
        for (std::int64_t i = 0; i < std::min(begin, plan.steps_per_epoch) && !cache->full(); ++i) {
          Window window = before.next().take();
          runner.keep_features(window);
        }
      }
      std::vector<double> told;
      WindowSource source(reader, rows, plan, 7, true, begin, cache, {}, 3);
      for (std::int64_t step = begin; step < 2 * plan.steps_per_epoch; ++step) {
        Window window = source.next().take();
        const WindowOutcome outcome =
            runner.accumulate(window, 7, plan.batches_before(step)).take();
        if (step >= plan.steps_per_epoch) told.insert(told.end(), {outcome.loss, outcome.norm});
        for (const TrainedTensor& trained : trainables.tensors)
          torch::Tensor(trained.tensor).mutable_grad().reset();
      }
      if (bytes) *bytes = cache->bytes();
      return told;
    };
    std::int64_t whole_bytes = 0, cut_bytes = 0;
    const auto whole = second_epoch(0, false, &whole_bytes);
    QCOMPARE(whole.size(), static_cast<std::size_t>(2 * plan.steps_per_epoch));
    QCOMPARE(whole_bytes > 0, room > 0);
    QCOMPARE(second_epoch(0, false, nullptr), whole);
    for (const std::int64_t begin : {std::int64_t{1}, plan.steps_per_epoch}) {
      QCOMPARE(second_epoch(begin, true, &cut_bytes), whole);
      QCOMPARE(cut_bytes, whole_bytes);
    }
    // Else the bits would be others: the kernel shows it.
    if (room > 0) QVERIFY(second_epoch(plan.steps_per_epoch, false, nullptr) != whole);
    if (trainables.adapter) trainables.adapter->deactivate();
    for (Tensor& tensor : there_.model->parameters()) tensor.requires_grad_(false);
  }

  void a_loss_that_is_not_finite_is_told_with_its_rows() {
    const Recipe recipe = run_.recipe("out", {"strategy=full"});
    const auto objective = make_objective(recipe).take();
    RowReader reader;
    reader.dataset = Dataset::open({run_.root() / "rows.jsonl"}).take();
    reader.processor = there_.processor;
    WindowOutcome outcomes[2];
    for (LoadedModel* base : {&here_, &there_}) {
      const Trainables trainables = apply_strategy(*base, recipe).take();
      StepRunner runner(*base, *objective, trainables, nullptr);
      Window window;
      for (const std::int64_t row : {0, 1, 2}) {
        MicroBatch& batch = window.batches.emplace_back();
        batch.rows.push_back(row), batch.cached.emplace_back();
        batch.encoded.push_back(reader.read(row).take());
      }
      for (PixelValues& image : window.batches[1].encoded[0].sequences[0].images)
        image.values.assign(image.values.size(), std::numeric_limits<float>::quiet_NaN());
      outcomes[base == &there_] = runner.accumulate(window, 3, 0).take();
      for (Tensor& tensor : base->model->parameters())
        tensor.mutable_grad().reset(), tensor.requires_grad_(false);
    }
    for (const WindowOutcome& outcome : outcomes) {
      QVERIFY(!outcome.finite && std::isnan(outcome.loss));
      QCOMPARE(outcome.norm, 0.0);
      QCOMPARE(outcome.suspects, std::vector<std::int64_t>{1});
    }
  }

  void answers_are_the_cpus() {
    std::vector<Example> prompts(3);
    for (std::size_t row = 0; row < prompts.size(); ++row)
      for (std::size_t i = 0; i < 12 + 4 * (row / 2); ++i)
        prompts[row].input_ids.push_back(static_cast<TokenId>(5 + (i * 3 + row * 11) % 200));
    GenerationOptions options;
    options.max_new_tokens = 8, options.ignore_eos = true;
    const auto here = generate(here_, prompts, options), there = generate(there_, prompts, options);
    QVERIFY2(there.ok(), there ? "" : there.error().sentence().c_str());
    for (std::size_t row = 0; row < prompts.size(); ++row) {
      const auto &wanted = (*here)[row].tokens, &got = (*there)[row].tokens;
      QCOMPARE(got.size(), wanted.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        QCOMPARE(got[i].id, wanted[i].id);
        QVERIFY(std::abs(got[i].logprob - wanted[i].logprob) < 1e-4);
      }
    }
  }

  void a_device_that_runs_full_or_dies_is_a_sentence() {
    Example prompt;
    for (TokenId i = 0; i < 12; ++i) prompt.input_ids.push_back(5 + i);
    GenerationOptions options;
    options.ignore_eos = true;
    pretend::fail_after(3);
    const auto full = generate(there_, {prompt}, options);
    pretend::fail_after(-1);
    QVERIFY(!full);
    QCOMPARE(full.error().what, std::string("There is not enough memory to answer."));
    QVERIFY(generate(there_, {prompt}, options).ok());
    {
      torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__,
                             __LINE__);
      library.impl("silu", dies);
      const auto lost = generate(there_, {prompt}, options);
      QVERIFY(!lost);
      QVERIFY2(lost.error().what.find("stopped answering this program (an illegal memory") !=
                   std::string::npos,
               lost.error().what.c_str());
      QCOMPARE(lost_device(), std::string("an illegal memory access was encountered"));
    }
    set_lost_device("");
  }

 private:
  TinyRun run_;
  LoadedModel here_, there_;
};

QTEST_GUILESS_MAIN(TestRun)
#include "test_run.moc"
