// SPDX-License-Identifier: GPL-3.0-or-later
// Queries and keys that are columns of one product, normed and turned as those that stand alone,
// and so are their gradients, which come as neighbours; and turned in their own memory.
#include "engine/nn/heads.h"

#include <torch/csrc/autograd/autograd.h>

#include "engine/device/neighbours.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kTokens = 7, kQueries = 4, kKeys = 2, kSize = 16;

RmsNorm norm_of(torch::ScalarType type) {
  const torch::NoGradGuard no_grad;
  RmsNorm norm(kSize, 1e-6, torch::TensorOptions().dtype(type));
  norm->weight.copy_(torch::rand({kSize}) + 0.5);
  return norm;
}

struct Heads {
  Tensor query, key;  ///< [tokens, heads, size]
};

/// Columns of one tensor, as a product of neighbours gives them.
Heads columns(const Tensor& numbers) {
  const auto parts =
      parted_beside(numbers.clone(), {kTokens}, {kQueries * kSize, kKeys * kSize, kKeys * kSize});
  return {parts[0].view({kTokens, kQueries, kSize}), parts[1].view({kTokens, kKeys, kSize})};
}

Heads alone(const Tensor& numbers) {
  const Heads made = columns(numbers);
  return {made.query.contiguous(), made.key.contiguous()};
}

}  // namespace

class TestHeads : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(4); }

  void columns_as_alone_data() {
    QTest::addColumn<int>("type");
    QTest::addColumn<bool>("normed");
    QTest::addColumn<int>("turned");
    for (const auto type : {torch::kFloat32, torch::kBFloat16, torch::kFloat64})
      for (const bool normed : {false, true})
        for (const int turned : {16, 10})
          QTest::addRow("%s, %d, %d", c10::toString(type), normed, turned)
              << static_cast<int>(type) << normed << turned;
  }
  void columns_as_alone() {
    QFETCH(int, type);
    QFETCH(bool, normed);
    QFETCH(int, turned);
    const auto kind = static_cast<torch::ScalarType>(type);
    const Tensor numbers = torch::randn({kTokens, (kQueries + 2 * kKeys) * kSize}).to(kind);
    const RotaryTable table = rotary_table(torch::rand({kTokens, turned / 2}).mul_(6), kind);
    const RmsNorm query_norm = normed ? norm_of(kind) : RmsNorm(nullptr),
                  key_norm = normed ? norm_of(kind) : RmsNorm(nullptr);
    const auto run = [&](const Heads& heads, bool given_up) {
      const Tensor query = heads.query.detach().set_requires_grad(true),
                   key = heads.key.detach().set_requires_grad(true);
      const auto made = normed_and_turned(query, key, query_norm, key_norm, table, given_up);
      const auto slopes =
          torch::autograd::grad({made.first.pow(2).sum() + made.second.sum()}, {query, key});
      return std::vector<Tensor>{made.first.detach().clone(), made.second.detach().clone(),
                                 slopes[0], slopes[1]};
    };
    const auto wanted = run(alone(numbers), false);
    for (const bool given_up : {false, true}) {
      const auto got = run(columns(numbers), given_up);
      // ATen's sums go by how numbers lie.
      for (std::size_t i = 0; i < wanted.size(); ++i)
        QVERIFY(kind == torch::kFloat64 ? at::allclose(got[i], wanted[i])
                                        : at::equal(got[i], wanted[i]));
      QVERIFY(kind == torch::kFloat64 || is_beside(got[3], got[2], kTokens));
    }
  }

  /// What is given up is where the results are; with a norm nothing is, since the norm keeps it.
  void in_their_own_memory() {
    const Tensor numbers = torch::randn({kTokens, (kQueries + 2 * kKeys) * kSize});
    const RotaryTable table =
        rotary_table(torch::rand({kTokens, kSize / 2}).mul_(6), torch::kFloat32);
    const Heads heads = columns(numbers), as_they_were = alone(numbers);
    const auto made = normed_and_turned(heads.query, heads.key, RmsNorm(nullptr), RmsNorm(nullptr),
                                        table, /*given_up=*/true);
    QCOMPARE(made.first.const_data_ptr(), heads.query.const_data_ptr());
    QCOMPARE(made.second.const_data_ptr(), heads.key.const_data_ptr());
    const Heads others = columns(numbers);
    const RmsNorm norm = norm_of(torch::kFloat32);
    (void)normed_and_turned(others.query, others.key, norm, norm, table, /*given_up=*/true);
    QVERIFY(at::equal(others.query, as_they_were.query) && at::equal(others.key, as_they_were.key));
  }
};

QTEST_GUILESS_MAIN(TestHeads)
#include "test_heads.moc"
