// SPDX-License-Identifier: GPL-3.0-or-later
// What evaluations tell beside their loss: hits against a head's likeliest tokens, counted by hand,
// in chunks and whole; pieces that come out whole; and no graph behind them.
#include "engine/objectives/token_hits.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

torch::TensorOptions of_floats() { return torch::TensorOptions().dtype(torch::kFloat32); }

/// One that says the place of the largest number.
Linear identity(std::int64_t width) {
  const torch::NoGradGuard no_grad;
  Linear head(width, width, false, of_floats());
  head->weight.leaf().copy_(torch::eye(width));
  return head;
}

std::vector<float> numbers(const torch::Tensor& tensor) {
  const torch::Tensor plain = tensor.contiguous();
  return {plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel()};
}

}  // namespace

class TestTokenHits : public QObject {
  Q_OBJECT

 private slots:
  void hits_are_the_likeliest_tokens() {
    const torch::Tensor hidden = torch::tensor(
        {{0.1F, 0.9F, 0.0F}, {0.5F, 0.2F, 0.4F}, {0.0F, 0.0F, 2.0F}, {1.0F, 1.0F, 0.0F}});
    const torch::Tensor target = torch::tensor({1, 2, 2, 0}, torch::kInt64);
    const torch::Tensor hits = hit_labels(hidden, identity(3), target);
    QCOMPARE(numbers(hits), (std::vector<float>{1, 0, 1, 1}));
    QVERIFY(!hits.requires_grad());
    QCOMPARE(hit_figures(hits).at("accuracy").item<double>(), 0.75);
    QCOMPARE(hit_figures(hits).size(), std::size_t(1));
    QVERIFY(hit_figures(torch::zeros({0})).empty());
  }

  void many_rows_go_in_chunks() {
    constexpr std::int64_t kWidth = 4096, kRows = 2500;  // of which 1024 are a chunk
    torch::Tensor hidden = torch::zeros({kRows, kWidth}),
                  target = torch::zeros({kRows}, torch::kInt64);
    for (std::int64_t row = 0; row < kRows; ++row) {
      hidden[row][row * 7 % kWidth] = 1;
      target[row] = row % 3 == 0 ? (row * 7 + 1) % kWidth : row * 7 % kWidth;
    }
    const std::vector<float> hits = numbers(hit_labels(hidden, identity(kWidth), target));
    for (std::size_t row = 0; row < hits.size(); ++row)
      QCOMPARE(hits[row], row % 3 == 0 ? 0.0F : 1.0F);
  }

  void a_graph_is_left_alone() {
    const torch::Tensor hidden = torch::rand({5, 4}).requires_grad_(true);
    const Linear head = identity(4);
    const torch::Tensor hits = hit_labels(hidden, head, torch::zeros({5}, torch::kInt64));
    QVERIFY(!hits.requires_grad());
    QVERIFY(!hidden.grad().defined());
  }

  void pieces_are_whole_or_not() {
    const torch::Tensor hits = torch::tensor({1.0F, 1.0F, 0.0F, 1.0F, 1.0F, 0.0F, 1.0F});
    // A label of no piece, two of the first, one of the second, two of the third, one of the
    // fourth.
    const LabelPieces pieces{{-1, 0, 0, 1, 2, 2, 3}, 4};
    QCOMPARE(whole_pieces(hits, pieces).item<double>(), 0.5);  // the second and the fourth
    QCOMPARE(hit_figures(hits, pieces, "whole").at("whole").item<double>(), 0.5);
    QVERIFY(!whole_pieces(hits, {{-1, -1, -1, -1, -1, -1, -1}, 0}).defined());
    QVERIFY(!hit_figures(hits, {}, "whole").contains("whole"));
  }
};

QTEST_GUILESS_MAIN(TestTokenHits)
#include "test_token_hits.moc"
