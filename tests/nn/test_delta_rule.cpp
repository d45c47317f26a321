// SPDX-License-Identifier: GPL-3.0-or-later
// The gated delta rule beside its recurrence, token by token and by LibTorch's autograd in float64:
// what chunks give and leave, all gradients, and going on from a state.
#include "engine/nn/delta_rule.h"

#include <cmath>

#include <torch/csrc/autograd/autograd.h>

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

double off(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() /
         std::max(wanted.abs().max().item<double>(), 1e-30);
}

struct Given {
  DeltaSizes sizes;
  Tensor mixed, decay, write;  // [rows, seq, ...] float64

  Given(const DeltaSizes& of, std::int64_t rows, std::int64_t seq) : sizes(of) {
    torch::manual_seed(7);
    const auto wide = torch::TensorOptions().dtype(torch::kFloat64);
    mixed = torch::randn({rows, seq, sizes.channels()}, wide).set_requires_grad(true);
    decay = (-torch::rand({rows, seq, sizes.value_heads}, wide)).set_requires_grad(true);
    write = torch::rand({rows, seq, sizes.value_heads}, wide).set_requires_grad(true);
  }
  Given slice(std::int64_t first, std::int64_t last) const {
    Given part = *this;
    for (Tensor* each : {&part.mixed, &part.decay, &part.write})
      *each = each->slice(1, first, last);
    return part;
  }
  DeltaPass pass(const Tensor& state = {}) const {
    return delta_pass(mixed, decay, write, sizes, state);
  }
};

/// As the header's lines say it.
DeltaPass by_token(const Given& given) {
  const DeltaSizes& s = given.sizes;
  const auto unit = [](const Tensor& x) { return x / at::sqrt((x * x).sum() + 1e-6); };
  std::vector<Tensor> outs, states;
  for (std::int64_t row = 0; row < given.mixed.size(0); ++row) {
    for (std::int64_t head = 0; head < s.value_heads; ++head) {
      const std::int64_t shared = head / (s.value_heads / s.key_heads);
      Tensor state = torch::zeros({s.key_dim, s.value_dim}, given.mixed.options());
      for (std::int64_t t = 0; t < given.mixed.size(1); ++t) {
        const Tensor token = given.mixed[row][t];
        const Tensor query = unit(token.narrow(0, shared * s.key_dim, s.key_dim)) /
                             std::sqrt(static_cast<double>(s.key_dim)),
                     key = unit(token.narrow(0, s.keys() + shared * s.key_dim, s.key_dim)),
                     value = token.narrow(0, 2 * s.keys() + head * s.value_dim, s.value_dim);
        state = state * given.decay[row][t][head].exp();
        const Tensor fresh = given.write[row][t][head] * (value - at::mv(state.t(), key));
        state = state + at::ger(key, fresh);
        outs.push_back(at::mv(state.t(), query));
      }
      states.push_back(state);
    }
  }
  const std::int64_t rows = given.mixed.size(0), seq = given.mixed.size(1);
  return {at::stack(outs).view({rows, s.value_heads, seq, s.value_dim}).transpose(1, 2),
          at::stack(states).view({rows, s.value_heads, s.key_dim, s.value_dim})};
}

}  // namespace

class TestDeltaRule : public QObject {
  Q_OBJECT

 private slots:
  void equals_its_recurrence_data() {
    QTest::addColumn<int>("seq");
    for (const int seq : {1, 5, 64, 65, 150})
      QTest::newRow(qPrintable(QString::number(seq))) << seq;
  }
  void equals_its_recurrence() {
    QFETCH(int, seq);
    const Given given({2, 4, 5, 3}, 2, seq);
    const DeltaPass wanted = by_token(given), got = given.pass();
    QCOMPARE(got.out.sizes(), wanted.out.sizes());
    QVERIFY(off(got.out, wanted.out) < 1e-10);
    QVERIFY(off(got.state, wanted.state) < 1e-10);
    const Tensor kept = delta_rule(given.mixed, given.decay, given.write, given.sizes);
    QVERIFY(at::equal(kept, got.out));
    const Tensor weights = torch::randn_like(kept);
    const auto slopes = [&](const Tensor& out) {
      return torch::autograd::grad({(out * weights).sum()},
                                   {given.mixed, given.decay, given.write});
    };
    const auto found = slopes(kept), expected = slopes(wanted.out);
    for (std::size_t i = 0; i < 3; ++i) QVERIFY(off(found[i], expected[i]) < 1e-9);
  }

  void goes_on_from_a_state() {
    const Given given({1, 3, 4, 6}, 2, 90);
    const DeltaPass whole = given.pass();
    DeltaPass now = given.slice(0, 70).pass();
    QVERIFY(off(now.out, whole.out.slice(1, 0, 70)) < 1e-10);
    now = given.slice(70, 88).pass(now.state);  // several tokens at once
    QVERIFY(off(now.out, whole.out.slice(1, 70, 88)) < 1e-10);
    for (std::int64_t t = 88; t < 90; ++t) {
      now = given.slice(t, t + 1).pass(now.state);
      QVERIFY(off(now.out, whole.out.slice(1, t, t + 1)) < 1e-10);
    }
    QVERIFY(off(now.state, whole.state) < 1e-10);
  }

  void what_is_forgotten_at_once_overflows_nothing() {
    Given given({1, 1, 4, 4}, 1, 100);
    given.decay = torch::full_like(given.decay, -300.0).set_requires_grad(true);
    const Tensor out = delta_rule(given.mixed, given.decay, given.write, given.sizes);
    const auto slopes = torch::autograd::grad({out.sum()}, {given.mixed, given.decay, given.write});
    QVERIFY(at::isfinite(out).all().item<bool>());
    for (const Tensor& slope : slopes) QVERIFY(at::isfinite(slope).all().item<bool>());
  }

  void narrow_numbers_keep_a_wide_state() {
    const Given given({2, 2, 8, 8}, 1, 20);
    const auto narrow = [](const Tensor& x) { return x.detach().to(torch::kBFloat16); };
    const DeltaPass pass =
        delta_pass(narrow(given.mixed), narrow(given.decay), narrow(given.write), given.sizes);
    QCOMPARE(pass.out.scalar_type(), torch::kBFloat16);
    QCOMPARE(pass.state.scalar_type(), torch::kFloat32);
  }
};

QTEST_GUILESS_MAIN(TestDeltaRule)
#include "test_delta_rule.moc"
