// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2's modules for answers to pictures (Li et al. 2023; Blip2ForConditionalGeneration of
// transformers 5.17): a tower, a Q-Former whose queries are parameters of the model, a product into
// the language model, in front of whose words the queries stand. InstructBLIP's (Dai et al. 2023;
// InstructBlipForConditionalGeneration) are the same but that the Q-Former reads the instruction,
// too, which comes as the input's source_ids by a tokenizer of its own.
#pragma once

#include <memory>
#include <string>

#include "engine/models/blip/blip_tower.h"
#include "engine/models/blip2/language_half.h"
#include "engine/models/blip2/qformer.h"
#include "engine/models/tower_model.h"

namespace luthier {

struct Blip2Options {
  BlipTowerOptions vision;
  QFormerOptions qformer;
  LanguageOptions text;
  TokenId image_token_id = -1;
  bool tie_word_embeddings = false;
};

class Blip2Model : public TowerModel {
 public:
  Blip2Model(const Blip2Options& options, const torch::TensorOptions& tensors);
  /// [pictures · tower tokens, tower width]: all that depends on the tower's weights alone. The
  /// Q-Former trains where a tower is fixed, so that its work begins behind what may be kept.
  torch::Tensor tower(const ModelInput& input) override;
  void start_own_tensors() override;
  void prepare(ModelInput& input) const override;
  ModelGeometry geometry() const override;
  std::int64_t feature_numbers(const PictureLoad& pictures) const override;

 protected:
  torch::Tensor project(const torch::Tensor& features, const ModelInput& input) override;
  TowerCost tower_cost(const Pass& pass) const override;
  ProjectorCost projector_cost(const Pass& pass) const override;
  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override;

 private:
  /// What the Q-Former reads beside the queries: the first rows' texts, one a picture.
  QFormerTexts texts_of(const ModelInput& input, std::int64_t pictures) const;

  Blip2Options options_;
  torch::Tensor query_tokens_;
  BlipTower vision_model_{nullptr};
  std::shared_ptr<QFormer> qformer_;
  Linear language_projection_{nullptr};
};

/// config.json's, with Blip2Config's defaults; `instructed`: InstructBlipConfig's.
Result<Blip2Options> read_blip2_options(const Json& config, const std::string& where,
                                        bool instructed);

}  // namespace luthier
