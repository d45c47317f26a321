// SPDX-License-Identifier: GPL-3.0-or-later
// A mixture of experts beside the formula, token by token and by LibTorch's autograd: what it
// gives, all gradients, what hangs on it, experts that no token goes to, one token, ties.
#include "engine/nn/experts.h"

#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/checkpointing.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kHidden = 12, kInner = 7;

double off(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() /
         std::max(wanted.abs().max().item<double>(), 1e-30);
}

/// The formula, one token and one of its experts after the other.
Tensor by_token(const Tensor& x, const Tensor& chosen, const Tensor& shares, const Tensor& gate_up,
                const Tensor& down) {
  std::vector<Tensor> rows;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    Tensor sum = torch::zeros({x.size(1)}, x.options());
    for (std::int64_t k = 0; k < chosen.size(1); ++k) {
      const std::int64_t expert = chosen[t][k].item<std::int64_t>();
      const auto sides = at::mv(gate_up[expert], x[t]).chunk(2);
      sum = sum + shares[t][k] * at::mv(down[expert], at::silu(sides[0]) * sides[1]);
    }
    rows.push_back(sum);
  }
  return at::stack(rows);
}

struct Pair : ExpertPlug {
  Tensor a, b;  // [experts, r, in], [experts, out, r]
  ExpertPair pair(torch::ScalarType type) const override {
    return {a.to(type), b.to(type), 1.5 * strength};
  }
  Tensor delta() const { return at::bmm(b, a) * (1.5 * strength); }
};

struct Mixture {
  Experts experts{nullptr};
  Router router{nullptr};
  Pair first, last;
  std::vector<Tensor> all;  ///< x, the router's weight, both stacks, both pairs

  Mixture(std::int64_t count, std::int64_t each, std::int64_t tokens) {
    const auto options = torch::TensorOptions().dtype(torch::kFloat64);
    experts = Experts(count, kHidden, kInner, Activation::Silu, options);
    router = Router(kHidden, count, each, options);
    const torch::NoGradGuard no_grad;
    const auto draw = [&](at::IntArrayRef shape) { return torch::randn(shape, options) * 0.4; };
    experts->gate_up_proj.copy_(draw({count, 2 * kInner, kHidden}));
    experts->down_proj.copy_(draw({count, kHidden, kInner}));
    router->weight.slot().copy_(draw({count, kHidden}));
    first.a = draw({count, 3, kHidden}), first.b = draw({count, 2 * kInner, 3});
    last.a = draw({count, 2, kInner}), last.b = draw({count, kHidden, 2});
    all = {draw({tokens, kHidden}),
           router->weight.slot(),
           experts->gate_up_proj,
           experts->down_proj,
           first.a,
           first.b,
           last.a,
           last.b};
    for (Tensor& tensor : all) tensor.set_requires_grad(true);
  }
  const Tensor& x() const { return all[0]; }
  void hang() { experts->gate_up_plug = &first, experts->down_plug = &last; }

  std::vector<Tensor> gradients(const Tensor& y) const {
    return torch::autograd::grad(
        {(y * torch::arange(y.numel(), y.options()).view_as(y).cos()).sum()}, all, {}, {}, false,
        /*allow_unused=*/true);
  }
};

}  // namespace

class TestExperts : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void routers_by_their_rules_data() {
    QTest::addColumn<int>("groups");
    QTest::addColumn<int>("chosen");
    QTest::addColumn<double>("factor");
    QTest::newRow("as they are") << 0 << 0 << 1.0;
    QTest::newRow("times a number") << 0 << 0 << 2.5;
    QTest::newRow("of two groups in four") << 4 << 2 << 1.0;
    QTest::newRow("of one group in three") << 3 << 1 << 0.5;
    QTest::newRow("of all groups") << 2 << 2 << 1.0;
  }
  /// Shares that are not divided by their sum, of experts in the groups whose best are likeliest.
  void routers_by_their_rules() {
    QFETCH(int, groups);
    QFETCH(int, chosen);
    QFETCH(double, factor);
    constexpr std::int64_t kCount = 12, kEach = 3;
    RouterRule rule;
    rule.divides = false, rule.factor = factor;
    rule.groups = groups, rule.chosen_groups = chosen;
    const auto options = torch::TensorOptions().dtype(torch::kFloat64);
    Router router(kHidden, kCount, kEach, options, rule);
    const torch::NoGradGuard no_grad;
    router->weight.slot().copy_(torch::randn({kCount, kHidden}, options));
    const Tensor x = torch::randn({7, kHidden}, options);
    const Routing routing = router->route(x);
    const Tensor all = at::softmax(at::mm(x, router->weight.slot().t()), -1);
    for (std::int64_t token = 0; token < 7; ++token) {
      std::vector<std::pair<double, std::int64_t>> likely;
      const std::int64_t size = groups > 0 ? kCount / groups : kCount;
      std::vector<std::pair<double, std::int64_t>> best;
      for (std::int64_t group = 0; group * size < kCount; ++group)
        best.emplace_back(-all[token].narrow(0, group * size, size).max().item<double>(), group);
      std::sort(best.begin(), best.end());
      best.resize(groups > 0 ? static_cast<std::size_t>(chosen) : best.size());
      for (const auto& [worth, group] : best)
        for (std::int64_t expert = group * size; expert < (group + 1) * size; ++expert)
          likely.emplace_back(-all[token][expert].item<double>(), expert);
      std::sort(likely.begin(), likely.end());
      for (std::size_t k = 0; k < kEach; ++k) {
        const auto place = static_cast<std::int64_t>(k);
        QCOMPARE(routing.experts[token][place].item<std::int64_t>(), likely[k].second);
        QVERIFY(std::abs(routing.shares[token][place].item<double>() + likely[k].first * factor) <
                1e-12);
      }
    }
  }

  /// In float32, whatever the states are: of two experts that bfloat16 cannot tell apart the
  /// likelier one is chosen.
  void a_wide_router_is_not_rounded() {
    RouterRule rule;
    rule.divides = false, rule.wide = true;
    const auto options = torch::TensorOptions().dtype(torch::kBFloat16);
    Router router(kHidden, 2, 1, options, rule), narrow(kHidden, 2, 1, options);
    const torch::NoGradGuard no_grad;
    Tensor weight = torch::ones({2, kHidden}, options);
    weight[1][0] = 1.0078125;  // the next bfloat16
    router->weight.slot().copy_(weight), narrow->weight.slot().copy_(weight);
    const Tensor x = torch::full({1, kHidden}, 8.0, options);  // products of 96 and a sixteenth
    const Routing routing = router->route(x);
    QCOMPARE(routing.experts.item<std::int64_t>(), 1);
    QVERIFY(routing.shares.scalar_type() == torch::kFloat32);
    QVERIFY(routing.shares.item<double>() > 0.51);
    QVERIFY(narrow->route(x).probabilities[0][0].item<double>() == 0.5);
  }

  void is_the_formula_data() {
    QTest::addColumn<int>("count");
    QTest::addColumn<int>("each");
    QTest::addColumn<int>("tokens");
    QTest::addColumn<bool>("hung");
    QTest::newRow("some of a few") << 4 << 2 << 9 << false;
    QTest::newRow("one") << 5 << 1 << 6 << false;
    QTest::newRow("all") << 3 << 3 << 4 << false;
    QTest::newRow("most without a token") << 40 << 2 << 3 << false;
    QTest::newRow("one token") << 6 << 3 << 1 << false;
    QTest::newRow("with pairs") << 4 << 2 << 9 << true;
    QTest::newRow("with pairs, most without a token") << 40 << 2 << 3 << true;
  }
  void is_the_formula() {
    QFETCH(int, count);
    QFETCH(int, each);
    QFETCH(int, tokens);
    QFETCH(bool, hung);
    Mixture mixture(count, each, tokens);
    if (hung) mixture.hang();
    const Routing routing = mixture.router->route(mixture.x());
    const Tensor y = mixture.experts->forward(mixture.x(), routing);
    const Tensor up = hung ? mixture.all[2] + mixture.first.delta() : mixture.all[2],
                 down = hung ? mixture.all[3] + mixture.last.delta() : mixture.all[3];
    // The router once more: its shares are a softmax over the chosen alone.
    const Tensor logits = at::mm(mixture.x(), mixture.all[1].t());
    const Tensor shares = at::softmax(logits.gather(1, routing.experts), -1);
    const Tensor wanted = by_token(mixture.x(), routing.experts, shares, up, down);
    QVERIFY2(off(y, wanted) < 1e-12, qPrintable(QString::number(off(y, wanted))));
    const auto got = mixture.gradients(y), expected = mixture.gradients(wanted);
    for (std::size_t i = 0; i < got.size(); ++i) {
      QCOMPARE(got[i].defined(), expected[i].defined());
      if (!got[i].defined() || (i == 1 && each == 1)) continue;  // of one, the share is 1
      QVERIFY2(off(got[i], expected[i]) < 1e-11, qPrintable(QString("gradient %1").arg(i)));
    }
    const torch::NoGradGuard no_grad;
    QVERIFY(at::equal(mixture.experts->forward(mixture.x(), routing), y));
  }

  void experts_without_tokens_get_no_gradient() {
    Mixture mixture(8, 1, 2);
    const Routing routing = mixture.router->route(mixture.x());
    const auto got = mixture.gradients(mixture.experts->forward(mixture.x(), routing));
    for (std::int64_t expert = 0; expert < 8; ++expert) {
      const bool chosen = (routing.experts == expert).any().item<bool>();
      QCOMPARE(got[2][expert].abs().sum().item<double>() > 0, chosen);
      QCOMPARE(got[3][expert].abs().sum().item<double>() > 0, chosen);
    }
  }

  void a_plug_of_no_strength_is_none() {
    Mixture mixture(4, 2, 5);
    const Routing routing = mixture.router->route(mixture.x());
    const Tensor before = mixture.experts->forward(mixture.x(), routing);
    mixture.hang();
    QVERIFY(!at::equal(mixture.experts->forward(mixture.x(), routing), before));
    mixture.first.strength = mixture.last.strength = 0;
    QVERIFY(at::equal(mixture.experts->forward(mixture.x(), routing), before));
  }

  void ties_go_as_topk_has_them() {
    Mixture mixture(6, 3, 7);
    const torch::NoGradGuard no_grad;
    mixture.all[1].copy_(mixture.all[1][0].expand({6, kHidden}));
    const Routing routing = mixture.router->route(mixture.x());
    const auto wanted = at::topk(torch::full({7, 6}, 1 / 6.0, torch::kFloat64), 3, -1);
    QVERIFY(at::equal(routing.experts, std::get<1>(wanted)));
    QVERIFY(off(routing.shares, torch::full({7, 3}, 1 / 3.0, torch::kFloat64)) < 1e-12);
  }

  void sums_of_narrow_states_are_made_in_float32() {
    // Of many shares that are alike a sum in bfloat16 loses what each is rounded by.
    const auto options = torch::TensorOptions().dtype(torch::kBFloat16);
    const torch::NoGradGuard no_grad;
    Experts narrow(64, kHidden, kInner, Activation::Silu, options);
    narrow->gate_up_proj.copy_(
        torch::randn({1, 2 * kInner, kHidden}).expand_as(narrow->gate_up_proj));
    narrow->down_proj.copy_(torch::randn({1, kHidden, kInner}).expand_as(narrow->down_proj));
    const Tensor x = torch::randn({3, kHidden}).to(torch::kBFloat16);
    const Tensor all = torch::arange(64).expand({3, 64}).contiguous();
    const Tensor one = all.narrow(1, 0, 1).contiguous();
    const Tensor many = narrow->forward(x, {all, torch::full({3, 64}, 1 / 64.0, options), {}});
    const Tensor once = narrow->forward(x, {one, torch::ones({3, 1}, options), {}});
    QVERIFY(at::equal(many, once));
  }

  void uneven_use_is_counted_over_layers() {
    Mixture first(5, 2, 8), second(5, 2, 8);
    RouterNotes notes;
    notes.rows = 1, notes.tokens = 6;  // two of filler
    notes.add(first.router->route(first.x()));
    notes.add(second.router->route(second.x()));
    Tensor shares = torch::zeros({5}, torch::kFloat64), probabilities = shares.clone();
    for (const Mixture* each : {&first, &second}) {
      const Tensor all = at::softmax(at::mm(each->x(), each->all[1].t()), -1).narrow(0, 0, 6);
      probabilities = probabilities + all.mean(0) / 2;
      const Tensor chosen = std::get<1>(at::topk(all, 2, -1));
      for (std::int64_t expert = 0; expert < 5; ++expert)
        shares[expert] += (chosen == expert).sum().item<double>() / 12.0;
    }
    const Tensor wanted = (shares * probabilities).sum() * 5;
    QVERIFY(std::abs(notes.loss().item<double>() - wanted.item<double>()) < 1e-6);
    const auto slope = [&](const Tensor& loss) {
      return torch::autograd::grad({loss}, {first.all[1], second.all[0]});
    };
    const auto got = slope(notes.loss()), expected = slope(wanted);
    for (std::size_t i = 0; i < 2; ++i) QVERIFY(off(got[i], expected[i]) < 1e-6);
    QCOMPARE(got[1].narrow(0, 6, 2).abs().sum().item<double>(), 0.0);
  }

  void blocks_of_several_tensors_are_made_again() {
    Mixture mixture(4, 2, 9);
    const auto block = [&](const Tensor& x) {
      const Routing routing = mixture.router->route(x);
      return std::vector<Tensor>{mixture.experts->forward(x, routing),
                                 routing.probabilities.square().sum(0)};
    };
    const auto total = [](const std::vector<Tensor>& made) {
      return made[0].cos().sum() + made[1].sin().sum();
    };
    const auto slopes = [&](const Tensor& loss) {
      for (Tensor& tensor : mixture.all) tensor.mutable_grad().reset();
      loss.backward();
      std::vector<Tensor> found;
      for (std::size_t i = 0; i < 4; ++i) {
        const Tensor& slope = mixture.all[i].grad();
        found.push_back(slope.defined() ? slope.clone() : torch::zeros_like(mixture.all[i]));
      }
      return found;
    };
    const auto wanted = slopes(total(block(mixture.x())));
    const auto got = slopes(total(checkpointed_all(block, mixture.x())));
    for (std::size_t i = 0; i < 4; ++i) QVERIFY(at::equal(got[i], wanted[i]));
    // One of them alone may be asked for.
    const auto second = slopes(checkpointed_all(block, mixture.x())[1].sum());
    QCOMPARE(second[2].abs().sum().item<double>(), 0.0);
    QVERIFY(second[1].abs().sum().item<double>() > 0);
  }
};

QTEST_GUILESS_MAIN(TestExperts)
#include "test_experts.moc"
