// SPDX-License-Identifier: GPL-3.0-or-later
// The blocks of Florence-2's tower and of BART beside the same arithmetic by hand, values and
// gradients: windows that reach over the frame, channels that see one another, convolutions, the
// way into the text, norms behind branches, positions.
#include "engine/models/bart/bart_stack.h"
#include "engine/models/florence2/davit_tower.h"
#include "engine/models/florence2/projector.h"

#include <torch/csrc/autograd/autograd.h>

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include <functional>
#include <limits>

using namespace luthier;
using namespace luthier::florence2;
using torch::Tensor;

namespace {

using Named = torch::OrderedDict<std::string, Tensor>;

double far(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() /
         std::max(wanted.abs().max().item<double>(), 1e-30);
}

template <class Module>
void draw(Module& module) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(11);
  for (auto& parameter : module.parameters()) parameter.normal_(0, 0.4);
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(true);
}

/// Both give the same of x, and the same gradients of x and of all that is named.
void verify_alike(const Named& named, const Tensor& x, const std::function<Tensor()>& ours,
                  const std::function<Tensor()>& by_hand) {
  std::vector<Tensor> inputs{x};
  for (const auto& item : named) inputs.push_back(item.value());
  const Tensor got = ours(), wanted = by_hand();
  QCOMPARE(got.sizes().vec(), wanted.sizes().vec());
  QVERIFY2(far(got, wanted) < 1e-5, qPrintable(QString::number(far(got, wanted))));
  torch::manual_seed(3);
  const Tensor share = torch::randn(got.sizes());
  const auto own = torch::autograd::grad({(got * share).sum()}, inputs),
             other = torch::autograd::grad({(wanted * share).sum()}, inputs);
  double largest = 0;
  for (const Tensor& gradient : other)
    largest = std::max(largest, gradient.abs().max().item<double>());
  for (std::size_t i = 0; i < own.size(); ++i) {
    const double apart = (own[i] - other[i]).abs().max().item<double>();
    QVERIFY2(apart < 1e-5 * largest, qPrintable(QString("%1: %2").arg(i).arg(apart)));
  }
}

DavitOptions davit() {
  DavitOptions o;
  StageSizes first, second;
  first = {1, 5, 3, 2, 8, 2, 4, false};
  second = {1, 3, 2, 1, 12, 3, 2, true};
  o.stages = {first, second};
  o.window = 3, o.mlp_ratio = 1.5, o.projection_dim = 10, o.places = 9, o.moments = 4;
  return o;
}

Tensor input(at::IntArrayRef shape) {
  torch::manual_seed(5);
  return torch::randn(shape).requires_grad_(true);
}

/// Queries, keys and values [places, heads, size] of one window.
Tensor looked(const Tensor& made, std::int64_t heads) {
  const std::int64_t places = made.size(0), size = made.size(1) / 3 / heads;
  const Tensor parts = made.view({places, 3, heads, size});
  std::vector<Tensor> mixed;
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto part = [&](std::int64_t which) { return parts.select(1, which).select(1, head); };
    const Tensor scores = at::mm(part(0), part(1).t()) / std::sqrt(static_cast<double>(size));
    mixed.push_back(at::mm(scores.softmax(-1), part(2)));
  }
  return at::cat(mixed, 1);
}

/// Window after window of a frame [rows, columns, width], zeros where one reaches over it.
Tensor windows_by_hand(const Named& w, const Tensor& x, std::int64_t window, std::int64_t heads) {
  std::vector<Tensor> down;
  for (std::int64_t row = 0; row < x.size(0); row += window) {
    std::vector<Tensor> along;
    for (std::int64_t column = 0; column < x.size(1); column += window) {
      const std::int64_t high = std::min(window, x.size(0) - row),
                         wide = std::min(window, x.size(1) - column);
      const Tensor filled =
          at::constant_pad_nd(x.slice(0, row, row + high).slice(1, column, column + wide),
                              {0, 0, 0, window - wide, 0, window - high});
      const Tensor made = at::linear(filled.reshape({window * window, -1}), w["qkv.weight"],
                                     w.contains("qkv.bias") ? w["qkv.bias"] : Tensor());
      along.push_back(at::linear(looked(made, heads), w["proj.weight"], w["proj.bias"])
                          .view({window, window, -1})
                          .slice(0, 0, high)
                          .slice(1, 0, wide));
    }
    down.push_back(at::cat(along, 1));
  }
  return at::cat(down, 0);
}

/// Channel after channel of a frame.
Tensor channels_by_hand(const Named& w, const Tensor& x, std::int64_t groups) {
  const std::int64_t places = x.size(0) * x.size(1), width = x.size(2), size = width / groups;
  const Tensor made = at::linear(x.reshape({places, width}), w["qkv.weight"], w["qkv.bias"]);
  std::vector<Tensor> mixed;
  for (std::int64_t group = 0; group < groups; ++group) {
    const auto part = [&](std::int64_t which) {
      return made.slice(1, which * width + group * size, which * width + (group + 1) * size).t();
    };
    const Tensor scores = at::mm(part(0), part(1).t()) / std::sqrt(static_cast<double>(places));
    mixed.push_back(at::mm(scores.softmax(-1), part(2)).t());
  }
  return at::linear(at::cat(mixed, 1), w["proj.weight"], w["proj.bias"]).view(x.sizes());
}

/// Shifted frames, each weighted by its place in the square.
Tensor convolution_by_hand(const Named& w, const std::string& name, const Tensor& x) {
  const Tensor around = at::constant_pad_nd(x, {0, 0, 1, 1, 1, 1});
  Tensor sum = x + w[name + ".bias"];
  for (std::int64_t row = 0; row < 3; ++row)
    for (std::int64_t column = 0; column < 3; ++column)
      sum = sum + around.slice(1, row, row + x.size(1)).slice(2, column, column + x.size(2)) *
                      w[name + ".weight"].select(3, column).select(2, row).select(1, 0);
  return sum;
}

Named below(const Named& named, const std::string& prefix) {
  Named found;
  for (const auto& item : named)
    if (item.key().starts_with(prefix))
      found.insert(item.key().substr(prefix.size()), item.value());
  return found;
}

Tensor normed(const Named& w, const std::string& name, const Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, w[name + ".weight"], w[name + ".bias"], 1e-5);
}

}  // namespace

class TestDavit : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void places_look_within_their_window_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("columns");
    QTest::addColumn<bool>("bias");
    QTest::newRow("whole windows") << 3 << 6 << true;
    QTest::newRow("windows over the frame") << 5 << 4 << true;
    QTest::newRow("one window, no biases") << 2 << 2 << false;
  }
  void places_look_within_their_window() {
    QFETCH(int, rows);
    QFETCH(int, columns);
    QFETCH(bool, bias);
    DavitOptions o = davit();
    o.qkv_bias = bias;
    WindowAttention attention(o, o.stages[1], torch::TensorOptions());
    draw(attention);
    const Named w = attention.named_parameters();
    const Tensor x = input({2, rows, columns, 12});
    verify_alike(
        w, x, [&] { return attention.forward(x); },
        [&] {
          return at::stack({windows_by_hand(w, x[0], 3, 3), windows_by_hand(w, x[1], 3, 3)});
        });
  }

  void channels_look_within_their_group() {
    const DavitOptions o = davit();
    ChannelAttention attention(o, o.stages[1], torch::TensorOptions());
    draw(attention);
    const Named w = attention.named_parameters();
    const Tensor x = input({2, 3, 5, 12});
    verify_alike(
        w, x, [&] { return attention.forward(x); },
        [&] {
          return at::stack({channels_by_hand(w, x[0], 2), channels_by_hand(w, x[1], 2)});
        });
  }

  void half_a_block() {
    const DavitOptions o = davit();
    const torch::TensorOptions t;
    DavitHalf half("window_attn", std::make_shared<WindowAttention>(o, o.stages[1], t), o,
                   o.stages[1], t);
    draw(half);
    const Named w = half.named_parameters(), inner = below(w, "window_attn.");
    const Tensor x = input({1, 4, 5, 12});
    verify_alike(
        w, x, [&] { return half.forward(x); },
        [&] {
          const Tensor seen = convolution_by_hand(w, "conv1", x);
          const Tensor found = normed(w, "norm1", seen);
          const Tensor mixed = seen + windows_by_hand(inner, found[0], 3, 3).unsqueeze(0);
          const Tensor wide = convolution_by_hand(w, "conv2", mixed);
          const Tensor up = at::gelu(
              at::linear(normed(w, "norm2", wide), w["ffn.fc1.weight"], w["ffn.fc1.bias"]));
          return wide + at::linear(up, w["ffn.fc2.weight"], w["ffn.fc2.bias"]);
        });
  }

  void a_stage_begins_with_a_product_of_windows() {
    const DavitOptions o = davit();
    for (const StageSizes& stage : o.stages) {
      WindowConvolution convolution(4, stage, torch::TensorOptions());
      draw(convolution);
      const Named w = convolution.named_parameters();
      const Tensor x = input({2, 9, 10, 4});
      verify_alike(
          w, x, [&] { return convolution.forward(x); },
          [&] {
            return at::conv2d(x.permute({0, 3, 1, 2}), w["weight"], w["bias"],
                              {stage.stride, stage.stride}, {stage.padding, stage.padding})
                .permute({0, 2, 3, 1});
          });
      QCOMPARE(convolution.forward(x).size(1), windows_along(9, stage));
    }
    QCOMPARE(windows_along(0, o.stages[0]), std::int64_t(0));
    QCOMPARE(windows_along(1, {1, 5, 3, 1, 8, 1, 1, true}), std::int64_t(0));
  }

  void the_tower_runs_its_stages_in_order() {
    const DavitOptions o = davit();
    DavitTower tower(o, torch::TensorOptions());
    draw(tower);
    const Tensor pixels = torch::randn({2, 3, 23, 17});
    const Tensor made = tower.forward(pixels);
    QCOMPARE(made.sizes().vec(), (std::vector<std::int64_t>{2, o.side_of(23), o.side_of(17), 12}));
    // Frames do not see one another.
    QVERIFY(far(tower.forward(pixels.slice(0, 1)), made.slice(0, 1)) < 1e-5);
    const Named w = tower.named_parameters();
    QVERIFY(w.contains("convs.1.norm.weight") && w["convs.1.norm.weight"].size(0) == 8);
    QVERIFY(w["convs.0.norm.weight"].size(0) == 8);
    QVERIFY(w.contains("blocks.1.0.channel_block.channel_attn.qkv.weight"));
  }

  void places_are_projected_behind_their_mean() {
    const DavitOptions o = davit();
    Projector projector(o, torch::TensorOptions());
    draw(projector);
    Named w = projector.named_parameters();
    const Tensor table = w["visual_temporal_embed.pos_idx_to_embed"].detach();
    w.erase("visual_temporal_embed.pos_idx_to_embed");
    const Tensor x = input({2, 3, 4, 12});
    verify_alike(
        below(w, "image_"), x, [&] { return projector.forward(x); },
        [&] {
          const Tensor down = w["image_position_embed.row_embeddings.weight"],
                       across = w["image_position_embed.column_embeddings.weight"];
          std::vector<Tensor> all;
          for (std::int64_t picture = 0; picture < 2; ++picture) {
            std::vector<Tensor> places;
            for (std::int64_t row = 0; row < 3; ++row)
              for (std::int64_t column = 0; column < 4; ++column)
                places.push_back(x[picture][row][column] + at::cat({across[column], down[row]}) +
                                 table[0]);
            const Tensor stacked = at::stack(places);
            all.push_back(at::cat({stacked.mean(0, true), stacked}));
          }
          return normed(w, "image_proj_norm",
                        at::linear(at::cat(all), w["image_projection.weight"]));
        });
  }

  void moments_are_sines_and_cosines() {
    const DavitOptions o = davit();
    const Moments moments(o, torch::TensorOptions());
    const Tensor table = moments.first_value("pos_idx_to_embed", at::Generator());
    QCOMPARE(table.sizes().vec(), (std::vector<std::int64_t>{4, 12}));
    for (std::int64_t moment = 0; moment < 4; ++moment)
      for (std::int64_t i = 0; i < 6; ++i) {
        const double angle =
            static_cast<double>(moment) * std::exp(-std::log(10000.0) * static_cast<double>(i) / 6);
        QVERIFY(std::abs(table[moment][2 * i].item<double>() - std::sin(angle)) < 1e-5);
        QVERIFY(std::abs(table[moment][2 * i + 1].item<double>() - std::cos(angle)) < 1e-5);
      }
  }

  void bart_norms_behind_its_branches() {
    bart::Options o;
    o.vocab_size = 20, o.d_model = 12, o.max_position_embeddings = 16;
    o.encoder = {2, 3, 20}, o.decoder = {1, 2, 14};
    bart::Stack stack(o, /*decoder=*/true, torch::TensorOptions());
    draw(stack);
    const Named w = stack.named_parameters();
    const Tensor x = input({5, 12}), memory = torch::randn({7, 12});
    const RowStates seen{memory, RowLayout({7})};
    const auto attend_by_hand = [&](const std::string& name, const Tensor& queries,
                                    const Tensor& keys, bool causal) {
      const auto product = [&](const char* part, const Tensor& of) {
        return at::linear(of, w[name + part + ".weight"], w[name + part + ".bias"])
            .view({of.size(0), 2, 6})
            .transpose(0, 1);
      };
      Tensor scores =
          at::matmul(product("q_proj", queries), product("k_proj", keys).transpose(1, 2)) /
          std::sqrt(6.0);
      if (causal) {
        const Tensor hidden = torch::ones({5, 5}, torch::kBool).triu(1);
        scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
      }
      const Tensor mixed = at::matmul(scores.softmax(-1), product("v_proj", keys));
      return at::linear(mixed.transpose(0, 1).reshape({queries.size(0), 12}),
                        w[name + "out_proj.weight"], w[name + "out_proj.bias"]);
    };
    // A key's bias moves all scores of a query alike.
    Named felt;
    for (const auto& item : w)
      if (!item.key().ends_with("k_proj.bias")) felt.insert(item.key(), item.value());
    verify_alike(
        felt, x, [&] { return stack.forward(x, RowLayout({5}), &seen, nullptr, false); },
        [&] {
          const std::string layer = "layers.0.";
          Tensor y =
              normed(w, "layernorm_embedding", x + w["embed_positions.weight"].slice(0, 2, 7));
          y = normed(w, layer + "self_attn_layer_norm",
                     y + attend_by_hand(layer + "self_attn.", y, y, true));
          y = normed(w, layer + "encoder_attn_layer_norm",
                     y + attend_by_hand(layer + "encoder_attn.", y, memory, false));
          const Tensor up = at::gelu(at::linear(y, w[layer + "fc1.weight"], w[layer + "fc1.bias"]));
          return normed(w, layer + "final_layer_norm",
                        y + at::linear(up, w[layer + "fc2.weight"], w[layer + "fc2.bias"]));
        });
    QVERIFY_EXCEPTION_THROWN(
        (void)stack.forward(torch::randn({17, 12}), RowLayout({17}), &seen, nullptr, false),
        c10::Error);
  }
};

QTEST_GUILESS_MAIN(TestDavit)
#include "test_davit.moc"
