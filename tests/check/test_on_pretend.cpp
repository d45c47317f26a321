// SPDX-License-Identifier: GPL-3.0-or-later
// The checks themselves, on the pretended device: a sound one passes them, and each fault that they
// are for turns its row red: a kernel that is slightly wrong, one that adds up otherwise each time,
// one that keeps memory, one that waits for the host; a device that runs full or is lost; time that
// runs out. The faults are kernels that take the place of the device's own.
#include <dlfcn.h>

#include <torch/library.h>

#include <map>
#include <memory>

#include "engine/check/checks.h"
#include "engine/device/graph.h"
#include "engine/device/lost_device.h"
#include "engine/kernels/launcher.h"
#include "engine/models/family.h"
#include "tests/pretend/arena.h"
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"
#include "tests/ranks/fake_nccl.h"
#include "tests/rounds.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;
using Outcome = CheckRow::Outcome;

namespace {

Tensor right(const Tensor& x) { return x.sigmoid().mul(x); }

Tensor slightly_wrong(const Tensor& x) { return right(x).mul(1.002); }

Tensor another_each_time(const Tensor& x) {
  static int calls = 0;
  return right(x).mul(1 + 1e-6 * (++calls % 7));
}

std::vector<Tensor>& kept() {
  static std::vector<Tensor> tensors;
  return tensors;
}
Tensor keeps_memory(const Tensor& x) {
  kept().push_back(right(x));
  return kept().back().clone();
}

Tensor asks_the_host(const Tensor& x) {
  return right(x).mul(x.sum().item<double>() > 1e30 ? 2 : 1);
}

/// Last bits that go by all that is in a call, as a product's on a card may: nothing is wrong with
/// them. The teaching model's tower asks for it, and no other part.
Tensor goes_by_the_batch(const Tensor& x) {
  return x.neg().exp_().add_(1).reciprocal_().mul_(x.mean().tanh_().mul_(1e-3).add_(1));
}

std::stop_source& interruption() {
  static std::stop_source source;
  return source;
}
Tensor interrupts(const Tensor& x) {
  interruption().request_stop();
  return right(x);
}

Tensor dies(const Tensor& x) {
  TORCH_CHECK(x.numel() < 0, "CUDA error: an illegal memory access was encountered");
  return x;
}

Tensor throws_once(const Tensor& x) {
  static bool thrown = false;
  TORCH_CHECK(std::exchange(thrown, true), "mat1 and mat2 shapes cannot be multiplied");
  return right(x);
}

Tensor throws_something(const Tensor& x) {
  TORCH_CHECK(x.numel() < 0, "mat1 and mat2 shapes cannot be multiplied");
  return x;
}

/// A kernel in the place of the device's silu (or of another), for as long as the object lives.
class InPlaceOfSilu {
 public:
  explicit InPlaceOfSilu(Tensor (*kernel)(const Tensor&), const char* name = "silu")
      : library_(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__) {
    library_.impl(name, kernel);
  }

 private:
  torch::Library library_;
};

/// Kernels that do nothing.
class Idle : public Launcher {
 public:
  explicit Idle(bool says_done) : says_done_(says_done) {}
  bool launch(const Launch&, int) override { return says_done_; }

 private:
  bool says_done_;
};

/// Writes work down and does nothing when it is replayed; or refuses.
class Forgetful : public GraphRecorder {
 public:
  Forgetful(GraphRecorder& own, bool refuses) : own_(own), refuses_(refuses) {}
  std::shared_ptr<GraphMemory> make_memory() override { return own_.make_memory(); }
  void warm_up(torch::Device device, const std::function<void()>& work) override {
    own_.warm_up(device, work);
  }
  std::unique_ptr<Recording> record(torch::Device device, const std::function<void()>& work,
                                    const std::shared_ptr<GraphMemory>& memory) override {
    class Nothing : public Recording {
      void replay() override {}
    };
    TORCH_CHECK(!refuses_, "operation not permitted when stream is capturing");
    (void)own_.record(device, work, memory);
    return std::make_unique<Nothing>();
  }

 private:
  GraphRecorder& own_;
  bool refuses_;
};

}  // namespace

class TestOnPretend : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
    card_.device = pretend::device();
    card_.scratch = folder_.path().toStdString();
    card_.most_steps = 3;
    card_.nccl = LUTHIER_BINARY_DIR "/tests/libfake_nccl.so";
    void* library = dlopen(card_.nccl.c_str(), RTLD_NOW | RTLD_LOCAL);
    QVERIFY2(library, "the stand-in for NCCL is not built");
    fail_nccl_ = reinterpret_cast<test::FailNccl>(dlsym(library, "fake_fail"));
    reinterpret_cast<test::ReachNccl>(dlsym(library, "fake_reach"))(pretend::readable_address);
    card_.traffic = [](const std::function<void()>& work) {
      pretend::reset_counts();
      work();
      const pretend::Counts counts = pretend::counts();
      return Traffic{counts.kernels, counts.up, counts.down, counts.waits};
    };
    const Status prepared = prepare(card_);
    QVERIFY2(prepared.ok(), prepared.ok() ? "" : prepared.error().sentence().c_str());
  }
  void cleanup() {
    set_lost_device("");
    pretend::fail_above(0);
    kept().clear();
  }

  /// Every small model under every strategy: whether its numbers can be judged at all. A daily
  /// round has every second one, in one of the two types.
  void every_small_model_data() {
    QTest::addColumn<QString>("only");
    std::size_t turn = 0;
    for (const Family& family : families()) {
      std::size_t type = turn++;
      for (const char* part : {"families, float32: ", "families, bfloat16: "})
        if (test::in_this_round(type++, 4))
          QTest::newRow((std::string(part) + family.model_type).c_str())
              << QString("%1%2, ").arg(part, family.model_type);
    }
  }
  void every_small_model() {
    QFETCH(QString, only);
    const auto rows = rows_of(only);
    QCOMPARE(rows.size(), std::size_t(4));
    for (const CheckRow& row : rows) {
      qInfo("%s", to_line(row).c_str());
      const bool bare = row.outcome == Outcome::Skipped && row.name.find("LoRA") != row.name.npos &&
                        row.detail.find("no adapter hangs on") != row.detail.npos;
      QVERIFY2(row.outcome == Outcome::Passed || bare, to_line(row).c_str());
    }
  }

  void a_sound_device_passes_data() {
    QTest::addColumn<QString>("only");
    QTest::addColumn<int>("rows");
    QTest::newRow("qwen3_vl") << "families, float32: qwen3_vl, LoRA with" << 1;
    QTest::newRow("t5") << "families, float32: t5, full" << 1;
    QTest::newRow("llama") << "families, float32: llama" << 4;
    QTest::newRow("bfloat16") << "families, bfloat16: qwen3_vl, full" << 1;
    QTest::newRow("runs, full") << "runs, float32: full" << 1;
    QTest::newRow("speed") << "memory and speed: 2 M, speed" << 1;
    QTest::newRow("memory") << "memory and speed: 2 M, LoRA" << 3;
    QTest::newRow("copies and waits") << "copies and waits: llama" << 1;
    QTest::newRow("copies and waits, pictures") << "copies and waits: qwen2_vl" << 1;
    QTest::newRow("copies and waits, experts") << "copies and waits: qwen3_vl_moe" << 1;
    QTest::newRow("links") << "links" << 1;
    QTest::newRow("decoding") << "decoding: qwen2_vl" << 1;
    QTest::newRow("decoding, speed") << "decoding: 2 M" << 2;
    QTest::newRow("recorded steps") << "recorded steps: qwen2_vl" << 1;
    QTest::newRow("recorded steps, speed") << "recorded steps: 2 M" << 1;
  }
  void a_sound_device_passes() {
    QFETCH(QString, only);
    QFETCH(int, rows);
    const auto& found = sound(only);
    for (const CheckRow& row : found) {
      qInfo("%s", to_line(row).c_str());
      QVERIFY2(row.outcome == Outcome::Passed, to_line(row).c_str());
      // The forecast is the one that a run gets here: one for other attention lies 2 % above it.
      if (row.figures.contains("ratio")) QVERIFY(row.figures["ratio"].get<double>() < 1.015);
    }
    QCOMPARE(static_cast<int>(found.size()), rows);
  }

  /// Autograd's thread of a device keeps the number that it was born with: after a run with another
  /// number the CPU would add up what it is held against otherwise than this device does.
  void a_run_leaves_the_number_of_threads() {
    QVERIFY(!sound("runs, float32: full").empty());
    QCOMPARE(at::get_num_threads(), 1);
  }

  void a_link_s_fault_fails_data() {
    QTest::addColumn<QString>("call");
    QTest::addColumn<QString>("says");
    QTest::newRow("not joined") << "ncclCommInitRank" << "unhandled system error";
    QTest::newRow("not sent") << "ncclGroupEnd" << "unhandled system error";
    QTest::newRow("other bytes") << "bytes" << "came as others";
  }
  void a_link_s_fault_fails() {
    QFETCH(QString, call);
    QFETCH(QString, says);
    fail_nccl_(qPrintable(call), test::kNcclSystemFault);
    const auto found = rows_of("links");
    fail_nccl_("", 0);
    QCOMPARE(found.size(), std::size_t(1));
    QVERIFY2(found.front().outcome == Outcome::Failed, to_line(found.front()).c_str());
    QVERIFY2(QString::fromStdString(found.front().detail).contains(says),
             found.front().detail.c_str());
  }
  void without_nccl_links_are_skipped() {
    const std::string own = std::exchange(card_.nccl, "libnothing.so.1");
    const auto found = rows_of("links");
    card_.nccl = own;
    QVERIFY(found.size() == 1 && found.front().outcome == Outcome::Skipped);
  }

  void a_fault_fails_data() {
    QTest::addColumn<int>("fault");
    QTest::addColumn<QString>("only");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, int fault, const char* only, const char* says) {
      QTest::newRow(name) << fault << only << says;
    };
    row("a wrong kernel", 0, "families, float32: llama, full", "of what is allowed");
    row("a wrong kernel under checkpointing", 0,
        "families, float32: qwen3_vl, LoRA with checkpointing", "of what is allowed");
    row("another order of sums", 1, "families, float32: llama, full", "the second time");
    row("another order of sums in runs", 1, "runs, float32: full", "a second run differs in");
    row("memory that is kept", 2, "memory and speed: 2 M, LoRA with pictures", "ratio 0.");
    row("a wait in each layer", 3, "copies and waits: llama", "waits");
    row("a failure", 4, "families, float32: llama, LoRA with", "mat1 and mat2");
  }
  void a_fault_fails() {
    QFETCH(int, fault);
    QFETCH(QString, only);
    QFETCH(QString, says);
    constexpr Tensor (*kFaults[])(const Tensor&) = {slightly_wrong, another_each_time, keeps_memory,
                                                    asks_the_host, throws_something};
    QVERIFY(sound(only).front().outcome == Outcome::Passed);
    const InPlaceOfSilu broken(kFaults[fault]);
    const auto rows = rows_of(only);
    QCOMPARE(rows.size(), std::size_t(1));
    qInfo("%s", to_line(rows.front()).c_str());
    QVERIFY2(rows.front().outcome == Outcome::Failed, to_line(rows.front()).c_str());
    QVERIFY2(rows.front().detail.find(says.toStdString()) != std::string::npos,
             rows.front().detail.c_str());
  }

  /// Features that are kept have the bits of the batch in which they were made, in a resume, too.
  void a_resume_beside_a_fixed_tower_ends_in_the_same_bytes() {
    const InPlaceOfSilu batched(goes_by_the_batch, "sigmoid");
    const auto rows = rows_of("runs, float32: LoRA beside");
    QCOMPARE(rows.size(), std::size_t(1));
    QVERIFY2(rows.front().outcome == Outcome::Passed, to_line(rows.front()).c_str());
  }

  void kernels_of_our_own() {
    const auto outcomes = [this] {
      std::vector<CheckRow> rows = rows_of("kernels: ");
      for (const CheckRow& row : rows) qInfo("%s", to_line(row).c_str());
      return rows;
    };
    for (const CheckRow& row : outcomes()) QCOMPARE(row.outcome, Outcome::Skipped);
    {
      const pretend::OwnKernels own;
      for (const CheckRow& row : outcomes())
        QVERIFY2(row.outcome == Outcome::Passed, to_line(row).c_str());
    }
    // One that says that it launched, and did nothing; and one that never launches.
    for (const bool says : {true, false}) {
      Idle idle(says);
      Launcher* before = kernels::set_launcher(c10::DeviceType::PrivateUse1, &idle);
      const auto rows = outcomes();
      kernels::set_launcher(c10::DeviceType::PrivateUse1, before);
      for (const CheckRow& row : rows)
        QVERIFY2(row.outcome == Outcome::Failed, to_line(row).c_str());
    }
  }

  void recordings_that_are_wrong_or_refused_fail_data() {
    QTest::addColumn<QString>("only");
    QTest::newRow("decoding") << "decoding: llama";
    QTest::newRow("recorded steps") << "recorded steps: llama";
  }
  void recordings_that_are_wrong_or_refused_fail() {
    QFETCH(QString, only);
    GraphRecorder* own = graph_recorder(c10::DeviceType::PrivateUse1);
    const auto outcome = [this, &only](GraphRecorder* recorder) {
      GraphRecorder* before = set_graph_recorder(c10::DeviceType::PrivateUse1, recorder);
      const CheckRow row = rows_of(only).front();
      set_graph_recorder(c10::DeviceType::PrivateUse1, before);
      qInfo("%s", to_line(row).c_str());
      return row;
    };
    QCOMPARE(outcome(own).outcome, Outcome::Passed);
    QCOMPARE(outcome(nullptr).outcome, Outcome::Skipped);
    Forgetful idle(*own, /*refuses=*/false), refusing(*own, /*refuses=*/true);
    for (GraphRecorder* recorder : {&idle, &refusing})
      QCOMPARE(outcome(recorder).outcome, Outcome::Failed);
  }

  void the_others_go_on_after_a_failure() {
    const InPlaceOfSilu broken(throws_once);
    const auto rows = rows_of("families, float32: llama");
    QCOMPARE(rows.size(), std::size_t(4));
    for (std::size_t i = 0; i < rows.size(); ++i)
      QCOMPARE(rows[i].outcome, i == 0 ? Outcome::Failed : Outcome::Passed);
  }

  void memory_that_runs_out_is_a_failure_and_ends_nothing() {
    pretend::fail_above(pretend::live_bytes() + (64 << 10));
    const auto full = rows_of("families, float32: llama, full");
    QCOMPARE(full.front().outcome, Outcome::Failed);
    QVERIFY2(full.front().detail.find("Memory ran out") != std::string::npos,
             full.front().detail.c_str());
    pretend::fail_above(0);
    QCOMPARE(rows_of("families, float32: llama, full").front().outcome, Outcome::Passed);
  }

  void after_a_lost_device_nothing_is_asked() {
    const InPlaceOfSilu broken(dies);
    const auto rows = rows_of("families, float32: llama");
    QCOMPARE(rows.size(), std::size_t(4));
    QCOMPARE(rows.front().outcome, Outcome::Failed);
    QVERIFY2(rows.front().detail.find("stopped answering") != std::string::npos,
             rows.front().detail.c_str());
    for (std::size_t i = 1; i < rows.size(); ++i) {
      QCOMPARE(rows[i].outcome, Outcome::Skipped);
      QCOMPARE(rows[i].detail, std::string("the device was lost"));
    }
  }

  void what_does_not_fit_the_time_is_skipped() {
    CheckOptions options;
    options.minutes = 0;
    const CheckReport report = run_checks(card_, options);
    QCOMPARE(report.count(Outcome::Skipped), report.rows.size());
    QVERIFY(report.rows.size() > 120);
    QVERIFY(!report.passed());
    for (const CheckRow& row : report.rows) QCOMPARE(row.detail, std::string("no time"));
  }

  void an_interruption_skips_the_rest() {
    CheckOptions options;
    std::stop_source stop;
    options.stop = stop.get_token();
    options.only = "families, float32: llama";
    int told = 0;
    options.told = [&](const CheckRow&) {
      if (++told == 2) stop.request_stop();
    };
    const CheckReport report = run_checks(card_, options);
    QCOMPARE(report.count(Outcome::Passed), std::size_t(2));
    QCOMPARE(report.rows.back().detail, std::string("interrupted"));
    QCOMPARE(told, static_cast<int>(report.rows.size()));
  }

  /// A run takes a minute of a slow card, a large shape more: neither waits for its end.
  void an_interruption_ends_a_check_in_its_middle() {
    const InPlaceOfSilu pressed(interrupts);
    for (const char* only : {"runs, float32: full", "memory and speed: 2 M, LoRA with pictures",
                             "memory and speed: 2 M, speed", "decoding: 2 M, 1"}) {
      interruption() = std::stop_source();
      CheckOptions options;
      options.stop = interruption().get_token();
      options.only = only;
      const CheckReport report = run_checks(card_, options);
      QCOMPARE(report.rows.size(), std::size_t(1));
      QVERIFY(options.stop.stop_requested());
      QCOMPARE(report.rows.front().outcome, Outcome::Skipped);
      QCOMPARE(report.rows.front().detail, std::string("interrupted"));
    }
  }

  void a_card_without_bfloat16_is_not_asked_for_it() {
    card_.bfloat16 = false;
    for (const char* only : {"families, bfloat16: llama, full", "runs, bfloat16: full",
                             "memory and speed: 2 M, LoRA with pictures"}) {
      const CheckRow row = rows_of(only).front();
      QCOMPARE(row.outcome, Outcome::Skipped);
      QCOMPARE(row.detail, std::string("the card has no bfloat16"));
    }
    card_.bfloat16 = true;
  }

  void a_shape_without_room_does_not_pass() {
    pretend::fail_above(pretend::live_bytes() + (1 << 20));
    const CheckRow row = rows_of("memory and speed: 2 M, speed").front();
    QVERIFY2(row.outcome != Outcome::Passed, to_line(row).c_str());
  }

  void profiled_events_are_told_apart() {
    const Traffic traffic = traffic_of({{"Memcpy HtoD (Pinned -> Device)", true},
                                        {"Memcpy DtoH (Device -> Pageable)", true},
                                        {"Memcpy DtoD (Device -> Device)", true},
                                        {"Memset (Device)", true},
                                        {"ampere_bf16_s16816gemm", true},
                                        {"void at::native::vectorized_elementwise_kernel", true},
                                        {"cudaLaunchKernel", false},
                                        {"cudaStreamSynchronize", false},
                                        {"cudaDeviceSynchronize", false},  // the profiler's own
                                        {"aten::mm", false}});
    QCOMPARE(traffic.up, 1);
    QCOMPARE(traffic.down, 1);
    QCOMPARE(traffic.waits, 1);
    QCOMPARE(traffic.kernels, 2);
  }

 private:
  std::vector<CheckRow> rows_of(const QString& only) {
    CheckOptions options;
    options.only = only.toStdString();
    options.minutes = 1e6;
    return run_checks(card_, options).rows;
  }

  /// The same of the device as it is, done once.
  const std::vector<CheckRow>& sound(const QString& only) {
    const auto found = sound_.find(only);
    return found != sound_.end() ? found->second : sound_[only] = rows_of(only);
  }

  QTemporaryDir folder_;
  CheckedCard card_;
  test::FailNccl fail_nccl_ = nullptr;
  std::map<QString, std::vector<CheckRow>> sound_;
};

QTEST_GUILESS_MAIN(TestOnPretend)
#include "test_on_pretend.moc"
