// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/unified_embedder.h"

#include <algorithm>

#include "engine/models/config_numbers.h"
#include "engine/models/gemma4/gemma4_tower.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kUnifiedPlaces = "patch_places";
constexpr double kUnifiedEpsilon = 1e-5;  // torch's own

}  // namespace

Result<Gemma4UnifiedVisionOptions> read_gemma4_unified_vision(const Json& config,
                                                              const std::string& where) {
  Gemma4UnifiedVisionOptions o;
  LUTHIER_TRY(const std::string type,
              json_string(config, "model_type", where, "gemma4_unified_vision"));
  if (type != "gemma4_unified_vision")
    return input_error("The vision tower \"" + type + "\" is not this family's.",
                       where + ": model_type", "It is gemma4_unified_vision.");
  LUTHIER_CHECK(read_in_range(config, "patch_size", where, 1, 1 << 10, o.patch_size));
  LUTHIER_CHECK(read_in_range(config, "pooling_kernel_size", where, 1, 64, o.pooling));
  LUTHIER_CHECK(read_in_range(config, "mm_embed_dim", where, 1, 1 << 20, o.width));
  LUTHIER_CHECK(read_in_range(config, "mm_posemb_size", where, 1, 1 << 22, o.positions));
  std::int64_t handed_on = 3840;
  LUTHIER_CHECK(read_in_range(config, "output_proj_dims", where, 1, 1 << 20, handed_on));
  if (handed_on != o.width)
    return input_error("Features of " + std::to_string(o.width) +
                           " numbers do not fit a product that takes " + std::to_string(handed_on) +
                           ".",
                       where + ": output_proj_dims", "It must be mm_embed_dim.");
  LUTHIER_TRY(o.rms_norm_eps, json_number(config, "rms_norm_eps", where, o.rms_norm_eps));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  return o;
}

Gemma4UnifiedEmbedder::Gemma4UnifiedEmbedder(const Gemma4UnifiedVisionOptions& o,
                                             std::int64_t text_width, const torch::TensorOptions& t)
    : options_(o) {
  add_parameter("pos_embedding", pos_embedding_, {o.positions, 2, o.width}, t);
  patch_ln1_ = register_module("patch_ln1", LayerNorm(o.patch_values(), kUnifiedEpsilon, t));
  patch_dense_ = register_module("patch_dense", Linear(o.patch_values(), o.width, true, t));
  patch_ln2_ = register_module("patch_ln2", LayerNorm(o.width, kUnifiedEpsilon, t));
  pos_norm_ = register_module("pos_norm", LayerNorm(o.width, kUnifiedEpsilon, t));
  multimodal_embedder_ =
      register_module("multimodal_embedder",
                      std::make_shared<Gemma4Embedder>(o.width, text_width, o.rms_norm_eps, t));
}

Tensor Gemma4UnifiedEmbedder::places(const std::vector<PictureFacts>& pictures) const {
  const Tensor found = patch_coordinates(gemma4_grids(pictures), 1).flip(1).to(torch::kInt64);
  return found * 2 + torch::tensor({std::int64_t{0}, std::int64_t{1}});
}

void Gemma4UnifiedEmbedder::prepare(ModelInput& input) const {
  input.aside[kUnifiedPlaces] = places(input.pictures);
}

Tensor Gemma4UnifiedEmbedder::features(const ModelInput& input) {
  const Tensor& pixels = input.pixel_values;
  std::int64_t patches = 0;
  for (const QwenGrid& grid : gemma4_grids(input.pictures)) {
    TORCH_CHECK(std::max(grid.rows, grid.columns) <= options_.positions,
                "a picture has more rows or columns of patches than there are places for");
    patches += grid.rows * grid.columns;
  }
  TORCH_CHECK(
      pixels.dim() == 2 && pixels.size(0) == patches && pixels.size(1) == options_.patch_values(),
      "the pictures' patches do not fit the model");
  const auto aside = input.aside.find(kUnifiedPlaces);
  const Tensor own = aside != input.aside.end() ? aside->second : places(input.pictures);
  const Tensor normal = patch_ln1_(pixels.to(pos_embedding_.scalar_type()));
  const Tensor made = patch_ln2_(patch_dense_(normal));
  return pos_norm_(made + looked_up(pos_embedding_, own.to(pixels.device())).sum(1));
}

TowerCost Gemma4UnifiedEmbedder::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t patches = pass.pictures.patches, state = terms.block(patches * options_.width),
                     raw = terms.block(patches * options_.patch_values());
  TowerCost cost;
  TrainedShare first = terms.of(*patch_ln1_);
  const bool normed = first.trains;
  first += terms.of(*patch_dense_);
  const ProductsCost dense = products_cost(terms, {patch_dense_}, patches);
  std::int64_t kept = dense.input + dense.numbers, work = state + dense.work;
  if (normed) {
    // The pixels stand through the step as they came; narrower ones are a copy.
    kept += 2 * terms.floats(patches) + (terms.element < 4 ? raw : 0);
    work += raw;
  }
  cost.add_part(terms, first, kept, work);

  // Of a norm below which nothing learns the backward makes numbers of its weights alone.
  const auto norm = [&](const LayerNorm& each, const TrainedShare& share, bool flows) {
    if (flows || share.trains)
      cost.add_part(terms, share, norm_kept(terms, each, patches),
                    flows ? norm_work(terms, each, patches) : state);
  };
  norm(patch_ln2_, terms.of(*patch_ln2_), cost.flows);
  const TrainedShare table = terms.of(*this);
  TrainedShare last = terms.of(*pos_norm_);
  last += table;
  norm(pos_norm_, last, cost.flows || table.trains);
  // The table's gradient is added up from a copy for either axis, when the norm is done.
  if (table.trains)
    cost.stages.back().moments.push_back({0, state + terms.block(2 * patches * options_.width)});
  return cost;
}

ProjectorCost Gemma4UnifiedEmbedder::projector_cost(const Pass& pass) const {
  return multimodal_embedder_->cost(pass, cost(pass).flows);
}

}  // namespace luthier
