// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that go on from others are the rows that they would be with what they go on from before each
// of them: positions, attention and its gradients.
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/attention.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;
using Numbers = std::vector<std::int64_t>;

namespace {

/// Each fork's whole row: its trunk's tokens, then its own; then the rows that nothing goes on
/// from.
Tensor places_of_whole(const RowLayout& rows, Numbers& lengths) {
  std::vector<Tensor> places;
  for (const RowLayout::Fork& fork : rows.forks()) {
    places.push_back(torch::arange(fork.trunk, fork.trunk + fork.trunk_length, torch::kInt64));
    places.push_back(torch::arange(fork.start, fork.start + fork.length, torch::kInt64));
    lengths.push_back(fork.trunk_length + fork.length);
  }
  return at::cat(places);
}

}  // namespace

class TestForkedRows : public QObject {
  Q_OBJECT

 private slots:
  void places_go_on_from_the_trunk() {
    const RowLayout rows({3, 5, 2, 2, 0, 1}, {-1, -1, 0, 0, 1, 1});
    QCOMPARE(rows.tokens(), 13);
    QCOMPARE(rows.reach(), 6);
    QVERIFY(rows.forked() && !rows.beginnings().forked());
    const Tensor expected =
        torch::tensor(Numbers{0, 1, 2, 0, 1, 2, 3, 4, 3, 4, 3, 4, 5}, torch::kInt64);
    QVERIFY(at::equal(rows.positions(torch::kCPU), expected));
    QVERIFY_EXCEPTION_THROWN(RowLayout({3, 2, 1}, {-1, 0, -1}), c10::Error);
    QVERIFY_EXCEPTION_THROWN(RowLayout({3, 2, 1}, {-1, 0, 1}), c10::Error);
  }

  void attention_is_that_of_whole_rows_data() {
    QTest::addColumn<Numbers>("lengths");
    QTest::addColumn<Numbers>("trunks");
    QTest::newRow("a group of one length") << Numbers{20, 6, 6, 6} << Numbers{-1, 0, 0, 0};
    QTest::newRow("other lengths, filler, an empty one")
        << Numbers{20, 9, 5, 6, 1, 6, 0, 30} << Numbers{-1, -1, -1, 0, 0, 1, 1, 0};
    QTest::newRow("prompts of one length") << Numbers{9, 9, 4, 4, 7} << Numbers{-1, -1, 0, 1, 0};
  }
  void attention_is_that_of_whole_rows() {
    QFETCH(Numbers, lengths);
    QFETCH(Numbers, trunks);
    torch::manual_seed(3);
    const RowLayout rows(lengths, trunks);
    Numbers whole;
    const Tensor places = places_of_whole(rows, whole);
    const RowLayout apart(whole);
    for (const AttentionRule& rule :
         {AttentionRule{true, {}, 0, 0}, {true, 5, 0, 0}, {true, {}, 0.3, 0}, {true, 6, 0, 4}}) {
      for (const std::int64_t size : {8, 32}) {
        const auto fresh = [&](std::int64_t heads) {
          return torch::randn({rows.tokens(), heads, size}).set_requires_grad(true);
        };
        const Tensor q = fresh(4), k = fresh(2), v = fresh(2);
        const Tensor mixed = attend(q, k, v, rows, rule),
                     expected = attend(q.index_select(0, places), k.index_select(0, places),
                                       v.index_select(0, places), apart, rule);
        const Tensor found = mixed.index_select(0, places);
        QVERIFY(at::allclose(found, expected, 1e-5, 1e-5));
        const Tensor weights = torch::randn_like(expected);
        const auto got = torch::autograd::grad({(found * weights).sum()}, {q, k, v}),
                   wanted = torch::autograd::grad({(expected * weights).sum()}, {q, k, v});
        for (std::size_t i = 0; i < 3; ++i) QVERIFY(at::allclose(got[i], wanted[i], 1e-4, 1e-5));
        const torch::NoGradGuard no_grad;
        QVERIFY(at::allclose(attend(q, k, v, rows, rule), mixed, 1e-5, 1e-5));
      }
    }
  }

  /// What a prompt's tokens see of one another both ways is the prompt's alone.
  void blocks_stay_in_the_trunk() {
    torch::manual_seed(4);
    const RowLayout rows({8, 3, 3}, {-1, 0, 0});
    Numbers whole;
    const Tensor places = places_of_whole(rows, whole);
    const Tensor blocks =
        at::cat({torch::zeros({5}, torch::kInt64), torch::full({9}, -1, torch::kInt64)});
    const Tensor q = torch::randn({14, 2, 8}), k = torch::randn({14, 2, 8}),
                 v = torch::randn({14, 2, 8});
    for (const AttentionRule& rule : {AttentionRule{true, {}, 0, 0}, {true, 4, 0, 0}}) {
      const Tensor expected =
          attend(q.index_select(0, places), k.index_select(0, places), v.index_select(0, places),
                 RowLayout(whole), rule, blocks.index_select(0, places));
      const Tensor found = attend(q, k, v, rows, rule, blocks).index_select(0, places);
      QVERIFY(at::allclose(found, expected, 1e-5, 1e-5));
    }
  }
};

QTEST_GUILESS_MAIN(TestForkedRows)
#include "test_forked_rows.moc"
