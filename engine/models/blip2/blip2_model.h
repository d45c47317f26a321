// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2's modules for answers to pictures (Li et al. 2023; Blip2ForConditionalGeneration of
// transformers 5.17) before a decoder, in front of whose words the queries stand; and
// InstructBLIP's (Dai et al. 2023; InstructBlipForConditionalGeneration).
#pragma once

#include <string>

#include "engine/models/blip2/bridge.h"
#include "engine/models/blip2/language_half.h"
#include "engine/models/tower_model.h"

namespace luthier {

struct Blip2Options {
  BridgeOptions bridge;
  LanguageOptions text;
  TokenId image_token_id = -1;
  bool tie_word_embeddings = false;
};

class Blip2Model : public TowerModel {
 public:
  Blip2Model(const Blip2Options& options, const torch::TensorOptions& tensors);
  torch::Tensor tower(const ModelInput& input) override { return bridge_.tower(input); }
  void start_own_tensors() override { query_tokens_.zero_(); }
  void prepare(ModelInput& input) const override;
  ModelGeometry geometry() const override;
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return bridge_.feature_numbers(pictures);
  }

 protected:
  torch::Tensor project(const torch::Tensor& features, const ModelInput& input) override {
    return bridge_.project(query_tokens_, features, input);
  }
  TowerCost tower_cost(const Pass& pass) const override { return bridge_.tower_cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return bridge_.projection_cost(pass);
  }
  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override;

 private:
  torch::Tensor query_tokens_;
  Bridge bridge_;
};

/// config.json's, with Blip2Config's defaults; `instructed`: InstructBlipConfig's.
Result<Blip2Options> read_blip2_options(const Json& config, const std::string& where,
                                        bool instructed);

/// The token that stands for a picture's queries, which files of before 2024 do not name.
Result<TokenId> read_query_token(const Json& config, const std::string& where,
                                 std::int64_t vocabulary);

}  // namespace luthier
