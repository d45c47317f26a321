// SPDX-License-Identifier: GPL-3.0-or-later
// Training steps that are recorded and replayed: to the bit those that are launched piece by piece
// over the same micro-batches, within rounding those of micro-batches that are not filled up, one
// launch each; what cannot be recorded is found out, told once and launched as ever.
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"
#include "tests/pretend/watched_recorder.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using pretend::Listener;
using pretend::Watched;
using torch::Tensor;

namespace {

enum class How { AsEver, FilledUp, Recorded };

/// Micro-batches of words alone, rows of these lengths each.
std::vector<MicroBatch> words(TinyModel model,
                              const std::vector<std::vector<std::int64_t>>& lengths) {
  model.picture = {}, model.image = -1;
  std::vector<MicroBatch> batches;
  for (const auto& each : lengths) {
    model.lengths = each;
    batches.push_back(tiny_rows(model));
  }
  return batches;
}

/// Two sizes that share a recording, and one of its own.
const std::vector<std::vector<std::int64_t>> kSizes{{20, 60, 30}, {25, 57, 29}, {70, 90, 100}};

/// Small, so that a rounding of the first step is not a thousand of the last's (1e-2: gemma3's
/// losses part tenfold with every step, from 4e-8 to 2e-5 in eight).
constexpr double kRate = 1e-3;

struct Ended {
  std::vector<double> losses, norms;
  std::vector<Tensor> tensors, gradients;  ///< the last step's
  std::size_t recordings = 0;
};

Ended ended(const TinyModel& model, std::vector<std::string> settings, How how,
            const std::vector<std::vector<MicroBatch>>& windows, std::size_t most,
            torch::ScalarType type = torch::kFloat32) {
  settings.push_back("training.gradient_accumulation_steps=" + std::to_string(most));
  settings.push_back("objective=" + model.objective);
  const auto tensors = torch::TensorOptions().device(pretend::device()).dtype(type);
  const auto tuning = Tuning::begin(drawn(model, tensors, type, pretend::any_processor()).take(),
                                    recipe_without_files(settings).take())
                          .take();
  tuning->draw_adapter(type);
  if (how != How::AsEver && !tuning->fill_up(how == How::Recorded)) qFatal("nobody records");
  Ended made;
  for (std::uint64_t turn = 0; turn < windows.size(); ++turn) {
    made.losses.push_back(tuning->window(windows[turn], turn).take());
    if (turn + 1 == windows.size())
      for (const TrainedTensor& each : tuning->trainables().tensors)
        made.gradients.push_back(each.tensor.grad().defined() ? each.tensor.grad().cpu().clone()
                                                              : Tensor());
    made.norms.push_back(tuning->step(kRate));
  }
  for (const TrainedTensor& each : tuning->trainables().tensors)
    made.tensors.push_back(each.tensor.detach().cpu());
  made.recordings = tuning->recordings();
  return made;
}

std::string unlike(const Ended& a, const Ended& b) {
  if (a.losses != b.losses) return "losses";
  if (a.norms != b.norms) return "norms";
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    if (!at::equal(a.tensors[i], b.tensors[i])) return "tensor " + std::to_string(i);
    if (a.gradients[i].defined() != b.gradients[i].defined())
      return "whether there is gradient " + std::to_string(i);
  }
  return "";
}

double farthest_loss(const Ended& a, const Ended& b) {
  double far = 0;
  for (std::size_t i = 0; i < a.losses.size(); ++i)
    far = std::max(far, std::abs(a.losses[i] / b.losses[i] - 1));
  return far;
}

/// Windows of so many micro-batches each, in turn.
std::vector<std::vector<MicroBatch>> windows_of(const std::vector<MicroBatch>& batches,
                                                std::size_t windows, std::size_t each) {
  std::vector<std::vector<MicroBatch>> made(windows);
  std::size_t next = 0;
  for (auto& window : made)
    for (std::size_t i = 0; i < each; ++i) window.push_back(batches[next++ % batches.size()]);
  return made;
}

const std::vector<std::string> kLora{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.1",
                                     "training.gradient_checkpointing=false"};

}  // namespace

class TestRecordedSteps : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }
  void cleanup() { pretend::let_flash(true); }

  void replayed_steps_have_the_bits_of_launched_ones_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QStringList>("settings");
    QTest::addColumn<int>("each");  // micro-batches of a window
    QTest::addColumn<bool>("own_kernels");
    QTest::addColumn<bool>("narrow");
    const auto row = [](const char* title, const char* name, QStringList settings, int each,
                        bool own_kernels = false, bool narrow = false) {
      QTest::newRow(title) << name << settings << each << own_kernels << narrow;
    };
    const QString kept = "training.gradient_checkpointing=false",
                  again = "training.gradient_checkpointing=true",
                  drops = "adapter.lora_dropout=0.1";
    const QStringList lora{"strategy=lora", "adapter.r=4", drops, kept},
        nothing_dropped{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0", kept},
        full{"strategy=full", kept};
    row("qwen3, LoRA", "qwen2", lora, 1);
    row("qwen3, LoRA, three micro-batches", "qwen2", lora, 3);
    row("qwen3, LoRA, our kernels", "qwen2", lora, 2, true);
    row("qwen3, LoRA, bfloat16", "qwen2", lora, 2, false, true);
    row("qwen3, LoRA, our kernels, bfloat16", "qwen2", lora, 1, true, true);
    row("qwen3, LoRA, recomputed", "qwen2", {"strategy=lora", "adapter.r=4", drops, again}, 2);
    row("qwen3, LoRA, recomputed, nothing dropped", "qwen2",
        {"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0", again}, 2);
    row("qwen3, LoRA of the head", "qwen2",
        nothing_dropped + QStringList{"adapter.target_modules=lm_head"}, 2);
    row("qwen3, full", "qwen2", full, 2);
    row("qwen3, full, bfloat16", "qwen2", full, 1, false, true);
    // What no gradient reaches has none: the tower of a model that sees no picture.
    row("qwen3_vl, full", "qwen3_vl", full, 2);
    // Another mask is another loss, here by 3 %: nothing is dropped, so that it is held closer.
    row("gemma3, a window", "gemma3", nothing_dropped, 2);
    row("llama, ia3", "llama", {"strategy=ia3", kept}, 2);
    row("llama, bottleneck", "llama", {"strategy=bottleneck", kept}, 2);
  }
  void replayed_steps_have_the_bits_of_launched_ones() {
    QFETCH(QString, name);
    QFETCH(QStringList, settings);
    QFETCH(int, each);
    QFETCH(bool, own_kernels);
    QFETCH(bool, narrow);
    std::unique_ptr<pretend::OwnKernels> own;
    if (own_kernels) own = std::make_unique<pretend::OwnKernels>();
    std::vector<std::string> list;
    for (const QString& setting : settings) list.push_back(setting.toStdString());
    const TinyModel model = pretend::tiny(name.toStdString());
    const auto windows = windows_of(words(model, kSizes), 8, static_cast<std::size_t>(each));
    const auto most = static_cast<std::size_t>(each);
    const torch::ScalarType type = narrow ? torch::kBFloat16 : torch::kFloat32;
    const Ended ever = ended(model, list, How::AsEver, windows, most, type),
                launched = ended(model, list, How::FilledUp, windows, most, type);
    const std::int64_t before = pretend::live_bytes();
    const Watched watched;
    const Ended replayed = ended(model, list, How::Recorded, windows, most, type);
    QCOMPARE(pretend::live_bytes(), before);
    QVERIFY2(unlike(replayed, launched).empty(), unlike(replayed, launched).c_str());
    QCOMPARE(watched.recorded, 2);
    QCOMPARE(watched.asked, 2);
    QCOMPARE(replayed.recordings, std::size_t(2));
    QCOMPARE(launched.recordings, std::size_t(0));
    // The masks of dropout are others than a generator's where no kernels of ours run.
    const bool same_masks = own_kernels || !settings.contains("adapter.lora_dropout=0.1");
    const double apart = farthest_loss(replayed, ever);
    qInfo("losses within %.2e of rows that are not filled up", apart);
    QVERIFY(apart < (narrow ? 3e-2 : same_masks ? 2e-5 : 2e-2));
    for (std::size_t i = 0; i < ever.gradients.size(); ++i)
      QCOMPARE(replayed.gradients[i].defined(), ever.gradients[i].defined());
    if (!same_masks || narrow) return;
    for (std::size_t i = 0; i < ever.gradients.size(); ++i) {
      if (!ever.gradients[i].defined()) continue;
      const double size = ever.gradients[i].norm().item<double>(),
                   far = (ever.gradients[i] - replayed.gradients[i]).norm().item<double>();
      QVERIFY2(far <= 1e-3 * std::max(size, 1e-3),
               qPrintable(QString("%1 %2 of %3").arg(i).arg(far).arg(size)));
    }
  }

  void a_replayed_micro_batch_is_one_launch() {
    const TinyModel model = pretend::tiny("qwen2");
    std::vector<std::string> settings = kLora;
    settings.push_back("training.gradient_accumulation_steps=4");
    settings.push_back("objective=sft");
    const auto tensors = torch::TensorOptions().device(pretend::device()).dtype(torch::kBFloat16);
    const auto tuning =
        Tuning::begin(drawn(model, tensors, torch::kBFloat16, pretend::any_processor()).take(),
                      recipe_without_files(settings).take())
            .take();
    QVERIFY(tuning->fill_up(true));
    const std::vector<MicroBatch> batches = words(model, kSizes);
    const auto counted = [&](std::size_t count) {
      const auto window = windows_of(batches, 1, count).front();
      pretend::reset_counts();
      tuning->window(window, 3).take();
      const pretend::Counts counts = pretend::counts();
      tuning->step(1e-3);
      return counts;
    };
    (void)counted(3), (void)counted(3);  // launched, then written down
    const pretend::Counts few = counted(2), more = counted(4);
    qInfo("two micro-batches: %lld launches, %lld up, %lld down; two more: %lld, %lld, %lld",
          (long long)few.kernels, (long long)few.up, (long long)few.down,
          (long long)(more.kernels - few.kernels), (long long)(more.up - few.up),
          (long long)(more.down - few.down));
    QCOMPARE(more.kernels - few.kernels, 2);
    QCOMPARE(more.up - few.up, 2);
    QCOMPARE(few.up, 2);
    QCOMPARE(few.down + few.waits, 1);  // the losses and the norm, at the window's end
    QCOMPARE(more.down + more.waits, 1);
  }

  void pictures_of_one_size_are_recorded_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<bool>("tower");
    for (const char* name : {"llava", "qwen3_vl", "internvl"})
      for (const bool tower : {false, true})
        QTest::newRow(
            qPrintable(QString("%1, %2").arg(name, tower ? "a tower that trains" : "a fixed one")))
            << name << tower;
  }
  void pictures_of_one_size_are_recorded() {
    QFETCH(QString, name);
    QFETCH(bool, tower);
    std::vector<std::string> settings{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0",
                                      "training.gradient_checkpointing=false"};
    if (!tower)
      settings.push_back(R"(adapter.exclude_modules=.*(visual|vision_tower|vision_model).*)");
    const TinyModel model = pretend::tiny(name.toStdString());
    const auto windows = windows_of({tiny_rows(model)}, 4, 1);
    const Ended ever = ended(model, settings, How::AsEver, windows, 1),
                launched = ended(model, settings, How::FilledUp, windows, 1);
    const Watched watched;
    const Ended replayed = ended(model, settings, How::Recorded, windows, 1);
    QVERIFY2(unlike(replayed, launched).empty(), unlike(replayed, launched).c_str());
    QCOMPARE(watched.recorded, 1);
    QVERIFY2(farthest_loss(replayed, ever) < 2e-5,
             qPrintable(QString::number(farthest_loss(replayed, ever))));
  }

  void pictures_of_several_sizes_are_launched_as_ever() {
    const TinyModel model = pretend::tiny("qwen3_vl");
    MicroBatch mixed = tiny_rows(model);
    const MicroBatch text = words(model, kSizes).front();
    TinyModel other = model;
    other.picture = {{8, 96}, {1, 2, 4}, 2};
    mixed.encoded.back() = tiny_rows(other).encoded.back();
    const std::vector<std::vector<MicroBatch>> windows(4, {mixed, text});
    std::vector<std::string> settings{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0",
                                      "training.gradient_checkpointing=false"};
    const Ended ever = ended(model, settings, How::AsEver, windows, 2);
    const Listener listener;
    const Watched watched;
    const Ended replayed = ended(model, settings, How::Recorded, windows, 2);
    QCOMPARE(watched.recorded, 1);  // of the words
    QVERIFY(farthest_loss(replayed, ever) < 2e-5);
    QCOMPARE(listener.count("pictures of several sizes are not recorded"), 1);
  }

  void a_device_that_refuses_trains_all_the_same() {
    const TinyModel model = pretend::tiny("qwen2");
    const auto windows = windows_of(words(model, kSizes), 8, 1);
    const Ended launched = ended(model, kLora, How::FilledUp, windows, 1);
    const Listener listener;
    const Watched watched(/*refuses=*/true);
    const Ended found = ended(model, kLora, How::Recorded, windows, 1);
    QVERIFY2(unlike(found, launched).empty(), unlike(found, launched).c_str());
    QVERIFY(watched.asked > 0 && watched.recorded == 0);
    QVERIFY(listener.count("cannot be recorded") <= 1);  // told before by another test, or now
  }

  void what_needs_lengths_is_launched_as_ever_data() {
    QTest::addColumn<int>("why");
    QTest::addColumn<QString>("says");
    QTest::newRow("masks") << 0 << "the lengths of its rows";
    QTest::newRow("prompt tuning") << 1 << "the lengths of its rows";
    QTest::newRow("prefix tuning") << 2 << "the lengths of its rows";
    QTest::newRow("positions") << 3 << "the length that its positions go by";
  }
  void what_needs_lengths_is_launched_as_ever() {
    QFETCH(int, why);
    QFETCH(QString, says);
    pretend::let_flash(why != 0);
    const TinyModel model = pretend::tiny(why == 3 ? "idefics3" : "llama");
    std::vector<std::string> settings{"training.gradient_checkpointing=false"};
    settings.push_back(why == 1   ? "strategy=prompt_tuning"
                       : why == 2 ? "strategy=prefix_tuning"
                                  : "strategy=lora");
    const auto windows = windows_of(words(model, kSizes), 4, 2);
    const Ended ever = ended(model, settings, How::AsEver, windows, 2);
    const Listener listener;
    const Watched watched;
    const Ended found = ended(model, settings, How::Recorded, windows, 2);
    QVERIFY2(unlike(found, ever).empty(), unlike(found, ever).c_str());
    QCOMPARE(watched.asked, 0);
    QCOMPARE(listener.count(says.toStdString()), 1);
  }

  /// Nothing of a step whose memory runs out is in the gradients of the next one.
  void a_step_that_fails_leaves_nothing() {
    const TinyModel model = pretend::tiny("llama");
    std::vector<std::string> settings = kLora;
    settings.push_back("objective=sft");
    settings.push_back("training.gradient_accumulation_steps=1");
    const auto windows = windows_of(words(model, kSizes), 1, 1);
    const auto tuning = pretend::tuned(model, pretend::device(), settings);
    QVERIFY(tuning->fill_up(true));
    pretend::fail_after(60);
    QVERIFY_EXCEPTION_THROWN((void)tuning->window(windows[0], 1), c10::OutOfMemoryError);
    pretend::fail_after(-1);
    tuning->clear_gradients();
    const double loss = tuning->window(windows[0], 1).take();
    const auto other = pretend::tuned(model, pretend::device(), settings);
    QVERIFY(other->fill_up(false));
    QCOMPARE(loss, other->window(windows[0], 1).take());
    QCOMPARE(tuning->step(1e-3), other->step(1e-3));
  }
};

QTEST_GUILESS_MAIN(TestRecordedSteps)
#include "test_recorded_steps.moc"
