// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2's way from a picture to a language model (Li et al. 2023), whatever that is: a tower, a
// Q-Former over queries that are parameters of the model, and a product into the language model's
// width. InstructBLIP's (Dai et al. 2023) is the same but that the Q-Former reads the instruction,
// too, which comes as the input's source_ids by a tokenizer of its own.
#pragma once

#include <memory>
#include <string>

#include "engine/models/blip/blip_tower.h"
#include "engine/models/blip2/qformer.h"
#include "engine/models/model_input.h"

namespace luthier {

struct BridgeOptions {
  BlipTowerOptions vision;
  QFormerOptions qformer;
};
/// config.json's vision_config, qformer_config and num_query_tokens; `instructed`: InstructBLIP's.
Result<BridgeOptions> read_bridge_options(const Json& config, const std::string& where,
                                          bool instructed);

/// Registers its modules with the model that has it; the queries [1, queries, hidden] are the
/// model's own tensor.
class Bridge {
 public:
  Bridge(const BridgeOptions& options, std::int64_t text_width, torch::nn::Module& model,
         const torch::TensorOptions& tensors);

  /// [pictures · tower tokens, tower width]: all that depends on the tower's weights alone. The
  /// Q-Former trains where a tower is fixed, so that its work begins behind what may be kept.
  torch::Tensor tower(const ModelInput& input) const;
  /// → [pictures · queries, text width].
  torch::Tensor project(const torch::Tensor& query_tokens, const torch::Tensor& features,
                        const ModelInput& input) const;
  /// Sets aside where instructions stand among the queries.
  void prepare(ModelInput& input) const;

  std::int64_t feature_numbers(const PictureLoad& pictures) const;
  TowerCost tower_cost(const Pass& pass) const;
  ProjectorCost projection_cost(const Pass& pass) const;
  /// Adds the stages behind the inputs, which stand last in `cost`: the Q-Former's layers are
  /// stages of their own. `queries`: of the model's own tensor. Whether a gradient is wanted of
  /// what comes into the text.
  bool add_cost(const Pass& pass, const TrainedShare& queries, PassCost& cost) const;

  const BridgeOptions options;

 private:
  /// What the Q-Former reads beside the queries: the first rows' texts, one a picture.
  QFormerTexts texts_of(const ModelInput& input, std::int64_t pictures) const;

  BlipTower vision_model_{nullptr};
  std::shared_ptr<QFormer> qformer_;
  Linear language_projection_{nullptr};
};

/// The parts that its names belong to.
inline constexpr const char* kBridgeTower = "vision_model.";
inline constexpr const char* kBridgeProjector[] = {"query_tokens", "qformer.",
                                                   "language_projection."};

}  // namespace luthier
