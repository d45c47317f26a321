// SPDX-License-Identifier: GPL-3.0-or-later
// Linears made together give what each gives alone, and so do their gradients: plain ones, ones
// with low-rank plugs, with and without dropout, and ones with a plug of another kind, whether
// their weights are neighbours or stand apart.
#include "engine/device/neighbours.h"
#include "engine/methods/ia3.h"
#include "engine/methods/lora.h"
#include "engine/nn/dropout.h"
#include "engine/nn/layers.h"
#include "engine/nn/side_by_side.h"
#include "tests/nn/toy_weight.h"

#include <torch/csrc/autograd/autograd.h>

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kIn = 24;

/// How the three stand to one another.
enum Standing { kApart, kNeighbours, kNeighboursWithBias };

std::vector<Linear> three_linears(Standing standing, torch::ScalarType type) {
  const torch::NoGradGuard no_grad;
  const auto options = torch::TensorOptions().dtype(type);
  std::vector<Linear> made;
  if (standing == kApart) {
    for (const std::int64_t out : {16, 12, 8}) made.emplace_back(kIn, out, out != 12, options);
  } else {
    made = neighbouring_linears(kIn, {16, 12, 8}, standing == kNeighboursWithBias, options);
  }
  for (const Linear& each : made)
    for (Tensor& tensor : each->parameters()) tensor.copy_(torch::randn(tensor.sizes()) * 0.3);
  return made;
}

Tensor leaf(at::IntArrayRef sizes) { return torch::randn(sizes).mul_(0.3).set_requires_grad(true); }

/// Queries, keys and values with LoRA on some.
struct Three {
  std::vector<Linear> linears;
  std::vector<std::shared_ptr<LoraLinear>> plugs;
  /// `scales`: of the plugs, 1.5 for all where none are given.
  Three(torch::ScalarType type, const std::vector<double>& dropouts, Standing standing = kApart,
        const std::vector<double>& scales = {1.5, 1.5, 1.5})
      : linears(three_linears(standing, type)) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (dropouts[i] < 0) continue;
      plugs.push_back(std::make_shared<LoraLinear>(
          leaf({4, kIn}), leaf({linears[i]->out_features(), 4}), scales[i], dropouts[i], 7 + i));
      plugs.back()->training = true;
      plugs.back()->seed = 11;
      linears[i]->plug = plugs.back().get();
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

  static void compare(const Three& three, torch::ScalarType type, at::IntArrayRef sizes) {
    const Tensor x = torch::randn(sizes).to(type).set_requires_grad(true);
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
    for (const auto standing : {kApart, kNeighbours, kNeighboursWithBias}) {
      for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
        const Three three(type, dropouts, standing);
        for (const Linear& each : three.linears)
          for (Tensor& tensor : each->parameters()) tensor.set_requires_grad(weights);
        compare(three, type, {2, 5, kIn});
        compare(three, type, {1, kIn});
      }
    }
  }

  void of_several_scales() {
    for (const auto standing : {kApart, kNeighbours})
      compare(Three(torch::kFloat32, {0, 0, 0}, standing, {1.5, 0.5, 1.5}), torch::kFloat32,
              {9, kIn});
  }

  /// Columns of one product, and with gradients that come as neighbours one product back, too.
  void neighbours_are_one_product() {
    const Three three(torch::kFloat32, {0, 0.2, -1}, kNeighboursWithBias);
    const Tensor x = torch::randn({6, kIn}).set_requires_grad(true);
    const auto made = side_by_side(x, three.all());
    QVERIFY(is_beside(made[1], made[0], 6) && is_beside(made[2], made[1], 6));
    QVERIFY(!made[1].is_view());
    const auto apart = side_by_side(x, three.all(), /*apart=*/2);
    QVERIFY(is_beside(apart[1], apart[0], 6) && !is_beside(apart[2], apart[1], 6));
    QVERIFY(apart[2].is_contiguous() && near(apart[2], made[2], 1e-6));
    const torch::NoGradGuard no_grad;
    const auto unkept = side_by_side(x, three.all());
    QVERIFY(is_beside(unkept[2], unkept[1], 6) && near(unkept[0], made[0], 1e-6));
  }

  /// A gate and what it opens: their gradients lie beside one another, as the product wants them.
  void a_gate_s_gradients_are_neighbours() {
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      const torch::TensorOptions options = torch::TensorOptions().dtype(type);
      const auto two = neighbouring_linears(kIn, {40, 40}, false, options);
      for (const Linear& each : two) {
        const torch::NoGradGuard no_grad;
        each->weight.dense().copy_(torch::randn({40, kIn}).mul_(0.3));
      }
      const Tensor x = torch::randn({6, kIn}).to(type).set_requires_grad(true);
      const auto made = side_by_side(x, {two[0].get(), two[1].get()});
      std::vector<Tensor> slopes(2);
      for (std::size_t i = 0; i < 2; ++i)
        made[i].register_hook([&slopes, i](const Tensor& slope) { slopes[i] = slope; });
      const Tensor got =
          torch::autograd::grad({gated(made[0], made[1], Activation::Silu).sum()}, {x})[0];
      QVERIFY(is_beside(slopes[1], slopes[0], 6));
      const Tensor gate = two[0]->forward(x), up = two[1]->forward(x);
      const Tensor wanted = torch::autograd::grad({(at::silu(gate) * up).sum()}, {x})[0];
      QVERIFY(near(got, wanted, type == torch::kFloat32 ? 1e-5 : 2e-2));
    }
  }

  /// One of them packed or swapped: the others go on, and the results are what each gives.
  void neighbours_that_are_none_any_more() {
    for (const std::size_t which : {0u, 1u, 2u}) {
      Three three(torch::kFloat32, {0, -1, 0.3}, kNeighbours);
      three.linears[which]->pack(toy::packed(three.linears[which]->out_features(), kIn));
      compare(three, torch::kFloat32, {9, kIn});
      Three other(torch::kFloat32, {0, -1, 0.3}, kNeighbours);
      const Tensor own = torch::randn({other.linears[which]->out_features(), kIn});
      other.linears[which]->weight.slot() = own;
      compare(other, torch::kFloat32, {9, kIn});
    }
  }

  /// Each is a tensor of its own: named, sized, trained and written to by itself.
  void neighbours_by_themselves() {
    const auto linears = neighbouring_linears(kIn, {4, 6}, true, torch::TensorOptions());
    for (const Linear& each : linears) {
      const auto named = each->named_parameters();
      QCOMPARE(named.size(), std::size_t{2});
      QVERIFY(each->weight.shares(named["weight"]) && named["bias"].is_same(each->bias));
      QVERIFY(each->weight.dense().is_contiguous() && !each->weight.trained());
    }
    const torch::NoGradGuard no_grad;
    linears[0]->weight.dense().fill_(1), linears[1]->weight.dense().fill_(2);
    QVERIFY(at::equal(linears[0]->weight.dense(), torch::ones({4, kIn})));
    QCOMPARE(linears[1]->bias.numel(), 6);
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

  void another_plug_goes_its_own_way_data() {
    QTest::addColumn<int>("standing");
    QTest::newRow("apart") << static_cast<int>(kApart);
    QTest::newRow("neighbours") << static_cast<int>(kNeighbours);
  }
  void another_plug_goes_its_own_way() {
    QFETCH(int, standing);
    Three three(torch::kFloat32, {0, -1, 0}, static_cast<Standing>(standing));
    const Ia3Linear scaled(leaf({12, 1}), /*input=*/false);
    three.linears[1]->plug = &scaled;
    const Tensor x = torch::randn({7, kIn});
    const auto made = side_by_side(x, three.all());
    QVERIFY(at::equal(made[1], three.linears[1]->forward(x)));
    QVERIFY(near(made[0], three.linears[0]->forward(x), 1e-5));
    QVERIFY(near(made[2], three.linears[2]->forward(x), 1e-5));
  }

  /// What no gradient arrives at stays without one.
  void one_of_them_unused_data() { another_plug_goes_its_own_way_data(); }
  void one_of_them_unused() {
    QFETCH(int, standing);
    const Three three(torch::kFloat32, {0, 0.2, 0}, static_cast<Standing>(standing));
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
