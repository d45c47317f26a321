// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/visual_bert/visual_embeddings.h"

#include <algorithm>

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::int64_t kRegionType = 1;
constexpr const char *kAlignedTokens = "aligned_tokens", *kAlignedRegions = "aligned_regions",
                     *kAlignedShares = "aligned_shares";

/// A child that the text's part has made.
template <class Holder>
Holder child_of(torch::nn::Module& module, const char* name) {
  const auto children = module.named_children();
  return Holder(std::dynamic_pointer_cast<typename Holder::ContainedType>(children[name]));
}

}  // namespace

VisualEmbeddings::VisualEmbeddings(const TextTables& tables, std::int64_t region_width,
                                   const torch::TensorOptions& t)
    : TextEmbeddings(tables, t), region_width_(region_width), width_(tables.width) {
  word_positions_ = child_of<Embedding>(*this, "position_embeddings");
  norm_ = child_of<LayerNorm>(*this, "LayerNorm");
  types_ = register_module("visual_token_type_embeddings", Embedding(tables.types, width_, t));
  positions_ =
      register_module("visual_position_embeddings", Embedding(tables.positions, width_, t));
  projection_ = register_module("visual_projection", Linear(region_width, width_, true, t));
}

void VisualEmbeddings::set_alignment_aside(const ModelInput& input, NamedTensorMap& aside) {
  std::vector<std::int64_t> tokens, regions;
  std::vector<float> shares;
  std::int64_t region = 0;
  for (const PictureFacts& picture : input.pictures) {
    const std::int64_t words = picture.grid.size() > 2 ? picture.grid[1] : 0;
    for (std::int64_t i = 0; i < picture.rows; ++i, ++region) {
      const auto begin = picture.grid.begin() + 2 + i * words;
      const auto some = words > 0 ? std::count_if(begin, begin + words,
                                                  [](std::int64_t place) { return place >= 0; })
                                  : 0;
      for (std::int64_t word = 0; word < words; ++word) {
        if (begin[word] < 0) continue;
        tokens.push_back(begin[word]);
        regions.push_back(region);
        shares.push_back(1.0f / static_cast<float>(some));
      }
    }
  }
  if (tokens.empty()) return;
  aside[kAlignedTokens] = torch::tensor(tokens, torch::kInt64);
  aside[kAlignedRegions] = torch::tensor(regions, torch::kInt64);
  aside[kAlignedShares] = torch::tensor(shares, torch::kFloat32);
}

Tensor VisualEmbeddings::regions(const ModelInput& input) const {
  const Tensor features = input.pixel_values.slice(1, 0, region_width_);
  const auto one = [&](std::int64_t id) {
    return torch::full({1}, id, torch::TensorOptions(torch::kInt64).device(features.device()));
  };
  Tensor sum = projection_->forward(features.to(positions_->weight.scalar_type()));
  NamedTensorMap own;
  if (!input.aside.contains(kAlignedTokens)) set_alignment_aside(input, own);
  const NamedTensorMap& aside = own.empty() ? input.aside : own;
  if (aside.contains(kAlignedTokens)) {
    const auto there = [&](const char* name) { return aside.at(name).to(features.device()); };
    const Tensor each = word_positions_->forward(there(kAlignedTokens)) *
                        there(kAlignedShares).to(sum.scalar_type()).unsqueeze(1);
    sum = sum + torch::zeros_like(sum).index_add(0, there(kAlignedRegions), each);
  }
  return norm_->forward(sum + positions_->forward(one(0)) + types_->forward(one(kRegionType)));
}

TrainedShare VisualEmbeddings::of_regions(const StepTerms& terms) const {
  TrainedShare share = terms.of(*projection_);
  share += terms.of(*types_);
  share += terms.of(*positions_);
  return share;
}

Stage VisualEmbeddings::cost(const StepTerms& terms, std::int64_t words,
                             std::int64_t regions) const {
  Stage stage = TextEmbeddings::cost(terms, words);
  if (regions == 0) {
    stage.gradients -= of_regions(terms).parameters * terms.gradient_element;
    return stage;
  }
  const ProductsCost projected = products_cost(terms, {projection_}, regions);
  const std::int64_t state = terms.block(regions * width_);
  std::int64_t kept = projected.input + projected.numbers;
  if (trained_within(terms, *this).trains) kept += norm_kept(terms, norm_, regions);
  stage.kept += kept;
  for (Stage::Moment& moment : stage.moments) {
    moment.left += kept;
    moment.work += 2 * state + projected.work;
  }
  return stage;
}

}  // namespace luthier
