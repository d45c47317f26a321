// SPDX-License-Identifier: GPL-3.0-or-later
// The blocks of DeepSeek-OCR-2's towers beside the same arithmetic by hand: scores with distances
// over windows and whole frames, values and gradients; tables stretched directly and by products;
// convolutions as products with windows; which states of a frame see which.
#include "engine/models/deepseek_ocr2/deepseek_vision.h"
#include "engine/models/deepseek_ocr2/sam_convolution.h"
#include "engine/models/deepseek_ocr2/stretched_tables.h"

#include <torch/csrc/autograd/autograd.h>

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

double far(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() /
         std::max(wanted.abs().max().item<double>(), 1e-30);
}

SamOptions sam(std::int64_t window, bool relative = true) {
  SamOptions o;
  o.hidden_size = 12, o.intermediate_size = 20, o.num_hidden_layers = 1;
  o.num_attention_heads = 3, o.image_height = o.image_width = 20, o.patch_size = 4;
  o.hidden_act = Activation::Gelu, o.layer_norm_eps = 1e-6;
  o.window = window, o.whole = {window == 0}, o.relative = relative;
  o.neck = 6, o.between = 7, o.out = 8;
  return o;
}

template <class Module>
void draw(Module& module) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(11);
  for (auto& parameter : module.parameters()) parameter.normal_(0, 0.4);
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(true);
}

using Named = torch::OrderedDict<std::string, Tensor>;

/// One square of patches, x [side, side, hidden] after the norm, row by row and key by key.
Tensor square_by_hand(const Named& w, const Tensor& x, std::int64_t heads) {
  const std::int64_t side = x.size(0), hidden = x.size(2), size = hidden / heads,
                     area = side * side;
  const Tensor made =
      at::linear(x.reshape({area, hidden}), w["attn.qkv.weight"], w["attn.qkv.bias"])
          .view({area, 3, heads, size});
  Tensor down, across;
  if (w.contains("attn.rel_pos_h"))
    down = distances_between(w["attn.rel_pos_h"], side),
    across = distances_between(w["attn.rel_pos_w"], side);
  std::vector<Tensor> mixed;
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto part = [&](std::int64_t which) { return made.select(1, which).select(1, head); };
    Tensor scores = at::mm(part(0), part(1).t()) / std::sqrt(static_cast<double>(size));
    if (down.defined()) {
      const Tensor patch = torch::arange(area), row = at::div(patch, side, "floor"),
                   column = at::remainder(patch, side);
      const Tensor apart = down.index_select(0, row).index_select(1, row) +
                           across.index_select(0, column).index_select(1, column);
      scores = scores + (part(0).unsqueeze(1) * apart).sum(-1);
    }
    mixed.push_back(at::mm(scores.softmax(-1), part(2)));
  }
  return at::linear(at::cat(mixed, 1), w["attn.proj.weight"], w["attn.proj.bias"])
      .view({side, side, hidden});
}

/// The layer, window by window, of a frame [side, side, hidden].
Tensor layer_by_hand(const Named& w, const Tensor& x, const SamOptions& o) {
  const std::int64_t side = x.size(0), hidden = x.size(2);
  const auto norm = [&](const Tensor& y, const std::string& name) {
    return at::layer_norm(y, {hidden}, w[name + ".weight"], w[name + ".bias"], 1e-6);
  };
  const std::int64_t window = o.window > 0 ? o.window : side, along = (side + window - 1) / window;
  const Tensor filled = at::constant_pad_nd(
      norm(x, "layer_norm1"), {0, 0, 0, along * window - side, 0, along * window - side});
  std::vector<Tensor> lines;
  for (std::int64_t row = 0; row < along; ++row) {
    std::vector<Tensor> squares;
    for (std::int64_t column = 0; column < along; ++column)
      squares.push_back(square_by_hand(
          w, filled.narrow(0, row * window, window).narrow(1, column * window, window),
          o.num_attention_heads));
    lines.push_back(at::cat(squares, 1));
  }
  const Tensor attended = x + at::cat(lines, 0).narrow(0, 0, side).narrow(1, 0, side);
  const Tensor wide =
      at::gelu(at::linear(norm(attended, "layer_norm2"), w["mlp.lin1.weight"], w["mlp.lin1.bias"]));
  return attended + at::linear(wide, w["mlp.lin2.weight"], w["mlp.lin2.bias"]);
}

std::vector<Tensor> slopes(const Tensor& y, const std::vector<Tensor>& of) {
  const Tensor weights = torch::arange(y.numel(), torch::kFloat32).view_as(y).cos();
  return torch::autograd::grad({(y * weights).sum()}, of);
}

}  // namespace

class TestSamTower : public QObject {
  Q_OBJECT

 private slots:
  void a_layer_by_hand_data() {
    QTest::addColumn<int>("window");
    QTest::addColumn<int>("side");
    QTest::addColumn<bool>("relative");
    QTest::newRow("whole") << 0 << 5 << true;
    QTest::newRow("whole, stretched") << 0 << 4 << true;
    QTest::newRow("whole, without distances") << 0 << 5 << false;
    QTest::newRow("windows that reach over the frame") << 3 << 5 << true;
    QTest::newRow("windows that fit") << 2 << 4 << true;
    QTest::newRow("windows larger than the frame") << 7 << 5 << true;
    QTest::newRow("windows, without distances") << 3 << 5 << false;
    QTest::newRow("of one patch") << 1 << 3 << true;
  }
  void a_layer_by_hand() {
    QFETCH(int, window);
    QFETCH(int, side);
    QFETCH(bool, relative);
    const SamOptions o = sam(window, relative);
    SamLayer layer(o, 0, torch::TensorOptions());
    draw(layer);
    const Named weights = layer.named_parameters();
    QCOMPARE(weights.contains("attn.rel_pos_h"), relative);
    const Tensor x = torch::randn({2, side, side, 12}).set_requires_grad(true);
    const Tensor got = layer.forward(x, layer.squares(side, 2, x));
    const Tensor wanted =
        at::stack({layer_by_hand(weights, x[0], o), layer_by_hand(weights, x[1], o)});
    QVERIFY2(far(got, wanted) < 1e-5, qPrintable(QString::number(far(got, wanted))));
    std::vector<Tensor> all{x};
    std::vector<std::string> names{"x"};
    for (const auto& item : weights) all.push_back(item.value()), names.push_back(item.key());
    const auto own = slopes(got, all), by_hand = slopes(wanted, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double largest = by_hand[i].abs().max().item<double>();
      QVERIFY2((own[i] - by_hand[i]).abs().max().item<double>() <= 1e-4 * largest + 1e-6,
               names[i].c_str());
      QVERIFY2(window == 1 || largest > 0, names[i].c_str());
    }
  }

  void stretched_tables() {
    torch::manual_seed(2);
    const Tensor table = torch::randn({1, 7, 7, 3});
    QVERIFY(stretched_positions(table, 7).is_same(table));
    for (const std::int64_t side : {3, 5, 12}) {
      const Tensor made = stretched_positions(table, side);
      QCOMPARE(made.size(1), side);
      QVERIFY(far(stretched_positions_by_products(table, side), made) < 1e-5);
    }
    const Tensor distances = torch::randn({9, 4});
    for (const std::int64_t side : {2, 5, 8}) {
      const Tensor made = distances_between(distances, side);
      const std::int64_t count = 2 * side - 1;
      const Tensor along =
          count == 9 ? distances : stretched_distances_by_product(distances, count);
      for (std::int64_t q = 0; q < side; ++q)
        for (std::int64_t k = 0; k < side; ++k)
          QVERIFY(far(made[q][k], along[q - k + side - 1]) < 1e-5);
    }
  }

  void convolutions_are_products_data() {
    QTest::addColumn<int>("side");
    QTest::addColumn<int>("step");
    QTest::addColumn<int>("edge");
    QTest::newRow("a point") << 1 << 1 << 5;
    QTest::newRow("every place") << 3 << 1 << 5;
    QTest::newRow("every second of an odd side") << 3 << 2 << 7;
    QTest::newRow("every second of an even side") << 3 << 2 << 6;
    QTest::newRow("of one place") << 3 << 2 << 1;
  }
  void convolutions_are_products() {
    QFETCH(int, side);
    QFETCH(int, step);
    QFETCH(int, edge);
    SamConvolution convolution(4, 6, side, step, torch::TensorOptions());
    draw(convolution);
    const Tensor weight = convolution.named_parameters()["weight"];
    const Tensor x = torch::randn({2, edge, edge, 4}).set_requires_grad(true);
    const Tensor got = convolution.forward(x);
    const Tensor wanted =
        at::conv2d(x.permute({0, 3, 1, 2}), weight, {}, {step, step}, {side / 2, side / 2})
            .permute({0, 2, 3, 1});
    QCOMPARE(got.sizes(), wanted.sizes());
    QVERIFY(far(got, wanted) < 1e-5);
    const auto own = slopes(got, {x, weight}), by_hand = slopes(wanted.contiguous(), {x, weight});
    for (std::size_t i = 0; i < own.size(); ++i) QVERIFY(far(own[i], by_hand[i]) < 1e-5);
    if (step == 2) QCOMPARE(got.size(1), halved_side(edge));
  }

  /// A frame's states see one another; a query those and the queries before it.
  void who_sees_whom() {
    DecoderOptions o;
    o.model_type = "qwen2";
    o.vocab_size = 1, o.hidden_size = 16, o.intermediate_size = 24, o.num_hidden_layers = 2;
    o.num_attention_heads = 2, o.num_key_value_heads = 1, o.head_dim = 8, o.qkv_bias = true;
    o.rotary.dimension = 8, o.rotary.max_position_embeddings = 64;
    o.sliding_windows.assign(2, std::nullopt);
    QueryStack stack(o, torch::TensorOptions());
    draw(stack);
    constexpr std::int64_t kPlaces = 4, kQueries = 3;
    const Tensor states = torch::randn({2, kPlaces, 16}), queries = torch::randn({kQueries, 16});
    const torch::NoGradGuard no_grad;
    const Tensor made = stack.forward(states, queries);
    QCOMPARE(made.sizes(), (std::vector<std::int64_t>{2, kQueries, 16}));
    // Frames do not see one another.
    QVERIFY(far(stack.forward(states.slice(0, 1), queries)[0], made[1]) < 1e-5);
    for (std::int64_t place = 0; place < kPlaces; ++place) {
      Tensor other = states.clone();
      other[0][place] += 1;
      const Tensor changed = stack.forward(other, queries);
      for (std::int64_t query = 0; query < kQueries; ++query)
        QVERIFY(far(changed[0][query], made[0][query]) > 1e-4);
    }
    for (std::int64_t query = 0; query < kQueries; ++query) {
      Tensor other = queries.clone();
      other[query] += 1;
      const Tensor changed = stack.forward(states, other);
      for (std::int64_t seen = 0; seen < kQueries; ++seen)
        QCOMPARE(far(changed[0][seen], made[0][seen]) > 1e-4, seen >= query);
    }
    // The first of them sees the last of the states through another one, too.
    Tensor fewer = states.slice(1, 0, kPlaces - 1);
    QVERIFY(far(stack.forward(fewer, queries)[0][0], made[0][0]) > 1e-4);
  }

  /// The last layer makes the queries' states alone where all of it goes row by row.
  void the_last_layer_narrows() {
    DecoderOptions o;
    o.model_type = "qwen2";
    o.vocab_size = 1, o.hidden_size = 8, o.intermediate_size = 12, o.num_hidden_layers = 1;
    o.num_attention_heads = o.num_key_value_heads = 1, o.head_dim = 8;
    o.rotary.dimension = 8, o.rotary.max_position_embeddings = 64;
    o.sliding_windows.assign(1, std::nullopt);
    QueryStack stack(o, torch::TensorOptions());
    draw(stack);
    const Named w = stack.named_parameters();
    const Tensor states = torch::randn({1, 3, 8}), queries = torch::randn({2, 8});
    const Tensor x = at::cat({states[0], queries});
    const auto norm = [&](const Tensor& y, const std::string& name) {
      return y * (y.square().mean(-1, true) + 1e-6).rsqrt() * w[name + ".weight"];
    };
    const auto linear = [&](const Tensor& y, const std::string& name) {
      return at::mm(y, w["layers.0." + name + ".weight"].t());
    };
    const Tensor normal = norm(x, "layers.0.input_layernorm");
    const Tensor angles = at::outer(torch::arange(5, torch::kFloat32),
                                    at::pow(10000.0, -torch::arange(4, torch::kFloat32) / 4));
    const auto turned = [&](const Tensor& y) {
      const Tensor first = y.slice(1, 0, 4), second = y.slice(1, 4);
      return at::cat({first * angles.cos() - second * angles.sin(),
                      second * angles.cos() + first * angles.sin()},
                     1);
    };
    Tensor scores = at::mm(turned(linear(normal, "self_attn.q_proj")),
                           turned(linear(normal, "self_attn.k_proj")).t()) /
                    std::sqrt(8.0);
    Tensor hidden = torch::ones({5, 5}, torch::kBool).triu(1);
    hidden.slice(0, 0, 3).slice(1, 0, 3).fill_(false);
    scores = scores.masked_fill(hidden, -1e30);
    const Tensor attended =
        x +
        linear(at::mm(scores.softmax(-1), linear(normal, "self_attn.v_proj")), "self_attn.o_proj");
    const Tensor after = norm(attended, "layers.0.post_attention_layernorm");
    const Tensor fed =
        attended + linear(at::silu(linear(after, "mlp.gate_proj")) * linear(after, "mlp.up_proj"),
                          "mlp.down_proj");
    QVERIFY(far(stack.forward(states, queries)[0], norm(fed, "norm").slice(0, 3)) < 1e-5);
  }
};

QTEST_GUILESS_MAIN(TestSamTower)
#include "test_sam_tower.moc"
