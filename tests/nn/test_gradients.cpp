// SPDX-License-Identifier: GPL-3.0-or-later
// The backwards that are written by hand, against the slope of their own forward.
#include "tests/nn/central_differences.h"

#include "engine/nn/attention.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/products.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using luthier::test::slope_error;
using torch::Tensor;

namespace {

constexpr double kAllowed = 2e-3;

Tensor weighed(const Tensor& y, const Tensor& weights) {
  return (y.to(torch::kFloat64) * weights).sum();
}

}  // namespace

class TestGradients : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(11); }

  void of_products() {
    const Tensor x = torch::randn({3, 5, 12}), weight = torch::randn({7, 12}),
                 bias = torch::randn({7}), weights = torch::randn({3, 5, 7}, torch::kFloat64);
    QVERIFY(slope_error({x, weight, bias}, [&] {
              return weighed(linear_product(x, weight, bias), weights);
            }) < kAllowed);
    QVERIFY(slope_error({x, weight}, [&] {
              return weighed(linear_product(x, weight, {}), weights);
            }) < kAllowed);
  }

  void of_norms() {
    const Tensor x = torch::randn({6, 16}) * 2 + 0.5;
    const Tensor weights = torch::randn({6, 16}, torch::kFloat64);
    for (const bool centred : {false, true}) {
      const RmsNorm norm(16, 1e-5, torch::TensorOptions(), centred);
      const torch::NoGradGuard no_grad;
      norm->weight.copy_(torch::rand({16}) + 0.5);
      const torch::AutoGradMode graph(true);
      QVERIFY(slope_error({x, norm->weight}, [&] { return weighed(norm->forward(x), weights); }) <
              kAllowed);
    }
    const LayerNorm norm(16, 1e-5, torch::TensorOptions());
    {
      const torch::NoGradGuard no_grad;
      norm->weight.copy_(torch::rand({16}) + 0.5);
      norm->bias.copy_(torch::randn({16}));
    }
    QVERIFY(slope_error({x, norm->weight, norm->bias},
                        [&] { return weighed(norm->forward(x), weights); }) < kAllowed);
  }

  void of_embedding() {
    const Embedding embedding(9, 6, torch::TensorOptions());
    {
      const torch::NoGradGuard no_grad;
      embedding->weight.copy_(torch::randn({9, 6}));
    }
    const Tensor ids = torch::tensor({1, 1, 8, 0, 3}, torch::kInt64);
    const Tensor weights = torch::randn({5, 6}, torch::kFloat64);
    QVERIFY(slope_error({embedding->weight}, [&] {
              return weighed(embedding->forward(ids).square(), weights);
            }) < kAllowed);
  }

  void of_attention_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::newRow("equal") << std::vector<std::int64_t>{6, 6};
    QTest::newRow("padded") << std::vector<std::int64_t>{5, 8, 6};
    QTest::newRow("grouped") << std::vector<std::int64_t>{4, 40, 4};
  }
  void of_attention() {
    QFETCH(std::vector<std::int64_t>, lengths);
    const RowLayout rows(lengths);
    const Tensor q = torch::randn({rows.tokens(), 4, 8}), k = torch::randn({rows.tokens(), 2, 8}),
                 v = torch::randn({rows.tokens(), 2, 8});
    const Tensor weights = torch::randn({rows.tokens(), 32}, torch::kFloat64);
    std::vector<AttentionRule> rules(4);
    rules[1].window = 3;
    rules[2].causal = false;
    rules[3].softcap = 4;
    for (const AttentionRule& rule : rules) {
      QVERIFY(slope_error({q, k, v}, [&] {
                return weighed(attend(q, k, v, rows, rule), weights);
              }) < kAllowed);
    }
  }

  void of_gates() {
    const Tensor gate = torch::randn({5, 12}), up = torch::randn({5, 12});
    const Tensor weights = torch::randn({5, 12}, torch::kFloat64);
    for (const Activation activation :
         {Activation::Gelu, Activation::GeluTanh, Activation::QuickGelu, Activation::Silu}) {
      QVERIFY(slope_error({gate, up}, [&] {
                return weighed(gated(gate, up, activation), weights);
              }) < kAllowed);
    }
  }

  /// A slope that is wrong is found: the helper can fail.
  void a_wrong_backward_shows() {
    const Tensor x = torch::randn({20});
    QVERIFY(slope_error({x}, [&] { return (x * x.detach()).sum().to(torch::kFloat64); }) > 0.3);
  }
};

QTEST_GUILESS_MAIN(TestGradients)
#include "test_gradients.moc"
