// SPDX-License-Identifier: GPL-3.0-or-later
// The mixer's loops in float32 beside the same in float64 by LibTorch, whose rule test_delta_rule
// holds against its recurrence: rows that fill no chunk and several, heads of all kinds of sizes,
// products that stand in a wider tensor; the same bits on any number of threads; and what goes
// LibTorch's way.
#include "engine/nn/delta_mixture.h"

#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/delta_rule.h"
#include "engine/nn/float_loops.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

using Lengths = std::vector<std::int64_t>;

struct Given {
  delta::MixerSizes sizes;
  RowLayout rows;
  std::vector<Tensor> tensors;  // four products, four weights

  Given(const delta::MixerSizes& of, const Lengths& lengths) : sizes(of), rows(lengths) {
    torch::manual_seed(5);
    const std::int64_t tokens = rows.tokens(), heads = sizes.value_heads;
    // As the CPU makes small products: beside one another.
    const Tensor made = torch::randn({tokens, sizes.channels() + sizes.values() + 2 * heads});
    for (const Tensor& each :
         made.split_with_sizes({sizes.channels(), sizes.values(), heads, heads}, 1))
      tensors.push_back(each);
    tensors.push_back(torch::randn({sizes.channels(), 1, sizes.kernel}));
    tensors.push_back(torch::randn({heads}));
    tensors.push_back(torch::rand({heads}).mul_(3).sub_(2));
    tensors.push_back(torch::randn({sizes.value_dim}).mul_(0.2).add_(1));
  }
  /// As leaves of another type.
  Given as(torch::ScalarType type) const {
    Given made = *this;
    for (Tensor& each : made.tensors)
      each = (type == each.scalar_type() ? each.detach() : each.detach().to(type))
                 .requires_grad_(true);
    return made;
  }
  DeltaProducts products() const { return {tensors[0], tensors[1], tensors[2], tensors[3]}; }
  DeltaWeights weights() const { return {tensors[4], tensors[5], tensors[6], tensors[7]}; }
  bool taken() const { return delta_mixture_takes(products(), weights(), sizes); }
  Tensor by_loops() const { return delta_mixture(products(), weights(), sizes, rows); }
};

/// Row by row, operation by operation.
Tensor by_parts(const Given& given) {
  const delta::MixerSizes& s = given.sizes;
  const std::vector<Tensor>& x = given.tensors;
  std::vector<Tensor> made;
  std::int64_t first = 0;
  for (const std::int64_t length : given.rows.lengths()) {
    const auto row = [&](std::size_t i) { return x[i].narrow(0, first, length); };
    const Tensor padded = at::constant_pad_nd(row(0).t().unsqueeze(0), {s.kernel - 1, 0});
    const std::int64_t none = 0;
    const Tensor mixed =
        at::silu(at::conv1d(padded, x[4], Tensor(), 1, none, 1, s.channels())).transpose(1, 2);
    const Tensor decay = -x[6].exp() * at::softplus(row(3) + x[5]);
    const Tensor out = delta_pass(mixed, decay.unsqueeze(0), at::sigmoid(row(2)).unsqueeze(0),
                                  {s.key_heads, s.value_heads, s.key_dim, s.value_dim})
                           .out.view({length, s.value_heads, s.value_dim});
    const Tensor normed =
        out * at::rsqrt((out * out).mean(-1, true) + static_cast<double>(s.epsilon)) * x[7];
    made.push_back(normed.view({length, -1}) * at::silu(row(1)));
    first += length;
  }
  return at::cat(made);
}

/// The share by which `got` is off, all numbers together, of `least` at the least.
double share_off(const Tensor& got, const Tensor& wanted, double least = 1e-30) {
  return (got.detach().to(torch::kFloat64) - wanted.detach()).norm().item<double>() /
         std::max(wanted.detach().norm().item<double>(), least);
}

std::vector<Tensor> slopes(const Tensor& made, const Given& given, const Tensor& weights) {
  return torch::autograd::grad({made}, given.tensors, {weights.to(made.scalar_type())});
}

}  // namespace

class TestDeltaMixture : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (!floats::available()) QSKIP("This processor has no AVX-512.");
  }

  void equals_its_parts_data() {
    QTest::addColumn<Lengths>("lengths");
    QTest::addColumn<std::vector<int>>("sizes");  // heads, their sizes, the kernel
    const auto row = [](const char* name, const Lengths& lengths, const std::vector<int>& sizes) {
      QTest::newRow(name) << lengths << sizes;
    };
    row("one token", {1}, {1, 1, 16, 16, 4});
    row("fewer tokens than the kernel", {2, 1, 3}, {1, 2, 16, 32, 4});
    row("no step of rows is filled", {7}, {2, 2, 32, 16, 4});
    row("a chunk", {32}, {2, 4, 64, 64, 4});
    row("a token more", {33}, {2, 4, 64, 64, 4});
    row("rows of several lengths", {40, 1, 100, 63, 97}, {2, 4, 64, 64, 4});
    row("three to a key", {150, 31}, {2, 6, 48, 80, 3});
    row("large heads", {70}, {1, 2, 128, 128, 4});
    row("larger ones, no neighbours", {65, 129}, {1, 1, 256, 144, 1});
  }
  void equals_its_parts() {
    QFETCH(Lengths, lengths);
    QFETCH(std::vector<int>, sizes);
    const Given given({sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], 1e-6f}, lengths);
    const Given narrow = given.as(torch::kFloat32), wide = given.as(torch::kFloat64);
    QVERIFY(narrow.taken());
    const Tensor made = narrow.by_loops(), theirs = by_parts(narrow), wanted = by_parts(wide);
    const Tensor weights = torch::randn(wanted.sizes());
    const auto close = [](const Tensor& got, const Tensor& libtorch, const Tensor& exact,
                          double least = 1e-30, double limit = 2e-6) {
      const double off = share_off(got, exact, least);
      return off < limit || off < 1.5 * share_off(libtorch, exact, least);
    };
    QCOMPARE(made.sizes(), wanted.sizes());
    QVERIFY2(close(made, theirs, wanted), qPrintable(QString::number(share_off(made, wanted))));
    const auto got = slopes(made, narrow, weights), libtorch = slopes(theirs, narrow, weights),
               exact = slopes(wanted, wide, weights);
    for (std::size_t i = 0; i < got.size(); ++i) {
      QCOMPARE(got[i].sizes(), exact[i].sizes());
      // What a head forgets by learns from a sum over all tokens. The norm makes the scale of what
      // the rule gives count nothing, so that such a sum is what is left of terms that cancel.
      const bool sums = i == 5 || i == 6;
      const double least = sums ? std::max(exact[3].norm().item<double>(), 1e-30) : 1e-30;
      QVERIFY2(close(got[i], libtorch[i], exact[i], least, sums ? 5e-6 : 2e-6),
               qPrintable(QString("gradient %1: %2, LibTorch's %3")
                              .arg(i)
                              .arg(share_off(got[i], exact[i]))
                              .arg(share_off(libtorch[i], exact[i]))));
    }
  }

  void threads_change_no_bit() {
    const Given given = Given({3, 6, 32, 32, 4, 1e-6f}, {50, 9, 130, 64}).as(torch::kFloat32);
    const Tensor weights = torch::randn({given.rows.tokens(), given.sizes.values()});
    const int before = at::get_num_threads();
    std::vector<std::vector<Tensor>> found;
    for (const int threads : {1, 2, 5}) {
      at::set_num_threads(threads);
      const Tensor made = given.by_loops();
      found.push_back(slopes(made, given, weights));
      found.back().push_back(made);
    }
    at::set_num_threads(before);
    for (const auto& each : found)
      for (std::size_t i = 0; i < each.size(); ++i) QVERIFY(at::equal(each[i], found[0][i]));
  }

  void asks_for_no_gradient_that_nobody_wants() {
    const Given given({1, 2, 32, 32, 4, 1e-6f}, {40});
    const Given all = given.as(torch::kFloat32);
    const Tensor weights = torch::randn({40, given.sizes.values()});
    const auto whole = slopes(all.by_loops(), all, weights);
    for (std::size_t only = 0; only < given.tensors.size(); ++only) {
      Given some = given;
      some.tensors[only] = given.tensors[only].detach().requires_grad_(true);
      const auto one = torch::autograd::grad({some.by_loops()}, {some.tensors[only]}, {weights});
      QVERIFY(at::equal(one[0], whole[only]));
    }
    QVERIFY(!given.by_loops().requires_grad());
  }

  void what_is_forgotten_at_once_overflows_nothing() {
    Given given({1, 1, 16, 16, 4, 1e-6f}, {100});
    given.tensors[5].fill_(100);
    given = given.as(torch::kFloat32);
    const Tensor made = given.by_loops();
    QVERIFY(at::isfinite(made).all().item<bool>());
    for (const Tensor& slope : slopes(made, given, torch::ones_like(made)))
      QVERIFY(at::isfinite(slope).all().item<bool>());
  }

  void other_types_and_sizes_go_libtorchs_way() {
    const Given given({1, 2, 32, 32, 4, 1e-6f}, {10});
    QVERIFY(given.taken());
    QVERIFY(!given.as(torch::kFloat64).taken());
    QVERIFY(!given.as(torch::kBFloat16).taken());
    QVERIFY(!Given({1, 2, 24, 32, 4, 1e-6f}, {10}).taken());
    QVERIFY(!Given({1, 2, 32, 40, 4, 1e-6f}, {10}).taken());
  }
};

QTEST_GUILESS_MAIN(TestDeltaMixture)
#include "test_delta_mixture.moc"
