// SPDX-License-Identifier: GPL-3.0-or-later
// Linears made together give what each gives alone, and so do their gradients: plain ones, ones
// with low-rank plugs, with and without dropout, and ones with a plug of another kind.
#include "engine/methods/ia3.h"
#include "engine/methods/lora.h"
#include "engine/nn/dropout.h"
#include "engine/nn/side_by_side.h"

#include <torch/csrc/autograd/autograd.h>

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kIn = 24;

Linear linear_of(std::int64_t out, bool bias, torch::ScalarType type) {
  const torch::NoGradGuard no_grad;
  Linear made(kIn, out, bias, torch::TensorOptions().dtype(type));
  for (Tensor& tensor : made->parameters()) tensor.copy_(torch::randn(tensor.sizes()) * 0.3);
  return made;
}

Tensor leaf(at::IntArrayRef sizes) { return torch::randn(sizes).mul_(0.3).set_requires_grad(true); }

/// Queries, keys and values with LoRA on some.
struct Three {
  std::vector<Linear> linears;
  std::vector<std::shared_ptr<LoraLinear>> plugs;
  Three(torch::ScalarType type, const std::vector<double>& dropouts) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t out = 16 - 4 * static_cast<std::int64_t>(i);
      linears.push_back(linear_of(out, i != 1, type));
      if (dropouts[i] < 0) continue;
      plugs.push_back(
          std::make_shared<LoraLinear>(leaf({4, kIn}), leaf({out, 4}), 1.5, dropouts[i], 7 + i));
      plugs.back()->training = true;
      plugs.back()->seed = 11;
      linears.back()->plug = plugs.back().get();
    }
  }
  std::vector<const LinearImpl*> all() const {
    std::vector<const LinearImpl*> found;
    for (const Linear& each : linears) found.push_back(each.get());
    return found;
  }
  std::vector<Tensor> trained() const {
    std::vector<Tensor> found;
    for (const auto& plug : plugs) found.push_back(plug->a), found.push_back(plug->b);
    for (const Linear& each : linears) {
      for (const Tensor& tensor : each->parameters()) {
        if (tensor.requires_grad()) found.push_back(tensor);
      }
    }
    return found;
  }
};

/// A sum that gives each result another gradient.
Tensor weighed(const std::vector<Tensor>& results) {
  Tensor sum = torch::zeros({});
  double factor = 1;
  for (const Tensor& each : results) {
    const Tensor wide = each.to(torch::kFloat32);
    sum = sum + (wide * wide.detach().cos() * factor).sum();
    factor += 0.5;
  }
  return sum;
}

std::vector<Tensor> gradients(const std::vector<Tensor>& results, std::vector<Tensor> of) {
  return torch::autograd::grad({weighed(results)}, of);
}

bool near(const Tensor& got, const Tensor& wanted, double tolerance) {
  const double off = (got.to(torch::kFloat64) - wanted.to(torch::kFloat64)).norm().item<double>(),
               size = wanted.to(torch::kFloat64).norm().item<double>();
  if (off <= tolerance * size) return got.sizes() == wanted.sizes();
  qWarning("off by %.3g of %.3g", off, size);
  return false;
}

}  // namespace

class TestSideBySide : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void as_each_alone_data() {
    QTest::addColumn<std::vector<double>>("dropouts");  // negative: no plug
    QTest::addColumn<bool>("weights");
    QTest::newRow("plain, trained") << std::vector<double>{-1, -1, -1} << true;
    QTest::newRow("plain, fixed") << std::vector<double>{-1, -1, -1} << false;
    QTest::newRow("all without dropout") << std::vector<double>{0, 0, 0} << false;
    QTest::newRow("all with dropout") << std::vector<double>{0.3, 0.3, 0.3} << false;
    QTest::newRow("of each kind") << std::vector<double>{0.3, -1, 0} << true;
    QTest::newRow("two joined") << std::vector<double>{0, -1, 0} << false;
  }
  void as_each_alone() {
    QFETCH(std::vector<double>, dropouts);
    QFETCH(bool, weights);
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      const Three three(type, dropouts);
      for (const Linear& each : three.linears)
        for (Tensor& tensor : each->parameters()) tensor.set_requires_grad(weights);
      const Tensor x = torch::randn({2, 5, kIn}).to(type).set_requires_grad(true);
      std::vector<Tensor> alone, of = three.trained();
      of.push_back(x);
      for (const Linear& each : three.linears) alone.push_back(each->forward(x));
      const auto together = side_by_side(x, three.all());
      const auto got = gradients(together, of), wanted = gradients(alone, of);
      const double tolerance = type == torch::kFloat32 ? 1e-5 : 1e-2;
      for (std::size_t i = 0; i < 3; ++i) QVERIFY(near(together[i], alone[i], tolerance));
      for (std::size_t i = 0; i < of.size(); ++i) {
        QCOMPARE(got[i].scalar_type(), of[i].scalar_type());
        QVERIFY2(near(got[i], wanted[i], tolerance), qPrintable(QString::number(i)));
      }
    }
  }

  /// Against autograd over the formula itself, with the very mask.
  void as_the_formula() {
    const Three three(torch::kFloat32, {0.3, -1, 0});
    const Tensor x = torch::randn({9, kIn}).set_requires_grad(true);
    std::vector<Tensor> of = three.trained();
    of.push_back(x);
    std::vector<Tensor> wanted;
    std::size_t plug = 0;
    for (const Linear& each : three.linears) {
      Tensor y = at::linear(x, each->weight.dense(), each->bias);
      if (each->plug) {
        const LoraLinear& lora = *three.plugs[plug++];
        const LowRank low = lora.low_rank(torch::kFloat32);
        const Tensor mask = low.dropout > 0
                                ? dropped_out(torch::ones_like(x), low.dropout, low.seed)
                                : torch::ones_like(x);
        y = y + at::mm(at::mm(x * mask, lora.a.t()), lora.b.t()) * lora.scale;
      }
      wanted.push_back(y);
    }
    const auto got = side_by_side(x, three.all());
    const auto slopes = gradients(got, of), exact = gradients(wanted, of);
    for (std::size_t i = 0; i < 3; ++i) QVERIFY(near(got[i], wanted[i], 1e-5));
    for (std::size_t i = 0; i < of.size(); ++i) QVERIFY(near(slopes[i], exact[i], 1e-5));
  }

  void another_plug_goes_its_own_way() {
    Three three(torch::kFloat32, {0, -1, 0});
    const Ia3Linear scaled(leaf({12, 1}), /*input=*/false);
    three.linears[1]->plug = &scaled;
    const Tensor x = torch::randn({7, kIn});
    const auto made = side_by_side(x, three.all());
    QVERIFY(at::equal(made[1], three.linears[1]->forward(x)));
    QVERIFY(near(made[0], three.linears[0]->forward(x), 1e-5));
    QVERIFY(near(made[2], three.linears[2]->forward(x), 1e-5));
  }

  /// What no gradient arrives at stays without one.
  void one_of_them_unused() {
    const Three three(torch::kFloat32, {0, 0.2, 0});
    const Tensor x = torch::randn({7, kIn}).set_requires_grad(true);
    const auto made = side_by_side(x, three.all());
    const auto got = gradients({made[2]}, {x, three.plugs[2]->a});
    const auto wanted = gradients({three.linears[2]->forward(x)}, {x, three.plugs[2]->a});
    QVERIFY(near(got[0], wanted[0], 1e-5) && near(got[1], wanted[1], 1e-5));
    const auto again = side_by_side(x, three.all());
    const auto others = torch::autograd::grad({again[2].sum()}, {three.plugs[1]->b}, {},
                                              /*retain_graph=*/false, /*create_graph=*/false,
                                              /*allow_unused=*/true);
    QVERIFY(!others[0].defined());
  }

  /// A copy stands until its tensor changes, also one that was made while answering.
  void copies_follow_their_tensor() {
    const NarrowCopy copy;
    const Tensor wide = leaf({4, 6});
    {
      const c10::InferenceMode inference;
      QCOMPARE(copy.of(wide, torch::kBFloat16).scalar_type(), torch::kBFloat16);
    }
    const Tensor first = copy.of(wide, torch::kBFloat16);
    QVERIFY(!first.is_inference() && first.is_same(copy.of(wide, torch::kBFloat16)));
    QVERIFY(copy.of(wide, torch::kFloat32).is_same(wide));
    {
      const torch::NoGradGuard no_grad;
      wide.add_(1);
    }
    const Tensor second = copy.of(wide, torch::kBFloat16);
    QVERIFY(!second.is_same(first) && at::equal(second, wide.detach().to(torch::kBFloat16)));
    {
      const torch::NoGradGuard no_grad;
      wide.mul_(3);
    }
    NarrowCopy::refresh({{&wide, &copy}});
    QVERIFY(copy.of(wide, torch::kBFloat16).is_same(second));
    QVERIFY(at::equal(second, wide.detach().to(torch::kBFloat16)));
  }
};

QTEST_GUILESS_MAIN(TestSideBySide)
#include "test_side_by_side.moc"
