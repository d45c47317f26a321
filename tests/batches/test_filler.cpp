// SPDX-License-Identifier: GPL-3.0-or-later
// What batches are filled up to, and what of it a recorded step's batch holds: its own tokens
// first, then a row of filler; labels that only fill up count nothing.
#include "engine/batches/filler.h"

#include "engine/check/tiny_models.h"
#include "tests/pretend/tuned.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

class TestFiller : public QObject {
  Q_OBJECT

 private slots:
  void few_sizes_hold_many_numbers() {
    std::set<std::int64_t> sizes;
    for (std::int64_t tokens = 1; tokens <= 8192; ++tokens) {
      const RecordedSizes made = recorded_sizes(tokens, 2, tokens / 3 + 1);
      QVERIFY(made.tokens >= tokens && made.tokens % 64 == 0);
      QVERIFY(tokens < 512 || made.tokens <= tokens * 9 / 8);
      QVERIFY(made.labels > tokens / 3 && made.labels <= tokens / 3 + 1 + made.tokens / 8);
      QCOMPARE(made.rows, std::int64_t(3));
      sizes.insert(made.tokens);
    }
    QCOMPARE(sizes.size(), std::size_t(8 + 4 * 8));
    QCOMPARE(recorded_sizes(4096, 2, 4000).tokens, std::int64_t(4096));
    QCOMPARE(recorded_sizes(4097, 2, 4000).tokens, std::int64_t(4608));
    QCOMPARE(recorded_sizes(100, 40, 1).rows, std::int64_t(44));
  }

  /// A model looks positions up: many short rows come to more filler than one of them may have.
  void no_row_of_filler_is_longer_than_the_rows() {
    TinyModel model = pretend::tiny("llama", std::vector<std::int64_t>(70, 8));
    LoadedModel base =
        drawn(model, torch::TensorOptions(), torch::kFloat32, pretend::any_processor()).take();
    const BatchMaker maker(base, true, nullptr);
    const ModelInput input =
        maker.make(tiny_rows(model), SequenceOrder::RowByRow, BatchMaker::Pass::Recorded).input;
    QCOMPARE(input.input_ids.size(0), std::int64_t(576));  // of 560
    QCOMPARE(std::accumulate(input.lengths.begin(), input.lengths.end(), std::int64_t{0}),
             std::int64_t(576));
    QCOMPARE(*std::max_element(input.lengths.begin(), input.lengths.end()), std::int64_t(8));
    QCOMPARE(input.standing.rows, std::int64_t(72));
    QCOMPARE(std::ssize(input.lengths), input.standing.rows);
    QCOMPARE(input.lengths.size(), input.prompt_lengths.size());
  }

  void a_recorded_batch_is_filled_up_on_the_host() {
    TinyModel model = pretend::tiny("llama", {20, 60, 30});
    LoadedModel base =
        drawn(model, torch::TensorOptions(), torch::kFloat32, pretend::any_processor()).take();
    const MicroBatch rows = tiny_rows(model);
    const BatchMaker maker(base, true, nullptr);
    const ModelInput input =
        maker.make(rows, SequenceOrder::RowByRow, BatchMaker::Pass::Recorded).input;
    QCOMPARE(input.input_ids.size(0), std::int64_t(128));
    QCOMPARE(input.lengths, (std::vector<std::int64_t>{20, 60, 30, 18}));
    QCOMPARE(input.standing.rows, std::int64_t(4));
    const NextLabels next = next_labels(input);
    QCOMPARE(next.places.size(0), input.standing.labels);
    const std::int64_t counted = next.shares.sum().item<std::int64_t>();
    QVERIFY(counted > 0 && counted <= rows.labels() && counted < input.standing.labels);
    QVERIFY((next.places.slice(0, counted) == 127).all().item<bool>());
    QVERIFY((next.places.slice(0, 0, counted) < 110).all().item<bool>());
    const RowLayout layout = row_layout(input);
    QVERIFY(layout.stands() && !layout.equal());
    QCOMPARE(layout.rows(), std::int64_t(4));
    QCOMPARE(layout.longest(), std::int64_t(128));
    QVERIFY(layout.ends(torch::kCPU).equal(torch::tensor({0, 20, 80, 110, 128}, torch::kInt32)));
    QCOMPARE(layout.positions(torch::kCPU).numel(), std::int64_t(128));
    QVERIFY_EXCEPTION_THROWN((void)layout.lengths(), StandingRowsAsked);
    QVERIFY_EXCEPTION_THROWN((void)layout.pad(input.input_ids), StandingRowsAsked);
    QVERIFY_EXCEPTION_THROWN((void)layout.groups(), StandingRowsAsked);
  }
};

QTEST_GUILESS_MAIN(TestFiller)
#include "test_filler.moc"
