// SPDX-License-Identifier: GPL-3.0-or-later
// Windows read by one thread and by several: the same rows in the same places, the same rows left
// out for their pictures, the same error where several cannot be read.
#include <condition_variable>
#include <mutex>

#include "tests/train/watched_run.h"

#include "engine/batches/window_source.h"
#include "tests/patience.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Encodes nothing; says of each row who reads it when, as the test asks.
class WatchedRows : public RowKind {
 public:
  std::function<Status(const std::string& where, RowFault* fault)> at_row;
  const char* name() const override { return "watched"; }
  Result<EncodedRow> encode(const Conversation&, const ChatProcessor&, const RowEncoding& how,
                            const std::string& where, RowFault* fault) const override {
    LUTHIER_CHECK(at_row(where, fault));
    EncodedRow row;
    Example example;
    example.input_ids = {static_cast<TokenId>(how.noise % 1000)};
    example.labels = {0};
    row.sequences.push_back(std::move(example));
    return row;
  }
};

/// What a window holds, as a text.
std::string written(const Window& window) {
  std::string text;
  for (const MicroBatch& batch : window.batches) {
    text += "[";
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
      text += " " + std::to_string(batch.rows[i]);
      for (const Example& example : batch.encoded[i].sequences) {
        for (const TokenId id : example.input_ids) text += ":" + std::to_string(id);
        for (const PixelValues& image : example.images) {
          double sum = 0;
          for (const float value : image.values) sum += value;
          text += "(" + std::to_string(image.values.size()) + " " + std::to_string(sum) + ")";
        }
      }
    }
    text += " ]";
  }
  for (const BrokenRow& broken : window.broken) text += " without " + broken.sentence;
  return text;
}

bool is_row(const std::string& where, int number) {
  return where.ends_with("row " + std::to_string(number + 1));
}

}  // namespace

class TestWindowSource : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    base_ = load(run_.recipe("run")).take();
  }

  void several_threads_change_nothing() {
    const RowReader reader = reader_of(answer_rows());
    std::vector<std::string> wanted;
    for (const std::size_t threads : {1u, 2u, 5u}) {
      std::vector<std::string> got;
      WindowSource source(reader, rows_, plan(), 7, true, 0, nullptr, {}, threads);
      for (std::int64_t step = 0; step < plan().total_steps; ++step) {
        auto window = source.next();
        QVERIFY2(window.ok(), window ? "" : window.error().sentence().c_str());
        got.push_back(written(*window));
      }
      if (wanted.empty()) wanted = got;
      QCOMPARE(got, wanted);
    }
    QVERIFY(std::any_of(wanted.begin(), wanted.end(),
                        [](const std::string& text) { return text.find('(') != text.npos; }));
  }

  /// Each of the first rows waits until as many of them as there are threads are being read.
  void rows_are_read_side_by_side() {
    constexpr std::size_t kThreads = 3;
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t inside = 0;
    WatchedRows kind;
    kind.at_row = [&](const std::string&, RowFault*) -> Status {
      std::unique_lock lock(mutex);
      ++inside;
      changed.notify_all();
      changed.wait_for(lock, std::chrono::milliseconds(kHang), [&] { return inside >= kThreads; });
      return {};
    };
    WindowSource source(reader_of(kind), rows_, plan(), 7, true, 0, nullptr, {}, kThreads);
    QVERIFY(source.next().ok());
    const std::lock_guard lock(mutex);
    QVERIFY(inside >= kThreads);
  }

  void broken_pictures_are_told_in_order() {
    WatchedRows kind;
    kind.at_row = [](const std::string& where, RowFault* fault) -> Status {
      if (!is_row(where, 2) && !is_row(where, 5) && !is_row(where, 9)) return {};
      *fault = RowFault::BrokenImage;
      return input_error("The picture is broken.", where);
    };
    std::vector<std::string> wanted;
    for (const std::size_t threads : {1u, 4u}) {
      RowReader reader = reader_of(kind);
      reader.skip_broken = true;
      WindowSource source(reader, rows_, plan(), 7, true, 0, nullptr, {}, threads);
      std::vector<std::string> got;
      std::size_t broken = 0;
      for (std::int64_t step = 0; step < plan().total_steps; ++step) {
        const Window window = source.next().take();
        broken += window.broken.size();
        got.push_back(written(window));
      }
      QCOMPARE(broken, std::size_t{3});  // once each, however many epochs there are
      if (wanted.empty()) wanted = got;
      QCOMPARE(got, wanted);
    }
  }

  /// Of rows that cannot be read the first in the window's order is named, even where another one's
  /// thread was there sooner.
  void the_first_fault_is_told() {
    const std::vector<std::int64_t> order = epoch_order(plan().rows, 7, 0, true);
    const auto first = static_cast<int>(order[1]), second = static_cast<int>(order[3]);
    std::mutex mutex;
    std::condition_variable changed;
    bool second_came = false;
    bool waits = false;
    WatchedRows kind;
    kind.at_row = [&](const std::string& where, RowFault*) -> Status {
      std::unique_lock lock(mutex);
      if (is_row(where, second)) {
        second_came = true;
        changed.notify_all();
        return input_error("The second.", where);
      }
      if (!is_row(where, first)) return {};
      if (waits)
        changed.wait_for(lock, std::chrono::milliseconds(kHang), [&] { return second_came; });
      return input_error("The first.", where);
    };
    for (const std::size_t threads : {1u, 4u}) {
      waits = threads > 1;
      WindowSource source(reader_of(kind), rows_, plan(), 7, true, 0, nullptr, {}, threads);
      const auto window = source.next();
      QVERIFY(!window.ok());
      QVERIFY(window.error().sentence().find("The first.") != std::string::npos);
    }
    QVERIFY(second_came);
  }

  void what_is_thrown_is_told() {
    WatchedRows kind;
    kind.at_row = [](const std::string& where, RowFault*) -> Status {
      if (is_row(where, 4)) throw std::runtime_error("out of the blue");
      return {};
    };
    for (const std::size_t threads : {1u, 4u}) {
      WindowSource source(reader_of(kind), rows_, plan(), 7, true, 0, nullptr, {}, threads);
      for (;;) {
        const auto window = source.next();
        if (window.ok()) continue;
        QVERIFY(window.error().sentence().find("out of the blue") != std::string::npos);
        break;
      }
    }
  }

  void threads_go_where_cores_are() {
    QCOMPARE(reading_threads(2, 2), std::size_t{1});  // a training on the CPU keeps all at work
    QCOMPARE(reading_threads(1, 1), std::size_t{1});
    QCOMPARE(reading_threads(6, 1), std::size_t{5});
    QCOMPARE(reading_threads(64, 1), std::size_t{8});
    QCOMPARE(reading_threads(8, 2), std::size_t{6});  // OMP_NUM_THREADS leaves some
  }

 private:
  RowReader reader_of(const RowKind& kind) const {
    RowReader reader;
    reader.dataset = Dataset::open({run_.root() / "rows.jsonl"}).take();
    reader.processor = base_.processor;
    reader.kind = &kind;
    reader.seed = 7;
    return reader;
  }
  StepPlan plan() const { return plan_steps(11, run_.recipe("run").training).take(); }

  TinyRun run_;
  LoadedModel base_;
  const std::vector<std::int64_t> rows_{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
};

QTEST_GUILESS_MAIN(TestWindowSource)
#include "test_window_source.moc"
