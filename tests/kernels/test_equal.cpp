// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels' sources, run as C++, against what the same functions compute with ATen's operators:
// forward and backward, either type, odd sizes and sizes beyond a block, nothing at all, numbers at
// the ends of what there is.
#include <limits>

#include <torch/csrc/autograd/autograd.h>

#include "engine/device/neighbours.h"
#include "engine/kernels/cross_entropy.h"
#include "engine/kernels/dropout.h"
#include "engine/kernels/gated.h"
#include "engine/kernels/heads.h"
#include "engine/kernels/packed.h"
#include "engine/nn/dropout.h"
#include "engine/nn/heads.h"
#include "engine/nn/layers.h"
#include "engine/nn/packed_weight.h"
#include "engine/nn/rms_norm.h"
#include "tests/kernels/kernel_cases.h"
#include "tests/kernels/shim_launcher.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using test::Launching;
using torch::Tensor;

namespace {

using Tensors = std::vector<Tensor>;

Tensor drawn(c10::IntArrayRef size, torch::ScalarType type, double spread = 1) {
  return torch::randn(size, torch::kFloat32).mul_(spread).to(type);
}

/// What `function` makes of the leaves, and the leaves' gradients under drawn ones of the results.
Tensors with_gradients(const Tensors& leaves,
                       const std::function<Tensors(const Tensors&)>& function,
                       const std::vector<bool>& uses = {true, true}) {
  Tensors own;
  for (const Tensor& leaf : leaves)
    own.push_back(leaf.detach().requires_grad_(leaf.requires_grad()));
  Tensors made = function(own), grown, gradients;
  torch::manual_seed(11);
  for (std::size_t i = 0; i < made.size(); ++i) {
    const Tensor gradient = drawn(made[i].sizes(), made[i].scalar_type());
    if (!uses[i]) continue;
    grown.push_back(made[i]);
    gradients.push_back(gradient);
  }
  torch::autograd::backward(grown, gradients);
  for (const Tensor& leaf : own) made.push_back(leaf.grad());
  return made;
}

Tensor learned(const Tensor& tensor) { return tensor.detach().requires_grad_(true); }

}  // namespace

class TestEqual : public QObject {
  Q_OBJECT

  shim::ShimLauncher shim_;

  /// The same with the kernels and without, and in the two orders of threads to the bit.
  void compare(const Tensors& leaves, const std::function<Tensors(const Tensors&)>& function,
               const std::vector<bool>& uses = {true, true}, int roundings = 1) {
    const Tensors expected = with_gradients(leaves, function, uses);
    Tensors again;
    for (const shim::Order order : {shim::Order::Upwards, shim::Order::Downwards}) {
      shim_.order = order;
      const Launching launching(&shim_);
      const Tensors made = with_gradients(leaves, function, uses);
      QCOMPARE(made.size(), expected.size());
      for (std::size_t i = 0; i < made.size(); ++i) {
        VERIFY_NEAR(made[i], expected[i], roundings);
        if (!again.empty() && made[i].defined())
          QVERIFY(made[i].view(torch::kUInt8).equal(again[i].view(torch::kUInt8)));
      }
      again = made;
    }
  }

  /// Against float64, since ATen's own erf on the CPU is an approximation. In float32 exp takes a
  /// rounded number: at 30 what it makes of that is 2⁻¹⁹ off.
  void check_gate(const Tensor& gate, const Tensor& up, const Tensor& gradient, Activation which) {
    const auto kind = gate.scalar_type();
    const auto wide = [](const Tensor& t) { return t.detach().to(torch::kFloat64); };
    Tensor x = wide(gate).requires_grad_(true);
    const Tensor opened = activate(x, which);
    opened.backward(wide(gradient) * wide(up));
    const Tensor held = opened.detach();
    Tensor own_gate = gate.detach().requires_grad_(true), own_up = up.detach().requires_grad_(true);
    const Launching launching(&shim_);
    const Tensor y = gated(own_gate, own_up, which);
    y.backward(gradient);
    constexpr int kBits = 18;
    VERIFY_NEAR(y, (held * wide(up)).to(kind), 1, 0, kBits);
    VERIFY_NEAR(own_up.grad(), (held * wide(gradient)).to(kind), 1, 0, kBits);
    VERIFY_NEAR(own_gate.grad(), x.grad().to(kind), 1, 0, kBits);
    QVERIFY(y.equal(gated(gate, up, which)));
  }

  static void types() {
    QTest::addColumn<int>("type");
    QTest::newRow("float32") << static_cast<int>(torch::kFloat32);
    QTest::newRow("bfloat16") << static_cast<int>(torch::kBFloat16);
  }

 private slots:
  void initTestCase() { at::set_num_threads(1); }
  void init() { torch::manual_seed(3); }

  void norms_data() { types(); }
  void norms() {
    QFETCH(int, type);
    const auto kind = static_cast<torch::ScalarType>(type);
    for (const bool centred : {false, true}) {
      for (const std::int64_t size : {1, 7, 64, 100, 2052, 5121}) {
        for (const std::int64_t rows : {1, 3, 70}) {
          if (rows * size > 100'000) continue;
          // Of a row of one number the gradient is nothing: what is left of it is roundings.
          const Tensor x = drawn({rows, size}, kind);
          compare(
              {size == 1 ? x : learned(x), learned(drawn({size}, kind))},
              [&](const Tensors& own) { return Tensors{rms_norm(own[0], own[1], 1e-6, centred)}; });
          QVERIFY2(!QTest::currentTestFailed(),
                   qPrintable(QString("%1 rows of %2").arg(rows).arg(size)));
        }
      }
    }
    QVERIFY(shim_.launches.size() >= 4);
  }

  void norms_of_rows_that_lie_apart() {
    const Tensor joined = drawn({5, 3 * 64}, torch::kBFloat16);
    const Tensor weight = drawn({64}, torch::kBFloat16);
    for (const std::int64_t place : {0, 64, 65}) {
      const Tensor x = joined.slice(1, place, place + 64);
      const Tensor expected = rms_norm(x, weight, 1e-6, false);
      const Launching launching(&shim_);
      VERIFY_NEAR(rms_norm(x, weight, 1e-6, false), expected);
    }
  }

  void sums_and_their_norms_data() { types(); }
  void sums_and_their_norms() {
    QFETCH(int, type);
    const auto kind = static_cast<torch::ScalarType>(type);
    for (const bool centred : {false, true}) {
      for (const std::int64_t size : {7, 256, 1030}) {
        const Tensors leaves{learned(drawn({9, size}, kind)), learned(drawn({9, size}, kind)),
                             learned(drawn({size}, kind))};
        for (const std::vector<bool>& uses :
             {std::vector<bool>{true, true}, {true, false}, {false, true}}) {
          compare(
              leaves,
              [&](const Tensors& own) {
                const auto made = sum_and_rms_norm(own[0], own[1], own[2], 1e-5, centred);
                return Tensors{made.first, made.second};
              },
              uses, 2);
        }
      }
    }
  }

  void heads_data() { types(); }
  void heads() {
    QFETCH(int, type);
    const auto kind = static_cast<torch::ScalarType>(type);
    struct Shape {
      std::int64_t tokens, query, key, size, turned;
    };
    for (const Shape& s : {Shape{1, 1, 1, 8, 8}, Shape{5, 4, 2, 64, 64}, Shape{19, 6, 2, 80, 20},
                           Shape{7, 3, 3, 128, 128}, Shape{4, 2, 1, 256, 256}}) {
      const RotaryTable table = rotary_table(
          torch::arange(s.tokens, torch::kFloat32).unsqueeze(1) * torch::rand({1, s.turned / 2}),
          kind);
      const Tensors leaves{learned(drawn({s.tokens, s.query, s.size}, kind)),
                           learned(drawn({s.tokens, s.key, s.size}, kind))};
      compare(leaves, [&](const Tensors& own) {  // no norms
        const auto made =
            normed_and_turned(own[0], own[1], RmsNorm(nullptr), RmsNorm(nullptr), table);
        return Tensors{made.first, made.second};
      });
      compare({leaves[0]}, [&](const Tensors& own) { return Tensors{rotate(own[0], table)}; });
      for (const bool centred : {false, true}) {
        for (const bool trains : {false, true}) {
          RmsNorm query(s.size, 1e-6, torch::dtype(kind), centred),
              key(s.size, 1e-6, torch::dtype(kind), centred);
          {
            const torch::NoGradGuard no_grad;
            query->weight.copy_(drawn({s.size}, kind)), key->weight.copy_(drawn({s.size}, kind));
          }
          query->weight.requires_grad_(trains), key->weight.requires_grad_(trains);
          compare(
              leaves,
              [&](const Tensors& own) {
                const auto made = normed_and_turned(own[0], own[1], query, key, table);
                return Tensors{made.first, made.second};
              },
              {true, true}, 3);
          if (!trains) continue;
          const Tensor before = query->weight.grad().clone();
          query->weight.mutable_grad().reset();
          const Launching launching(&shim_);
          with_gradients(leaves, [&](const Tensors& own) {
            const auto made = normed_and_turned(own[0], own[1], query, key, table);
            return Tensors{made.first, made.second};
          });
          // Three passes stand in `before`, each rounded and added.
          VERIFY_NEAR(query->weight.grad() * 3, before, 4);
        }
      }
    }
  }

  void heads_in_a_joined_product() {
    const std::int64_t tokens = 6, query = 4, key = 2, size = 64;
    const Tensor joined = drawn({tokens, (query + 2 * key) * size}, torch::kBFloat16);
    const RotaryTable table =
        rotary_table(torch::rand({tokens, size / 2}).mul_(6), torch::kBFloat16);
    const Tensor q = joined.slice(1, 0, query * size).view({tokens, query, size}),
                 k = joined.slice(1, query * size, (query + key) * size).view({tokens, key, size});
    const auto expected = normed_and_turned(q, k, RmsNorm(nullptr), RmsNorm(nullptr), table);
    const Launching launching(&shim_);
    const auto made = normed_and_turned(q, k, RmsNorm(nullptr), RmsNorm(nullptr), table);
    VERIFY_NEAR(made.first, expected.first);
    VERIFY_NEAR(made.second, expected.second);
    const auto back =
        kernels::turn_heads({q, k, {}, {}, table.cos, table.sin}, -1, empty_pair(q, k, tokens));
    QVERIFY(back && is_beside(back->key, back->query, tokens));
    const auto apart = kernels::turn_heads({q, k, {}, {}, table.cos, table.sin}, -1);
    QVERIFY(back->query.equal(apart->query) && back->key.equal(apart->key));
    // In their own memory, what lies behind them untouched.
    const Tensor values = joined.slice(1, (query + key) * size).clone();
    const auto here = kernels::turn_heads({q, k, {}, {}, table.cos, table.sin}, 1, {q, k});
    QVERIFY(here && here->query.is_same(q) && q.equal(made.first) && k.equal(made.second));
    QVERIFY(joined.slice(1, (query + key) * size).equal(values));

    const Tensor weight = drawn({size}, torch::kBFloat16),
                 slope = drawn({tokens, query, size}, torch::kBFloat16);
    const kernels::HeadsToTurn heads{q, k, weight, weight, table.cos, table.sin, 1e-6, false};
    const auto normed = kernels::turn_heads(heads);
    const Tensor other = slope.slice(1, 0, key).contiguous();
    const auto slopes = kernels::turn_heads_backward(heads, *normed, slope, other);
    QVERIFY(is_beside(slopes->key, slopes->query, tokens));
    const kernels::HeadsToTurn alone{q.contiguous(), k.contiguous(), weight, weight,
                                     table.cos,      table.sin,      1e-6,   false};
    const auto same = kernels::turn_heads_backward(alone, *normed, slope, other);
    QVERIFY(same->query.equal(slopes->query) && same->key.equal(slopes->key));
  }

  void gates_data() {
    QTest::addColumn<int>("type");
    QTest::addColumn<int>("activation");
    const char* names[] = {"gelu", "gelu_pytorch_tanh", "quick_gelu", "silu", "relu"};
    for (int activation = 0; activation < 5; ++activation)
      for (const auto type : {torch::kFloat32, torch::kBFloat16})
        QTest::addRow("%s, %s", names[activation], c10::toString(type))
            << static_cast<int>(type) << activation;
  }
  void gates() {
    QFETCH(int, type);
    QFETCH(int, activation);
    const auto kind = static_cast<torch::ScalarType>(type);
    const auto which = static_cast<Activation>(activation);
    for (const std::int64_t size : {1, 33, 512, 3001}) {
      Tensor gate = drawn({5, size}, kind, 3);
      if (size == 512) {  // the ends
        gate.select(0, 1).copy_(torch::linspace(-120, 120, size));
        gate.select(0, 2).fill_(0);
      }
      check_gate(gate, drawn({5, size}, kind), drawn({5, size}, kind), which);
    }
    const Tensor joined = drawn({4, 2 * 96}, kind), gradient = drawn({4, 96}, kind);
    check_gate(joined.slice(1, 0, 96), joined.slice(1, 96), gradient, which);
    const Launching launching(&shim_);
    const auto pair = kernels::gated_backward(gradient, joined.slice(1, 0, 96), joined.slice(1, 96),
                                              which, true, true);
    QVERIFY(is_beside(pair->up, pair->gate, 4));
    for (const bool of_gate : {false, true}) {  // what is not wanted is not made
      const auto made =
          kernels::gated_backward(gradient, gradient, gradient, which, of_gate, !of_gate);
      QVERIFY(made->gate.defined() == of_gate && made->up.defined() != of_gate);
    }
  }

  void masks_are_the_cpu_s_bit_for_bit_data() { types(); }
  void masks_are_the_cpu_s_bit_for_bit() {
    QFETCH(int, type);
    const auto kind = static_cast<torch::ScalarType>(type);
    const auto other = kind == torch::kFloat32 ? torch::kBFloat16 : torch::kFloat32;
    for (const std::int64_t count : {1, 4, 1023, 1024, 70'001}) {
      for (const double p : {0.0, 0.05, 0.5, 0.97}) {
        for (const std::uint64_t seed : {1ull, 0xfedcba9876543210ull}) {
          Tensor x = drawn({count}, kind, 1e3);
          x[0] = std::numeric_limits<float>::quiet_NaN();
          const Tensor expected = dropped_out(x, p, seed), base = drawn({count}, kind),
                       wider = drawn({count}, other);
          const Launching launching(&shim_);
          const auto bits = [](const Tensor& t) { return t.view(torch::kUInt8); };
          QVERIFY(bits(*kernels::dropped(x, p, seed, kind)).equal(bits(expected)));
          // The seed from memory, whatever number comes with the launch.
          const Tensor there = torch::tensor({static_cast<std::int64_t>(seed)}, torch::kInt64);
          QVERIFY(bits(*kernels::dropped(x, p, ~seed, kind, there)).equal(bits(expected)));
          const Tensor cast = *kernels::dropped(x, p, seed, other);
          QVERIFY(cast.slice(0, 1).equal(expected.to(other).slice(0, 1)));
          QCOMPARE(cast[0].isnan().item<bool>(), expected[0].isnan().item<bool>());
          const Tensor unrounded = dropped_out(x.to(torch::kFloat32), p, seed);
          for (const Tensor& to : {base, wider}) {
            const Tensor sum = to.clone(), exact = to.to(torch::kFloat32) + unrounded;
            QVERIFY(kernels::add_dropped(sum, x, p, seed));
            QVERIFY(sum.slice(0, 1).equal(exact.to(to.scalar_type()).slice(0, 1)));
            const Tensor again = to.clone();
            QVERIFY(kernels::add_dropped(again, x, p, ~seed, there));
            QVERIFY(bits(again).equal(bits(sum)));
          }
        }
      }
    }
  }

  void entropies_data() { types(); }
  void entropies() {
    QFETCH(int, type);
    const auto kind = static_cast<torch::ScalarType>(type);
    for (const std::int64_t vocabulary : {1, 5, 1000, 4099, 30'000}) {
      Tensor logits = drawn({6, vocabulary}, kind, 4);
      logits.select(0, 1).mul_(1000);  // one of them has it all
      logits.select(0, 2).fill_(-7);   // all are alike
      logits.select(0, 3).add_(-30000);
      if (vocabulary > 1) logits.select(0, 4).slice(0, 1).fill_(-INFINITY);
      const Tensor target = torch::randint(vocabulary, {6}, torch::kInt64);
      target[4] = 0, target[5] = -100;
      // Against float64. x − largest is rounded in float32, and once more where threads' largest
      // differ: of numbers that are 30 apart, what exp makes of it is 2⁻¹⁹ off each time.
      constexpr int kBits = 18;
      const Tensor wide = logits.to(torch::kFloat64).requires_grad_(true);
      const Tensor losses = at::cross_entropy_loss(wide, target, {}, at::Reduction::None, -100);
      losses.sum().backward();
      const Tensor expected = losses.detach().to(torch::kFloat32);
      const Launching launching(&shim_);
      const Tensor kept = logits.clone();
      VERIFY_NEAR(*kernels::cross_entropy_(kept, target, false), expected, 1, 0, kBits);
      QVERIFY(kept.equal(logits));
      VERIFY_NEAR(*kernels::cross_entropy_(kept, target, true), expected, 1, 0, kBits);
      VERIFY_NEAR(kept, wide.grad().to(kind), 1, 0, kBits);
      QVERIFY(kept[5].eq(0).all().item<bool>());
      const Tensor scaled = logits.clone();
      kernels::cross_entropy_(scaled, target, true, 0.25);
      VERIFY_NEAR(scaled, (wide.grad() * 0.25).to(kind), 1, 0, kBits);
    }
    const Tensor beyond = torch::full({2}, 12, torch::kInt64);
    const Launching launching(&shim_);
    QVERIFY(kernels::cross_entropy_(drawn({2, 9}, kind), beyond, true)->isnan().all().item<bool>());
  }

  void nothing_is_nothing() {
    const Launching launching(&shim_);
    shim_.launches.clear();
    for (const auto kind : {torch::kFloat32, torch::kBFloat16}) {
      const Tensor none = drawn({0, 8}, kind), weight = learned(drawn({8}, kind));
      const Tensor x = learned(none);
      Tensor y = rms_norm(x, weight, 1e-6, false);
      y.sum().backward();
      QVERIFY(y.sizes() == none.sizes() && weight.grad().eq(0).all().item<bool>());
      QCOMPARE(gated(none, none, Activation::Silu).numel(), 0);
      QCOMPARE(kernels::dropped(none, 0.5, 1, kind)->numel(), 0);
      QCOMPARE(kernels::cross_entropy_(none, torch::empty({0}, torch::kInt64), true)->numel(), 0);
      const Tensor heads = drawn({0, 2, 8}, kind), table = drawn({0, 1, 8}, kind);
      QCOMPARE(kernels::turn_heads({heads, heads, {}, {}, table, table})->key.numel(), 0);
    }
    QVERIFY(shim_.launches.empty());
  }

  void what_kernels_do_not_know_is_left_to_aten() {
    const Tensor x = torch::randn({3, 8}, torch::kFloat64),
                 weight = torch::ones({8}, torch::kFloat64);
    const Tensor expected = rms_norm(x, weight, 1e-6, false);
    const Tensor mixed = rms_norm(x.to(torch::kBFloat16), weight.to(torch::kFloat32), 1e-6, false);
    const Launching launching(&shim_);
    shim_.launches.clear();
    QVERIFY(rms_norm(x, weight, 1e-6, false).equal(expected));
    QVERIFY(rms_norm(x.to(torch::kBFloat16), weight.to(torch::kFloat32), 1e-6, false).equal(mixed));
    QVERIFY(!kernels::cross_entropy_(x, torch::zeros({3}, torch::kInt64), true));
    QVERIFY(!kernels::cross_entropy_(drawn({8, 3}, torch::kFloat32).t(),
                                     torch::zeros({3}, torch::kInt64), true));
    QVERIFY(shim_.launches.empty());
  }

  void packed_weights_data() {
    QTest::addColumn<QString>("kind");
    QTest::addColumn<bool>("twice");
    for (const char* kind : {"nf4", "fp4", "int8"})
      for (const bool twice : {false, true})
        if (!twice || kind != std::string("int8"))
          QTest::addRow("%s %d", kind, twice) << kind << twice;
  }
  /// To the bit what the CPU makes of the same codes, from any place to any other.
  void packed_weights() {
    QFETCH(QString, kind);
    QFETCH(bool, twice);
    constexpr std::int64_t kRows = 23, kCols = 201;
    Json settings{{"load_in_8bit", true}};
    if (kind != "int8") {
      settings = {{"load_in_4bit", true},
                  {"bnb_4bit_quant_type", kind.toStdString()},
                  {"bnb_4bit_use_double_quant", twice}};
    }
    const PackedPointer weight =
        weight_packing(**find_weight_kind(settings, "here"))
            ->pack(drawn({kRows, kCols}, torch::kFloat32), settings, "here")
            .take();
    std::map<std::string, Tensor> parts;
    for (const auto& [end, tensor] : weight->stored()) parts[end] = tensor;
    const Launching launching(&shim_);
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      const Tensor whole = weight->dense_rows(0, kRows, type);
      if (kind == "int8") {
        const auto made = kernels::expanded(parts[""], parts[".SCB"], 7.874015718698502e-3F, type);
        QVERIFY(made && made->equal(whole));
        continue;
      }
      const Tensor values = parts[".quant_map"];
      const Tensor pairs = at::stack({values.repeat_interleave(16), values.repeat({16})}, 1);
      Json state;
      for (const auto& [end, tensor] : parts)
        if (end.starts_with(".quant_state"))
          state = Json::parse(std::string(static_cast<const char*>(tensor.const_data_ptr()),
                                          static_cast<std::size_t>(tensor.numel())));
      const Tensor codes = parts[""].view({-1});
      const float offset = state.value("nested_offset", 0.0F);
      const kernels::FourBits own{
          codes, pairs, parts[".absmax"], parts[".nested_absmax"], parts[".nested_quant_map"],
          offset};
      for (const auto& [first, last] : {std::pair<std::int64_t, std::int64_t>{0, kRows * kCols},
                                        {8, 9},
                                        {64, 192},
                                        {16, 16},
                                        {200, kRows * kCols},
                                        {4600, 4623}}) {
        const auto made = kernels::expanded(own, first, last, type);
        QVERIFY(made && made->equal(whole.view({-1}).slice(0, first, last)));
      }
    }
    QVERIFY(!kernels::expanded(parts[""], parts[""], 1, torch::kFloat16));
  }
};

QTEST_GUILESS_MAIN(TestEqual)
#include "test_equal.moc"
