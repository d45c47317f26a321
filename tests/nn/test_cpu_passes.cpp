// SPDX-License-Identifier: GPL-3.0-or-later
// The CPU's one-pass operations against the same formulas in float64: sizes that fill no vector,
// views that lie in no piece, numbers far out, both types.
#include "engine/device/neighbours.h"
#include "engine/nn/cpu_passes.h"
#include "engine/nn/dropout.h"

#include <cmath>
#include <limits>

#include <torch/csrc/autograd/autograd.h>

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using loops::Curve;
using torch::Tensor;

namespace {

Tensor wide(const Tensor& x) { return x.to(torch::kFloat64); }

/// Each number within `times` half places of its type's last one, and what sums of float32 are off.
bool close(const Tensor& got, const Tensor& wanted, double times = 1) {
  const double half = got.scalar_type() == torch::kBFloat16 ? std::ldexp(1.0, -8) : 4e-7;
  const Tensor allowed =
      wide(wanted).abs() * (half * times) + wide(wanted).abs().mean() * 2e-6 + 1e-30;
  const Tensor off = (wide(got) - wide(wanted)).abs();
  if (got.sizes() == wanted.sizes() && (off <= allowed).all().item<bool>()) return true;
  qWarning("off by %.3g times what is allowed", (off / allowed).max().item<double>());
  return false;
}

/// A float64 copy that has a gradient.
Tensor leaf(const Tensor& x) { return wide(x).detach().requires_grad_(true); }

Tensor drawn(at::IntArrayRef sizes, torch::ScalarType type, double spread = 1) {
  return torch::randn(sizes).mul_(spread).to(type);
}

Tensor exact_norm(const Tensor& x, const Tensor& weight, double epsilon, bool centred) {
  const Tensor normal = x / (x.square().mean(-1, true) + epsilon).sqrt();
  return normal * (centred ? weight + 1 : weight);
}

Tensor exact_activation(const Tensor& x, Curve curve) {
  if (curve == Curve::Silu) return at::silu(x);
  if (curve == Curve::QuickGelu) return x * at::sigmoid(1.702 * x);
  return at::gelu(x, "tanh");
}

void types() {
  QTest::addColumn<torch::ScalarType>("type");
  QTest::newRow("float32") << torch::kFloat32;
  QTest::newRow("bfloat16") << torch::kBFloat16;
}

}  // namespace

class TestCpuPasses : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(5); }

  void norms_data() { types(); }
  void norms() {
    QFETCH(torch::ScalarType, type);
    for (const bool centred : {false, true}) {
      for (const std::int64_t size : {1, 7, 16, 75, 512}) {
        const Tensor x = drawn({3, 11, size}, type, 4), weight = drawn({size}, type);
        const auto [y, scale] = rms_norm_pass(x, weight, 1e-5, centred);
        const Tensor in = leaf(x), exact = exact_norm(in, wide(weight), 1e-5, centred);
        // Without a centre bfloat16 is rounded before the weight, too.
        QVERIFY(close(y, exact.detach(), centred ? 1 : 2.01));
        QVERIFY(scale.sizes() == torch::IntArrayRef({3, 11, 1}));
        const Tensor gradient = drawn({3, 11, size}, type);
        const Tensor dx = torch::autograd::grad({exact}, {in}, {wide(gradient)}).front();
        if (size > 1)
          QVERIFY(close(rms_norm_back_pass(x, weight, scale, gradient, centred), dx, 4));
      }
    }
  }

  void sums_and_norms_data() { types(); }
  void sums_and_norms() {
    QFETCH(torch::ScalarType, type);
    for (const bool centred : {false, true}) {
      for (const std::int64_t size : {1, 16, 75, 512}) {
        const Tensor x = drawn({3, 211, size}, type, 4), added = drawn({3, 211, size}, type),
                     weight = drawn({size}, type), gradient = drawn({3, 211, size}, type),
                     passed = drawn({3, 211, size}, type);
        const SumNorm made = sum_rms_norm_pass(x, added, weight, 1e-5, centred);
        QVERIFY(made.sum.equal(x + added));
        const auto [y, scale] = rms_norm_pass(made.sum, weight, 1e-5, centred);
        QVERIFY(made.y.equal(y) && made.scale.equal(scale));
        const Tensor alone = rms_norm_back_pass(made.sum, weight, scale, gradient, centred);
        const Tensor both =
            rms_norm_back_pass(made.sum, weight, scale, gradient, centred, {}, passed);
        const double most = (wide(both) - wide(alone) - wide(passed)).abs().max().item<double>(),
                     size_of = wide(both).abs().max().item<double>() + 4;
        QVERIFY(most < size_of * (type == torch::kBFloat16 ? 0.01 : 1e-6));
      }
    }
  }

  void activations_data() {
    QTest::addColumn<torch::ScalarType>("type");
    QTest::addColumn<loops::Curve>("curve");
    for (const auto& [name, curve] :
         {std::pair("silu", Curve::Silu), std::pair("quick gelu", Curve::QuickGelu),
          std::pair("gelu with tanh", Curve::GeluTanh)}) {
      QTest::addRow("%s, float32", name) << torch::kFloat32 << curve;
      QTest::addRow("%s, bfloat16", name) << torch::kBFloat16 << curve;
    }
  }
  void activations() {
    QFETCH(torch::ScalarType, type);
    QFETCH(loops::Curve, curve);
    for (const std::int64_t count : {1, 15, 600, 40000}) {
      const Tensor x = drawn({count}, type, 3), up = drawn({count}, type);
      const Tensor gradient = drawn({count}, type);
      const Tensor in = leaf(x), in_up = leaf(up), exact = exact_activation(in, curve);
      QVERIFY(close(activate_pass(x, {}, curve), exact.detach(), 2));
      QVERIFY(close(activate_pass(x, up, curve), (exact * in_up).detach(), 2));
      const auto alone = torch::autograd::grad({exact}, {in}, {wide(gradient)},
                                               /*retain_graph=*/true);
      const auto [dalone, none] = activate_back_pass(x, {}, gradient, curve);
      QVERIFY(close(dalone, alone[0], 4) && !none.defined());
      const auto both = torch::autograd::grad({exact * in_up}, {in, in_up}, {wide(gradient)});
      const auto [dx, dup] = activate_back_pass(x, up, gradient, curve);
      QVERIFY(close(dx, both[0], 4) && close(dup, both[1], 4));
    }
  }

  void far_out_and_no_number() {
    const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
    const Tensor x = torch::tensor({-1e4f, -200.0f, -90.0f, 90.0f, 200.0f, 1e4f, inf, nan});
    for (const Curve curve : {Curve::Silu, Curve::QuickGelu, Curve::GeluTanh}) {
      const Tensor y = activate_pass(x, {}, curve);
      QVERIFY(y.slice(0, 0, 3).abs().max().item<float>() < 1e-30f);
      QVERIFY(at::equal(y.slice(0, 3, 7), x.slice(0, 3, 7)));
      QVERIFY(std::isnan(y[7].item<float>()));
      const auto slope = activate_back_pass(x, {}, torch::ones({8}), curve).first;
      QVERIFY(slope.slice(0, 0, 3).abs().max().item<float>() < 1e-20f);
      QVERIFY(at::equal(slope.slice(0, 3, 6), torch::ones({3})));
      QVERIFY(std::isnan(slope[7].item<float>()));
    }
    const auto [y, scale] = rms_norm_pass(x.view({2, 4}), torch::ones({4}), 1e-6, false);
    QVERIFY(!y[1].isfinite().all().item<bool>() && y[0].isfinite().all().item<bool>());
  }

  void turns_data() { types(); }
  void turns() {
    QFETCH(torch::ScalarType, type);
    const std::int64_t size = 24;
    for (const std::int64_t turned : {24, 10}) {
      // Heads of a wider tensor: each token's lie apart.
      const Tensor x = drawn({9, 5, size}, type).transpose(0, 1).contiguous().transpose(0, 1);
      const Tensor angles = torch::randn({9, 1, turned / 2});
      const Tensor both = at::cat({angles, angles}, -1);
      const Tensor cos = both.cos().to(type), sin = both.sin().to(type);
      QVERIFY(suits_turn(x, cos, sin));
      const Tensor in = wide(x), part = in.slice(-1, 0, turned);
      const Tensor half = at::cat({-part.slice(-1, turned / 2), part.slice(-1, 0, turned / 2)}, -1);
      const Tensor wanted =
          at::cat({part * wide(cos) + half * wide(sin), in.slice(-1, turned)}, -1);
      const Tensor y = turn_pass(x, cos, sin, 1);
      QVERIFY(close(y, wanted));
      const Tensor back = turn_pass(x, cos, sin, -1);
      QVERIFY(
          close(back, at::cat({part * wide(cos) - half * wide(sin), in.slice(-1, turned)}, -1)));
    }
    const Tensor heads = drawn({9, 5, size}, type);
    QVERIFY(!suits_turn(heads, drawn({9, 1, 26}, type), drawn({9, 1, 26}, type)));
    QVERIFY(!suits_turn(heads, drawn({9, 1, size}, torch::kFloat64),
                        drawn({9, 1, size}, torch::kFloat64)));
  }

  /// Columns of a wider tensor, as a joined product gives them, to the bit; and turned in place.
  void rows_that_lie_apart_data() { types(); }
  void rows_that_lie_apart() {
    QFETCH(torch::ScalarType, type);
    for (const std::int64_t rows : {1, 5, 300}) {
      const std::int64_t heads = 3, size = 24, width = heads * size;
      const Tensor joined = drawn({rows, 2 * width + 7}, type, 3);
      const Tensor x = joined.slice(1, 0, width), up = joined.slice(1, width, 2 * width),
                   gradient = drawn({rows, width}, type), one = x.clone(), other = up.clone();
      QVERIFY(at::equal(activate_pass(x, up, Curve::Silu), activate_pass(one, other, Curve::Silu)));
      const auto got = activate_back_pass(x, up, gradient, Curve::Silu),
                 wanted = activate_back_pass(one, other, gradient, Curve::Silu);
      QVERIFY(at::equal(got.first, wanted.first) && at::equal(got.second, wanted.second));
      QVERIFY(is_beside(got.second, got.first, rows));
      QVERIFY(!is_beside(wanted.second, wanted.first, rows));

      const Tensor weight = drawn({size}, type);
      const auto split = [&](const Tensor& t) { return t.view({rows, heads, size}); };
      const auto [y, scale] = rms_norm_pass(split(x), weight, 1e-5, false);
      const auto [normal, factor] = rms_norm_pass(split(one), weight, 1e-5, false);
      QVERIFY(at::equal(y, normal) && at::equal(scale, factor));
      const auto into = empty_pair(split(x), split(up), rows);
      const Tensor dx =
          rms_norm_back_pass(split(x), weight, scale, split(gradient), false, into.second);
      QVERIFY(dx.is_same(into.second));
      QVERIFY(at::equal(dx, rms_norm_back_pass(split(one), weight, scale, split(gradient), false)));

      const Tensor angles = torch::randn({rows, 1, 10});
      const Tensor both = at::cat({angles, angles}, -1);
      const Tensor cos = both.cos().to(type), sin = both.sin().to(type);
      const Tensor turned = turn_pass(split(one), cos, sin, 1);
      QVERIFY(at::equal(turn_pass(split(x), cos, sin, 1), turned));
      QVERIFY(at::equal(turn_pass(split(x), cos, sin, 1, split(x)), turned));
      QVERIFY(at::equal(split(x), turned) && at::equal(up, other));
    }
  }

  void losses_of_logits_data() { types(); }
  void losses_of_logits() {
    QFETCH(torch::ScalarType, type);
    for (const std::int64_t size : {1, 15, 16, 700, 1111}) {
      const Tensor logits = drawn({9, size}, type, 3);
      const Tensor target = torch::arange(9, torch::kInt64).mul(97).remainder(size);
      const Tensor in = leaf(logits);
      const Tensor exact = at::log_softmax(in, 1).gather(1, target.unsqueeze(1)).squeeze(1).neg();
      Tensor kept = logits.clone();
      QVERIFY(close(cross_entropy_pass(kept, target, false), exact.detach(), 4));
      QVERIFY(at::equal(kept, logits));
      QVERIFY(close(cross_entropy_pass(kept, target, true), exact.detach(), 4));
      const Tensor slope = torch::autograd::grad({exact.sum()}, {in}).front();
      if (type == torch::kBFloat16)
        QVERIFY(close(kept, slope, 1.01));
      else  // of a share near one, one is taken off
        QVERIFY((wide(kept) - slope).abs().max().item<double>() < 4e-7);
    }
    Tensor broken = drawn({2, 40}, type);
    broken.index_put_({0, 3}, std::numeric_limits<double>::quiet_NaN());
    const Tensor losses = cross_entropy_pass(broken, torch::zeros({2}, torch::kInt64), false);
    QVERIFY(std::isnan(losses[0].item<float>()) && std::isfinite(losses[1].item<float>()));
  }

  void dropout_added_in_place_data() { types(); }
  void dropout_added_in_place() {
    QFETCH(torch::ScalarType, type);
    const Tensor x = drawn({70, 33}, type), before = drawn({70, 33}, type);
    const Tensor mask = dropped_out(torch::ones({70, 33}), 0.3, 77) > 0;
    Tensor sum = before.clone();
    add_dropped_out(sum, x, 0.3, 77);
    QVERIFY(close(sum, wide(before) + at::where(mask, wide(x) / 0.7, torch::zeros({}))));
    QVERIFY(at::equal(sum.masked_select(~mask), before.masked_select(~mask)));
    Tensor turned = before.t().contiguous().t();  // no piece: ATen's way, which rounds twice
    add_dropped_out(turned, x, 0.3, 77);
    QVERIFY(type == torch::kBFloat16 || close(turned, sum, 2));
  }
};

QTEST_GUILESS_MAIN(TestCpuPasses)
#include "test_cpu_passes.moc"
