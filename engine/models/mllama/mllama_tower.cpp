// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mllama/mllama_tower.h"

#include <algorithm>

#include "engine/models/mllama/mllama_tower_layer.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kTileArrangements = "tile_arrangements", *kTowerOrder = "tower_order",
                     *kTowerOrderBack = "tower_order_back", *kTowerKept = "tower_kept";

Tensor index_tensor_of(const std::vector<std::int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

}  // namespace

/// A state for each tile of an arrangement, added as far as a learned number says.
class MllamaTower::TilePlaces : public ParameterModule {
 public:
  TilePlaces(const MllamaVisionOptions& o, const torch::TensorOptions& t) : tiles_(o.tiles) {
    add_parameter("gate", gate_, {1}, t);
    embedding_ =
        register_module("embedding", Embedding(o.arrangements + 1, o.tiles * o.hidden_size, t));
  }
  /// x [pictures, tiles, tokens, hidden].
  Tensor forward(const Tensor& x, const Tensor& arrangements) const {
    const Tensor places = embedding_->forward(arrangements).view({-1, tiles_, 1, x.size(3)});
    return x + places * at::tanh(gate_);
  }
  std::int64_t kept(const StepTerms& terms, std::int64_t pictures) const {
    return terms.of(*this).trains ? terms.block(pictures * embedding_->weight.size(1)) : 0;
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string&, const at::Generator&) const override {
    return torch::zeros({1}, torch::kFloat32);
  }

 private:
  std::int64_t tiles_;
  Tensor gate_;
  Embedding embedding_{nullptr};
};

/// The same for each token of a tile: one table for all tiles, and one by arrangement.
class MllamaTower::Positions : public ParameterModule {
 public:
  Positions(const MllamaVisionOptions& o, const torch::TensorOptions& t) {
    add_parameter("gate", gate_, {1}, t);
    add_parameter("embedding", embedding_, {o.tile_tokens(), o.hidden_size}, t);
    tile_embedding_ = register_module(
        "tile_embedding",
        Embedding(o.arrangements + 1, o.tiles * o.tile_tokens() * o.hidden_size, t));
  }
  Tensor forward(const Tensor& x, const Tensor& arrangements) const {
    const Tensor gate = at::tanh(gate_);
    const Tensor placed = x + ((1 - gate) * embedding_).view({1, 1, x.size(2), x.size(3)});
    return placed + gate * tile_embedding_->forward(arrangements).view(x.sizes());
  }
  std::int64_t kept(const StepTerms& terms, std::int64_t pictures) const {
    return terms.of(*this).trains ? terms.block(pictures * tile_embedding_->weight.size(1)) : 0;
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator&) const override {
    return name == "gate" ? torch::zeros({1}, torch::kFloat32) : Tensor();
  }

 private:
  Tensor gate_, embedding_;
  Embedding tile_embedding_{nullptr};
};

class MllamaTower::Encoder : public torch::nn::Module {};

std::vector<std::pair<std::int64_t, std::int64_t>> tile_arrangements(std::int64_t tiles) {
  std::vector<std::pair<std::int64_t, std::int64_t>> found;
  for (std::int64_t rows = 1; rows <= tiles; ++rows)
    for (std::int64_t columns = 1; rows * columns <= tiles; ++columns)
      found.emplace_back(rows, columns);
  return found;
}

MllamaTower::MllamaTower(const MllamaVisionOptions& o, const torch::TensorOptions& t)
    : PatchPort(
          {o.hidden_size, o.num_hidden_layers + o.global_layers,
           o.num_channels * o.patch_size * o.patch_size, "",
           "this tower tells tiles by their rows and columns, which such tokens do not have"}),
      options_(o) {
  add_parameter("class_embedding", class_embedding_, {o.hidden_size}, t);
  patch_embedding_ =
      register_module("patch_embedding", std::make_shared<PatchConvolution>(o, /*bias=*/false, t));
  positions_ = register_module("gated_positional_embedding", std::make_shared<Positions>(o, t));
  before_ = register_module("pre_tile_positional_embedding", std::make_shared<TilePlaces>(o, t));
  between_ = register_module("post_tile_positional_embedding", std::make_shared<TilePlaces>(o, t));
  constexpr double kEpsilon = 1e-5;  // whatever norm_eps says
  layernorm_pre_ = register_module("layernorm_pre", LayerNorm(o.hidden_size, kEpsilon, t));
  layernorm_post_ = register_module("layernorm_post", LayerNorm(o.hidden_size, kEpsilon, t));
  const auto stack = [&](const char* name, std::int64_t count, bool gated,
                         std::vector<std::shared_ptr<MllamaTowerLayer>>& layers) {
    const auto encoder = register_module(name, std::make_shared<Encoder>());
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < count; ++i) {
      layers.push_back(std::make_shared<MllamaTowerLayer>(o, gated, t));
      list->push_back(layers.back());
    }
    encoder->register_module("layers", list);
  };
  stack("transformer", o.num_hidden_layers, /*gated=*/false, layers_);
  stack("global_transformer", o.global_layers, /*gated=*/true, global_layers_);
}

MllamaTower::Frames MllamaTower::frames(const std::vector<PictureFacts>& pictures) const {
  Frames made;
  made.all = options_.tiles * options_.padded_tokens();
  for (const PictureFacts& picture : pictures) {
    TORCH_CHECK(picture.grid.size() == 3 && picture.grid[0] >= 1 && picture.grid[1] >= 1 &&
                    picture.grid[0] <= options_.tiles && picture.grid[1] <= options_.tiles &&
                    picture.grid[0] * picture.grid[1] <= options_.tiles,
                "a picture's grid has the rows and columns of its tiles");
    made.shown.push_back(picture.grid[0] * picture.grid[1] * options_.tile_tokens());
  }
  return made;
}

MllamaTower::Tables MllamaTower::tables(const std::vector<PictureFacts>& pictures) const {
  const auto known = tile_arrangements(options_.tiles);
  const std::int64_t tokens = options_.tile_tokens(), padded = options_.padded_tokens();
  std::vector<std::int64_t> ids, there, kept;
  std::int64_t first = 0;  // of the picture's tokens
  for (const PictureFacts& picture : pictures) {
    const std::pair grid(picture.grid.at(0), picture.grid.at(1));
    const auto found = std::find(known.begin(), known.end(), grid);
    ids.push_back(1 + (found - known.begin()));
    const std::int64_t shown = grid.first * grid.second;
    std::vector<std::int64_t> rest;
    for (std::int64_t tile = 0; tile < options_.tiles; ++tile)
      for (std::int64_t token = 0; token < padded; ++token)
        (tile < shown && token < tokens ? there : rest).push_back(first + tile * padded + token);
    there.insert(there.end(), rest.begin(), rest.end());
    first += options_.tiles * padded;
  }
  std::vector<std::int64_t> back(there.size());
  for (std::size_t i = 0; i < there.size(); ++i)
    back[static_cast<std::size_t>(there[i])] = static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i < back.size(); ++i)
    if (static_cast<std::int64_t>(i) % padded < tokens) kept.push_back(back[i]);
  return {index_tensor_of(ids), index_tensor_of(there), index_tensor_of(back),
          index_tensor_of(kept)};
}

void MllamaTower::prepare(ModelInput& input) const {
  (void)frames(input.pictures);  // so that the tables are of grids that there are
  const Tables made = tables(input.pictures);
  input.aside[kTileArrangements] = made.arrangements, input.aside[kTowerOrder] = made.there;
  input.aside[kTowerOrderBack] = made.back, input.aside[kTowerKept] = made.kept;
}

/// → [pictures, tiles, tokens, hidden].
Tensor MllamaTower::entered(const Tensor& pixels, const Tensor& arrangements) {
  Tensor x = patch_embedding_->forward(pixels).unflatten(0, {-1, options_.tiles});
  x = before_->forward(x, arrangements);
  const Tensor first = class_embedding_.expand({x.size(0), x.size(1), 1, -1});
  return layernorm_pre_(positions_->forward(at::cat({first, x}, 2), arrangements));
}

Tensor MllamaTower::forward(const ModelInput& input) {
  const Tensor& pixels = input.pixel_values;
  const auto pictures = static_cast<std::int64_t>(input.pictures.size());
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(0) == pictures * options_.tiles &&
                  pixels.size(1) == options_.num_channels &&
                  pixels.size(2) == options_.image_height && pixels.size(3) == options_.image_width,
              "the pictures' tiles do not fit the tower");
  const Frames parts = frames(input.pictures);
  const auto aside = input.aside.find(kTileArrangements);
  const Tables made = aside != input.aside.end()
                          ? Tables{aside->second, input.aside.at(kTowerOrder),
                                   input.aside.at(kTowerOrderBack), input.aside.at(kTowerKept)}
                          : tables(input.pictures);
  const auto here = [&](const Tensor& index) { return index.to(pixels.device()); };
  const Tensor arrangements = here(made.arrangements), there = here(made.there),
               back = here(made.back), kept = here(made.kept);
  const std::int64_t filler = options_.padded_tokens() - options_.tile_tokens(),
                     width = options_.hidden_size;
  Tensor x = at::constant_pad_nd(entered(pixels, arrangements), {0, 0, 0, filler});
  x = reorder(x.flatten(0, 2), there, back);
  const MllamaFrames rows(parts.shown, parts.all);
  std::vector<Tensor> states;
  for (const auto& layer : layers_) states.push_back(x = layer->forward(x, rows));
  x = reorder(layernorm_post_(x), back, there)
          .view({pictures, options_.tiles, options_.padded_tokens(), width});
  x = reorder(between_->forward(x, arrangements).flatten(0, 2), there, back);
  for (const auto& layer : global_layers_) x = layer->forward(x, rows);
  // Of what is no filler; the states before lie feature by feature.
  const Tensor last = reorder(x, kept, {});
  if (options_.chosen.empty()) return last;
  std::vector<Tensor> chosen;
  for (const std::int64_t layer : options_.chosen)
    chosen.push_back(reorder(states.at(static_cast<std::size_t>(layer)), kept, {}));
  return at::cat({last, at::stack(chosen, -1).flatten(1)}, 1);
}

/// The gradients of states that were handed on wait until those layers' turn.
void MllamaTower::add_waiting(TowerCost& cost, std::size_t layer, std::int64_t state) const {
  std::int64_t waiting = 0;
  for (const std::int64_t chosen : options_.chosen)
    if (static_cast<std::size_t>(chosen) < layer) waiting += state;
  for (Stage::Moment& moment : cost.stages.back().moments) moment.work += waiting;
}

TowerCost MllamaTower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t pictures = pass.pictures.images, tiles = pictures * options_.tiles,
                     tokens = tiles * options_.padded_tokens(),
                     shown = tiles * options_.tile_tokens(),
                     state = terms.block(tokens * options_.hidden_size);
  TowerCost cost;
  TrainedShare start = terms.of(*this);
  for (const ParameterModule* part : {static_cast<const ParameterModule*>(patch_embedding_.get()),
                                      static_cast<const ParameterModule*>(layernorm_pre_.get())})
    start += terms.of(*part);
  start += trained_within(terms, *positions_);
  start += trained_within(terms, *before_);
  const ProductsCost product = patches_cost(terms, *patch_embedding_, pass.pictures.numbers);
  const std::int64_t entry = product.input + product.numbers + positions_->kept(terms, pictures) +
                             before_->kept(terms, pictures) +
                             (start.trains ? norm_kept(terms, layernorm_pre_, shown) : 0);
  cost.add_part(terms, start, entry, product.work + 2 * state);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    cost.add_layer(terms, layers_[i]->cost(terms, tokens, pictures, cost.flows));
    add_waiting(cost, i, state);
  }
  TrainedShare middle = terms.of(*layernorm_post_);
  middle += trained_within(terms, *between_);
  if (cost.flows || middle.trains) {
    cost.add_part(terms, middle,
                  norm_kept(terms, layernorm_post_, tokens) + between_->kept(terms, pictures),
                  2 * state);
    add_waiting(cost, layers_.size(), state);
  }
  for (const auto& layer : global_layers_) {
    cost.add_layer(terms, layer->cost(terms, tokens, pictures, cost.flows));
    add_waiting(cost, layers_.size(), state);
  }
  return cost;
}

}  // namespace luthier
