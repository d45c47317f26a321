// SPDX-License-Identifier: GPL-3.0-or-later
// A mixture of experts with the one that all tokens go through, beside its formula: what it gives
// and all gradients, one token, ties. How it is called by adapters, and what it says it keeps.
#include "engine/models/feed_forward.h"

#include <set>

#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/cost.h"
#include "engine/nn/module_cost.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kHidden = 12, kInner = 7, kShared = 9;

/// `shared` below 0: as wide, always open and with biases.
ExpertOptions options(std::int64_t count, std::int64_t each, std::int64_t shared = kShared) {
  ExpertOptions o;
  o.count = count, o.each = each, o.intermediate_size = kInner;
  o.shared_intermediate_size = std::abs(shared);
  o.shared_opens = shared >= 0, o.shared_bias = shared < 0;
  return o;
}

SparseMlp drawn(const ExpertOptions& o) {
  SparseMlp mlp(kHidden, o, Activation::Silu, torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  for (Tensor& tensor : mlp->parameters()) tensor.copy_(torch::randn_like(tensor) * 0.5);
  for (Tensor& tensor : mlp->parameters()) tensor.set_requires_grad(true);
  return mlp;
}

Tensor gated_mlp(const Tensor& x, const Tensor& gate, const Tensor& up, const Tensor& down) {
  return at::mm(at::silu(at::mm(x, gate.t())) * at::mm(x, up.t()), down.t());
}

/// The formula: every expert of every token, weighted by what the router gave it.
Tensor by_formula(const SparseMlp& mlp, const Tensor& x, std::int64_t each) {
  const auto named = mlp->named_parameters();
  const Tensor all = at::softmax(at::mm(x, named["gate.weight"].t()), -1);
  const auto [most, chosen] = at::topk(all, each, -1);
  const Tensor shares =
      torch::zeros_like(all).scatter(1, chosen, most / most.sum(-1, /*keepdim=*/true));
  Tensor sum = torch::zeros_like(x);
  for (std::int64_t expert = 0; expert < all.size(1); ++expert) {
    const auto sides = named["experts.gate_up_proj"][expert].chunk(2);
    const Tensor made = gated_mlp(x, sides[0], sides[1], named["experts.down_proj"][expert]);
    sum = sum + shares.narrow(1, expert, 1) * made;
  }
  if (named.contains("shared_experts.gate_proj.weight")) {  // always open, with biases
    const auto product = [&](const Tensor& of, const std::string& name) {
      return at::linear(of, named["shared_experts." + name + ".weight"],
                        named["shared_experts." + name + ".bias"]);
    };
    return sum + product(at::silu(product(x, "gate_proj")) * product(x, "up_proj"), "down_proj");
  }
  if (!named.contains("shared_expert_gate.weight")) return sum;
  const Tensor open = at::sigmoid(at::mm(x, named["shared_expert_gate.weight"].t()));
  return sum + open * gated_mlp(x, named["shared_expert.gate_proj.weight"],
                                named["shared_expert.up_proj.weight"],
                                named["shared_expert.down_proj.weight"]);
}

double apart(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() /
         std::max(wanted.abs().max().item<double>(), 1e-30);
}

std::vector<Tensor> slopes(const Tensor& y, const std::vector<Tensor>& of) {
  const Tensor weights = torch::arange(y.numel(), torch::kFloat32).view_as(y).cos();
  return torch::autograd::grad({(y * weights).sum()}, of, {}, {}, false, /*allow_unused=*/true);
}

/// All that learns in the module, each tensor of its own.
StepTerms learning(const torch::nn::Module& module, const std::set<std::string>& left_out = {}) {
  StepTerms terms;
  for (const auto& item : module.named_modules("", /*include_self=*/false)) {
    const auto* own = dynamic_cast<const ParameterModule*>(item.value().get());
    if (own && !left_out.contains(item.key())) terms.trained[own] = {true, true, 1};
  }
  return terms;
}

}  // namespace

class TestFeedForward : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(5); }

  void is_the_formula_data() {
    QTest::addColumn<int>("count");
    QTest::addColumn<int>("each");
    QTest::addColumn<int>("tokens");
    QTest::addColumn<int>("shared");
    QTest::newRow("some of a few") << 4 << 2 << 9 << 9;
    QTest::newRow("one") << 5 << 1 << 6 << 9;
    QTest::newRow("all") << 3 << 3 << 4 << 9;
    QTest::newRow("most without a token") << 40 << 2 << 3 << 9;
    QTest::newRow("one token") << 6 << 3 << 1 << 9;
    QTest::newRow("narrow") << 4 << 2 << 5 << 1;
    QTest::newRow("none that is shared") << 4 << 2 << 9 << 0;
    QTest::newRow("always open") << 4 << 2 << 9 << -9;
  }
  void is_the_formula() {
    QFETCH(int, count);
    QFETCH(int, each);
    QFETCH(int, tokens);
    QFETCH(int, shared);
    SparseMlp mlp = drawn(options(count, each, shared));
    const Tensor x = torch::randn({tokens, kHidden}).set_requires_grad(true);
    std::vector<Tensor> all{x};
    std::vector<std::string> names{"x"};
    for (const auto& item : mlp->named_parameters()) {
      // Of one expert, the share is 1 whatever the router gave it.
      if (each == 1 && item.key() == "gate.weight") continue;
      all.push_back(item.value()), names.push_back(item.key());
    }
    const Tensor y = mlp->forward(x, nullptr), wanted = by_formula(mlp, x, each);
    QVERIFY2(apart(y, wanted) < 1e-5, qPrintable(QString::number(apart(y, wanted))));
    const auto got = slopes(y, all), expected = slopes(wanted, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      QVERIFY2(got[i].defined() && expected[i].defined(), names[i].c_str());
      QVERIFY2(apart(got[i], expected[i]) < 1e-4, names[i].c_str());
    }
  }

  /// Experts that are wanted alike: the shared one does not hang on which of them is taken.
  void ties_leave_the_shared_expert_as_it_is() {
    SparseMlp mlp = drawn(options(6, 2));
    const torch::NoGradGuard no_grad;
    auto named = mlp->named_parameters();
    named["gate.weight"].copy_(named["gate.weight"][0].expand({6, kHidden}));
    named["experts.down_proj"].zero_();
    const Tensor x = torch::randn({5, kHidden});
    QVERIFY(apart(mlp->forward(x, nullptr), by_formula(mlp, x, 2)) < 1e-5);
  }

  /// A shared expert is within the branch: what is hung behind branches would not be asked there.
  void the_mixture_is_one_branch() {
    const SparseMlp mlp = drawn(options(4, 2));
    int branches = 0;
    for (const auto& item : mlp->named_modules())
      branches += dynamic_cast<const BranchPort*>(item.value().get()) != nullptr;
    QCOMPARE(branches, 1);
  }

  void names_are_transformers() {
    std::set<std::string> names;
    for (const auto& item : drawn(options(4, 2))->named_parameters()) names.insert(item.key());
    const std::set<std::string> wanted{"gate.weight",
                                       "experts.gate_up_proj",
                                       "experts.down_proj",
                                       "shared_expert.gate_proj.weight",
                                       "shared_expert.up_proj.weight",
                                       "shared_expert.down_proj.weight",
                                       "shared_expert_gate.weight"};
    QVERIFY(names == wanted);
  }

  void routers_are_noted_as_without_it() {
    SparseMlp mlp = drawn(options(4, 2));
    RouterNotes notes;
    notes.rows = 1, notes.tokens = 5;
    const Tensor x = torch::randn({5, kHidden});
    (void)mlp->forward(x, &notes);
    QCOMPARE(notes.layers.size(), std::size_t{1});
    QCOMPARE(notes.layers[0].counts.sum().item<double>(), 10.0);
  }

  /// Router, experts, shared expert and its gate read one input, which is kept once.
  void the_input_is_counted_once() {
    const SparseMlp mlp = drawn(options(4, 2));
    constexpr std::int64_t kTokens = 4096;
    const auto kept = [&](const std::set<std::string>& left_out) {
      return mlp->cost(learning(*mlp, left_out), kTokens, /*flows=*/true).kept;
    };
    const std::int64_t all = kept({});
    QCOMPARE(kept({"gate"}), all);
    QCOMPARE(kept({"shared_expert_gate"}), all);
    QCOMPARE(kept({"gate", "experts", "shared_expert_gate"}), all);
    const std::set<std::string> readers{"gate", "experts", "shared_expert_gate",
                                        "shared_expert.gate_proj", "shared_expert.up_proj"};
    QCOMPARE(kept(readers), all - StepTerms().block(kTokens * kHidden));
  }

  /// What the shared expert keeps is there beside the mixture's, and nothing of it without one.
  void a_shared_expert_costs_what_it_keeps() {
    constexpr std::int64_t kTokens = 4096;
    const SparseMlp with = drawn(options(4, 2)), without = drawn(options(4, 2, 0));
    const StepTerms terms;
    const MlpCost more = with->cost(terms, kTokens, true),
                  less = without->cost(terms, kTokens, true);
    // Both sides of its gate, what it made, and how far it is open.
    QCOMPARE(more.kept - less.kept, 2 * terms.block(kTokens * kShared) +
                                        terms.block(kTokens * kHidden) + terms.block(kTokens));
    QVERIFY(more.released > less.released);
    QCOMPARE(with->cost(terms, kTokens, false).kept, without->cost(terms, kTokens, false).kept);
    // What is always open keeps no gate, and not what it opens.
    const SparseMlp open = drawn(options(4, 2, -kShared));
    QCOMPARE(open->cost(terms, kTokens, true).kept - less.kept, 2 * terms.block(kTokens * kShared));
    QCOMPARE(open->cost(terms, kTokens, false).kept, without->cost(terms, kTokens, false).kept);
  }
};

QTEST_GUILESS_MAIN(TestFeedForward)
#include "test_feed_forward.moc"
