// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/phi4_multimodal/phi4_tower.h"

#include <algorithm>
#include <array>
#include <optional>

#include "engine/models/config_numbers.h"
#include "engine/models/pictures/pooling_head.h"
#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kPhi4Patches = "patches", *kPhi4Positions = "patch_positions",
                     *kPhi4Pooled = "pooled_patches", *kPhi4Shown = "shown_patches",
                     *kPhi4Rows = "frames", *kPhi4Seen = "shown", *kPhi4Across = "frames_to_shown";

Tensor indices(const std::vector<std::int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

}  // namespace

/// What forward() gathers: of all patches of all frames those that go through the layers, their
/// positions, and of these the four of each feature; where some show nothing, those that do.
struct Phi4Tower::Gathers {
  Tensor patches, positions;  ///< [patches] int64
  Tensor pooled;              ///< [4, features] int64, into `patches`
  Tensor shown;               ///< [shown patches] int64, into `patches`; undefined: all of them
  RowLayout rows, seen;       ///< of `patches` and of `shown`
};

class Phi4Tower::Embeddings : public torch::nn::Module {
 public:
  Embeddings(const Phi4VisionOptions& o, const torch::TensorOptions& t) {
    patch_embedding_ =
        register_module("patch_embedding", std::make_shared<PatchConvolution>(o, /*bias=*/true, t));
    position_embedding_ =
        register_module("position_embedding", Embedding(o.patches(), o.hidden_size, t));
  }
  Tensor forward(const Tensor& pixels, const Tensor& patches, const Tensor& positions) const {
    const Tensor all = patch_embedding_->forward(pixels).flatten(0, 1);
    return reorder(all, patches, {}) + position_embedding_->forward(positions);
  }
  torch::ScalarType dtype() const { return patch_embedding_->dtype(); }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t pixels) const {
    const ProductsCost product = patches_cost(terms, *patch_embedding_, pixels);
    cost.add_part(terms, trained_within(terms, *this), product.input + product.numbers,
                  product.work);
  }

 private:
  std::shared_ptr<PatchConvolution> patch_embedding_;
  Embedding position_embedding_{nullptr};
};

class Phi4Tower::Encoder : public torch::nn::Module {};

Result<Phi4VisionOptions> read_phi4_vision(const Json& config, const std::string& where) {
  Phi4VisionOptions o;
  LUTHIER_TRY(const std::string type,
              json_string(config, "model_type", where, "phi4_multimodal_vision"));
  if (type != "phi4_multimodal_vision")
    return input_error("The vision tower \"" + type + "\" is not this family's.",
                       where + ": model_type", "It is phi4_multimodal_vision.");
  o.hidden_size = 1152, o.intermediate_size = 4304;
  o.num_hidden_layers = 27, o.num_attention_heads = 16;
  o.image_height = o.image_width = 448, o.patch_size = 14;
  o.layer_norm_eps = 1e-6;
  o.hidden_act = Activation::GeluTanh;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  if (o.image_height != o.image_width)
    return input_error("The table of positions must be square.", where + ": image_size");
  LUTHIER_CHECK(read_in_range(config, "crop_size", where, 2 * o.patch_size, 1 << 14, o.crop_size));
  // An odd frame's last patches are pooled with those before them where the table is odd, too.
  if (o.cut().side % 2 != 0 && o.patch_rows() % 2 == 0)
    return input_error(
        "Of frames of " + std::to_string(o.cut().side) + " by " + std::to_string(o.cut().side) +
            " patches the last ones have nothing to be pooled with.",
        where + ": crop_size", "It is image_size, or a number of patches that two divides.");
  const std::int64_t states = o.num_hidden_layers + 1;
  LUTHIER_CHECK(
      read_in_range(config, "feature_layer", where, -states, states - 1, o.feature_layer));
  return o;
}

Phi4Tower::Phi4Tower(const Phi4VisionOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, o.num_channels * o.patch_size * o.patch_size,
                 "",
                 "this tower places its patches by their rows and columns, which such tokens do "
                 "not have"}),
      options_(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  const auto encoder = register_module("encoder", std::make_shared<Encoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<FrameLayer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_layernorm_ =
      register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  head_ = register_module("head", std::make_shared<PoolingHead>(o, t));
}

Phi4Tower::Gathers Phi4Tower::gathers(const std::vector<PictureFacts>& pictures) const {
  const Phi4Cut cut = options_.cut();
  const std::int64_t side = cut.side;
  std::vector<std::int64_t> patches, shown, lengths, seen;
  std::array<std::vector<std::int64_t>, 4> corners;
  std::vector<Tensor> positions;
  bool all = true;
  std::int64_t frame_start = 0;
  for (const PictureFacts& picture : pictures) {
    for (const PatchGrid& frame : cut.frames(picture.grid)) {
      const std::int64_t rows = cut.made(frame.rows), columns = cut.made(frame.columns),
                         first = static_cast<std::int64_t>(patches.size());
      for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t column = 0; column < columns; ++column) {
          if (row < frame.rows && column < frame.columns)
            shown.push_back(static_cast<std::int64_t>(patches.size()));
          patches.push_back(frame_start + row * side + column);
        }
      for (std::int64_t row = 0; row < frame.rows; row += 2)
        for (std::int64_t column = 0; column < frame.columns; column += 2)
          for (std::int64_t corner = 0; corner < 4; ++corner) {
            const auto at = [](std::int64_t place, std::int64_t next, std::int64_t made) {
              return place + next < made ? place + next : place - 1;
            };
            corners[static_cast<std::size_t>(corner)].push_back(
                first + at(row, corner / 2, rows) * columns + at(column, corner % 2, columns));
          }
      // What shows nothing stands where the first patch does.
      const Tensor places = positions_by_fraction(frame.rows, frame.columns, options_.patch_rows(),
                                                  embeddings_->dtype())
                                .view({frame.rows, frame.columns});
      positions.push_back(
          at::constant_pad_nd(places, {0, columns - frame.columns, 0, rows - frame.rows})
              .flatten());
      lengths.push_back(rows * columns);
      seen.push_back(frame.rows * frame.columns);
      all = all && lengths.back() == seen.back();
      frame_start += side * side;
    }
  }
  Gathers made;
  made.patches = indices(patches);
  made.positions = at::cat(positions);
  std::vector<std::int64_t> pooled;
  for (const auto& corner : corners) pooled.insert(pooled.end(), corner.begin(), corner.end());
  made.pooled = indices(pooled).view({4, -1});
  made.rows = RowLayout(lengths);
  if (all) return made;
  made.shown = indices(shown);
  made.seen = RowLayout(seen);
  return made;
}

void Phi4Tower::prepare(ModelInput& input) const {
  const Gathers made = gathers(input.pictures);
  input.aside[kPhi4Patches] = made.patches, input.aside[kPhi4Positions] = made.positions;
  input.aside[kPhi4Pooled] = made.pooled;
  // Rows that look across are asked where they end, however alike they are.
  const auto set_aside = [&](const RowLayout& rows, const char* name) {
    rows.set_aside(input.aside, name, /*standing=*/made.shown.defined() && rows.equal());
  };
  set_aside(made.rows, kPhi4Rows);
  if (!made.shown.defined()) return;
  input.aside[kPhi4Shown] = made.shown;
  set_aside(made.seen, kPhi4Seen);
  set_across_aside(made.rows, made.seen, input.aside, kPhi4Across);
}

Tensor Phi4Tower::forward(const ModelInput& input) {
  const Tensor& pixels = input.pixel_values;
  Gathers made = gathers(input.pictures);
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(0) == made.rows.rows() && pixels.size(1) == 3 &&
                  pixels.size(2) == options_.crop_size && pixels.size(3) == options_.crop_size,
              "the pictures' squares do not fit the tower");
  std::vector<Tensor*> needed;
  const auto take = [&](Tensor& index, const char* name) {
    if (const auto found = input.aside.find(name); found != input.aside.end())
      index = found->second;
    needed.push_back(&index);
  };
  take(made.patches, kPhi4Patches), take(made.positions, kPhi4Positions);
  take(made.pooled, kPhi4Pooled);
  if (made.shown.defined()) take(made.shown, kPhi4Shown);
  move_together(needed, pixels.device());
  made.rows.take_back(input.aside, kPhi4Rows);
  std::optional<SeenPatches> seen;
  if (made.shown.defined()) {
    made.seen.take_back(input.aside, kPhi4Seen);
    take_across_back(made.rows, made.seen, input.aside, kPhi4Across);
    seen = SeenPatches{made.seen, made.shown};
  }
  Tensor x = embeddings_->forward(pixels, made.patches, made.positions);
  for (std::int64_t i = 0; i < options_.layers_run(); ++i)
    x = layers_[static_cast<std::size_t>(i)]->forward(x, made.rows, seen ? &*seen : nullptr);
  return x.index_select(0, made.pooled.flatten()).unflatten(0, {4, -1}).mean(0);
}

std::int64_t Phi4Tower::features(const PictureLoad& pictures) const {
  const std::int64_t edge = options_.cut().pooled();
  return std::max(pictures.tokens - pictures.images * (edge + 1), pictures.images * edge * edge);
}

TowerCost Phi4Tower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t side = options_.cut().side,
                     patches =
                         std::min(4 * features(pass.pictures), pass.pictures.frames * side * side);
  TowerCost cost;
  embeddings_->add_cost(cost, terms, pass.pictures.numbers);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (static_cast<std::int64_t>(i) < options_.layers_run())
      cost.add_layer(terms, layers_[i]->cost(terms, unmoved_rows(terms, patches), cost.flows));
    else
      cost.unreached += trained_within(terms, *layers_[i]).parameters;
  }
  cost.unreached += terms.of(*post_layernorm_).parameters;
  cost.unreached += trained_within(terms, *head_).parameters;
  return cost;
}

}  // namespace luthier
