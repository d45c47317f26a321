// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/swin/swin_body.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/models/bert/named_parts.h"
#include "engine/models/config_numbers.h"
#include "engine/models/pictures/config_lists.h"
#include "engine/models/swin/swin_layer.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kTorchEpsilon = 1e-5;  // of norms that the configuration's is not asked for

class SwinPart : public torch::nn::Module {};

std::int64_t halved(std::int64_t side) { return (side + 1) / 2; }

/// The convolution over patches, as a product.
class SwinPatches : public PatchProduct {
 public:
  SwinPatches(const SwinOptions& o, const torch::TensorOptions& t) : patch_(o.patch) {
    add_parameter("weight", weight_, {o.embed_dim, 3, o.patch, o.patch}, t);
    add_parameter("bias", bias_, {o.embed_dim}, t);
  }
  std::string type_name() const override { return "Conv2d"; }
  /// pixels [pictures, 3, height, width] → [pictures, rows, columns, embed_dim]; zeros fill the
  /// last patches.
  Tensor forward(const Tensor& pixels) const {
    const std::int64_t rows = along(pixels.size(2)), columns = along(pixels.size(3));
    const Tensor whole = at::constant_pad_nd(
        pixels.to(dtype()),
        {0, columns * patch_ - pixels.size(3), 0, rows * patch_ - pixels.size(2)});
    const Tensor windows = whole.view({pixels.size(0), 3, rows, patch_, columns, patch_})
                               .permute({0, 2, 4, 1, 3, 5})
                               .reshape({pixels.size(0), rows, columns, 3 * patch_ * patch_});
    return product(windows);
  }
  std::int64_t along(std::int64_t side) const { return (side + patch_ - 1) / patch_; }

 private:
  std::int64_t patch_;
};

}  // namespace

class SwinBody::Embeddings : public ParameterModule {
 public:
  Embeddings(const SwinOptions& o, const torch::TensorOptions& t) : options_(o) {
    patches_ =
        register_at(*this, "patch_embeddings.projection", std::make_shared<SwinPatches>(o, t));
    norm_ = register_module("norm", LayerNorm(o.embed_dim, kTorchEpsilon, t));
    if (!o.absolute) return;
    const std::int64_t count = (o.image_height / o.patch) * (o.image_width / o.patch);
    add_parameter("position_embeddings", positions_, {1, count, o.embed_dim}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator& generator) const override {
    if (name == "position_embeddings") return torch::zeros(positions_.sizes(), torch::kFloat32);
    return ParameterModule::first_value(name, generator);
  }
  Tensor forward(const Tensor& pixels) const {
    const Tensor x = norm_->forward(patches_->forward(pixels));
    return positions_.defined() ? x + positions_.view({1, x.size(1), x.size(2), x.size(3)}) : x;
  }
  void add_cost(const StepTerms& terms, std::int64_t pictures, std::int64_t rows,
                std::int64_t columns, TowerCost& cost) const {
    const std::int64_t places = pictures * rows * columns;
    const ProductsCost product =
        patches_cost(terms, *patches_, places * 3 * options_.patch * options_.patch);
    const TrainedShare share = trained_within(terms, *this);
    const bool normed = product.trains || terms.of(*norm_).trains;
    cost.add_part(terms, share,
                  product.input + product.numbers + (normed ? norm_kept(terms, norm_, places) : 0),
                  product.work + terms.block(places * options_.embed_dim));
  }
  std::int64_t along(std::int64_t side) const { return patches_->along(side); }

 private:
  const SwinOptions options_;
  std::shared_ptr<SwinPatches> patches_;
  LayerNorm norm_{nullptr};
  Tensor positions_;
};

/// Four neighbouring places become one of twice the width.
class SwinBody::Merging : public torch::nn::Module {
 public:
  Merging(std::int64_t width, const torch::TensorOptions& t) {
    reduction_ = register_module("reduction", Linear(4 * width, 2 * width, false, t));
    norm_ = register_module("norm", LayerNorm(4 * width, kTorchEpsilon, t));
  }
  /// [maps, rows, columns, width] → [maps, ⌈rows / 2⌉, ⌈columns / 2⌉, 2 · width]
  Tensor forward(const Tensor& x) const {
    const std::int64_t rows = halved(x.size(1)), columns = halved(x.size(2));
    const Tensor even =
        at::constant_pad_nd(x, {0, 0, 0, 2 * columns - x.size(2), 0, 2 * rows - x.size(1)});
    // A place's four come column by column: above, below, then those to the right.
    const Tensor together = even.reshape({x.size(0), rows, 2, columns, 2, x.size(3)})
                                .permute({0, 1, 3, 4, 2, 5})
                                .reshape({x.size(0) * rows * columns, 4 * x.size(3)});
    return reduction_->forward(norm_->forward(together)).view({x.size(0), rows, columns, -1});
  }
  /// `places`: that it makes.
  void add_cost(const StepTerms& terms, std::int64_t places, TowerCost& cost) const {
    const bool normed = cost.flows || terms.of(*norm_).trains;
    const ProductsCost product = products_cost(terms, {reduction_}, places);
    const std::int64_t wide = terms.block(places * reduction_->in_features());
    cost.add_part(terms, trained_within(terms, *this),
                  product.input + product.numbers + (normed ? norm_kept(terms, norm_, places) : 0),
                  2 * wide + product.work);
  }

 private:
  Linear reduction_{nullptr};
  LayerNorm norm_{nullptr};
};

struct SwinBody::Stage : public torch::nn::Module {
  Stage(const SwinOptions& o, std::size_t number, const torch::TensorOptions& t) {
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.depths[number]; ++i) {
      layers.push_back(std::make_shared<SwinLayer>(o, number, i % 2 == 1, t));
      list->push_back(layers.back());
    }
    register_module("blocks", list);
    if (number + 1 < o.depths.size())
      merging = register_module("downsample", std::make_shared<Merging>(o.width(number), t));
  }
  std::vector<std::shared_ptr<SwinLayer>> layers;
  std::shared_ptr<Merging> merging;
};

SwinBody::SwinBody(const SwinOptions& o, const torch::TensorOptions& t) : options_(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  torch::nn::ModuleList list;
  for (std::size_t stage = 0; stage < o.depths.size(); ++stage) {
    stages_.push_back(std::make_shared<Stage>(o, stage, t));
    list->push_back(stages_.back());
  }
  register_module("encoder", std::make_shared<SwinPart>())->register_module("layers", list);
  norm_ = register_module("layernorm", LayerNorm(width(), o.layer_norm_eps, t));
}

std::int64_t SwinBody::layers() const {
  return std::accumulate(options_.depths.begin(), options_.depths.end(), std::int64_t{0});
}

std::pair<std::size_t, std::size_t> SwinBody::place_of(std::int64_t layer) const {
  std::size_t stage = 0;
  for (; layer >= options_.depths[stage]; ++stage) layer -= options_.depths[stage];
  return {stage, static_cast<std::size_t>(layer)};
}

SwinMap SwinBody::map_of(std::int64_t layer, const SwinFrames& frames) const {
  const std::size_t stage = place_of(layer).first;
  SwinMap map{embeddings_->along(frames.height), embeddings_->along(frames.width),
              options_.width(stage), options_.heads[stage]};
  for (std::size_t i = 0; i < stage; ++i)
    map.rows = halved(map.rows), map.columns = halved(map.columns);
  return map;
}

const SwinLayer& SwinBody::layer(std::int64_t layer) const {
  const auto [stage, place] = place_of(layer);
  return *stages_[stage]->layers[place];
}

Tensor SwinBody::begin(const Tensor& pixels) const {
  TORCH_CHECK(!options_.absolute || (pixels.size(2) == options_.image_height &&
                                     pixels.size(3) == options_.image_width),
              "the picture's size does not fit the model's positions");
  return embeddings_->forward(pixels);
}

Tensor SwinBody::merged(const Tensor& x, std::int64_t layer) const {
  const auto [stage, place] = place_of(layer);
  const Stage& own = *stages_[stage];
  return own.merging && place + 1 == own.layers.size() ? own.merging->forward(x) : x;
}

Tensor SwinBody::through(Tensor x, std::int64_t from, std::int64_t to) const {
  for (std::int64_t i = from; i < to; ++i) x = merged(layer(i).forward(x), i);
  return x;
}

Tensor SwinBody::vectors(const Tensor& pixels) {
  return norm_->forward(through(begin(pixels), 0, layers())).mean({1, 2});
}

PictureStates SwinBody::states_of(const Tensor& pixels) {
  const Tensor last = norm_->forward(through(begin(pixels), 0, layers())).flatten(1, 2);
  return {last, last.mean(1)};
}

void SwinBody::add_beginning(const StepTerms& terms, const SwinFrames& frames,
                             TowerCost& cost) const {
  const SwinMap first = map_of(0, frames);
  embeddings_->add_cost(terms, frames.count, first.rows, first.columns, cost);
}

void SwinBody::add_merging(const StepTerms& terms, const SwinFrames& frames, std::int64_t layer,
                           TowerCost& cost) const {
  const auto [stage, place] = place_of(layer);
  const Stage& own = *stages_[stage];
  if (!own.merging || place + 1 != own.layers.size()) return;
  own.merging->add_cost(terms, frames.count * map_of(layer + 1, frames).places(), cost);
}

void SwinBody::add_layers(const StepTerms& terms, const SwinFrames& frames, std::int64_t from,
                          std::int64_t to, TowerCost& cost) const {
  for (std::int64_t i = from; i < to; ++i) {
    const SwinMap map = map_of(i, frames);
    cost.add_layer(terms, layer(i).cost(terms, frames.count, map.rows, map.columns, cost.flows));
    add_merging(terms, frames, i, cost);
  }
}

void SwinBody::add_norm(const StepTerms& terms, const SwinFrames& frames, TowerCost& cost) const {
  const TrainedShare last = terms.of(*norm_);
  if (!cost.flows && !last.trains) return;
  const std::int64_t places = frames.count * map_of(layers() - 1, frames).places();
  cost.add_part(terms, last, norm_kept(terms, norm_, places), terms.block(places * width()));
}

TowerCost SwinBody::cost(const Pass& pass) const {
  SwinFrames frames = own_frames(pass.pictures.frames);
  if (!options_.absolute && frames.count > 0)
    frames.height = static_cast<std::int64_t>(std::lround(std::sqrt(
        static_cast<double>(pass.pictures.numbers) / static_cast<double>(3 * frames.count))));
  frames.height = std::max(frames.height, options_.smallest_frame());
  if (!options_.absolute) frames.width = frames.height;
  TowerCost cost;
  add_beginning(pass.terms, frames, cost);
  add_layers(pass.terms, frames, 0, layers(), cost);
  add_norm(pass.terms, frames, cost);
  return cost;
}

ModelGeometry SwinBody::geometry() const {
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = g.vision_hidden_size = width();
  for (const std::int64_t depth : options_.depths) g.vision_layers += depth;
  g.num_hidden_layers = g.vision_layers;
  if (options_.absolute)
    g.image_height = options_.image_height, g.image_width = options_.image_width;
  return g;
}

std::int64_t SwinOptions::smallest_frame() const {
  const std::int64_t patches = ((window - 1) << (depths.size() - 1)) + 1;
  return patch * (patches - 1) + 1;
}

Status read_swin_options(const Json& config, const std::string& where, SwinOptions& o) {
  std::int64_t channels = 3;
  LUTHIER_CHECK(read_in_range(config, "num_channels", where, 3, 3, channels));
  const auto size = config.find("image_size");
  if (size != config.end() && size->is_array()) {
    std::vector<std::int64_t> sides;
    LUTHIER_CHECK(read_list_in_range(config, "image_size", where, 2, 1, 1 << 14, sides));
    if (sides.size() != 2)
      return input_error("A height and a width are expected.", where + ": image_size");
    o.image_height = sides[0], o.image_width = sides[1];
  } else {
    LUTHIER_CHECK(read_in_range(config, "image_size", where, 1, 1 << 14, o.image_height));
    o.image_width = o.image_height;
  }
  LUTHIER_CHECK(read_in_range(config, "patch_size", where, 1, 1 << 10, o.patch));
  LUTHIER_CHECK(read_in_range(config, "embed_dim", where, 1, 1 << 14, o.embed_dim));
  LUTHIER_CHECK(read_in_range(config, "window_size", where, 1, 1 << 8, o.window));
  LUTHIER_CHECK(read_list_in_range(config, "depths", where, 8, 1, 512, o.depths));
  LUTHIER_CHECK(read_list_in_range(config, "num_heads", where, 8, 1, 1 << 12, o.heads));
  if (o.depths.empty() || o.depths.size() != o.heads.size())
    return input_error("There are not as many num_heads as depths.", where + ": num_heads");
  for (std::size_t stage = 0; stage < o.depths.size(); ++stage)
    if (o.width(stage) % o.heads[stage] != 0)
      return input_error("A stage's width of " + std::to_string(o.width(stage)) +
                             " is not a multiple of its heads.",
                         where + ": num_heads");
  LUTHIER_TRY(o.mlp_ratio, json_number(config, "mlp_ratio", where, o.mlp_ratio));
  if (!(o.mlp_ratio * static_cast<double>(o.embed_dim) >= 1) || o.mlp_ratio > 64)
    return input_error("The MLP must be wider than nothing, and mlp_ratio at most 64.",
                       where + ": mlp_ratio");
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "layer_norm_eps", where, o.layer_norm_eps));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "qkv_bias", where, true));
  LUTHIER_TRY(o.absolute, json_bool(config, "use_absolute_embeddings", where, false));
  if (o.absolute && (o.image_height % o.patch != 0 || o.image_width % o.patch != 0))
    return input_error("Positions are of whole patches.", where + ": image_size");
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "gelu"));
  LUTHIER_TRY(o.activation, parse_activation(act, where + ": hidden_act"));
  return {};
}

}  // namespace luthier
