// SPDX-License-Identifier: GPL-3.0-or-later
// What families share whose pictures are features put in the places of their tokens before a
// decoder: everything but the tower and the way from its features into the text. And the readers of
// what their config.json files have in common.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>

#include "engine/models/decoder_model.h"
#include "engine/models/vision_parts.h"

namespace luthier {

class TowerModel : public DecoderModel, public PictureTower {
 public:
  PictureTower* picture_tower() override { return this; }
  TokenSequence embed(const ModelInput& input) override;
  void prepare(ModelInput& input) const override;

 protected:
  /// Registers the family's modules as "model" and the head, which is the decoder's embedding where
  /// `tied`.
  void assemble(std::shared_ptr<torch::nn::Module> body, const Decoder& decoder, bool tied,
                TokenId image_token, const torch::TensorOptions& tensors);
  /// The same of modules that the family has registered under names of its own.
  void hold(const Decoder& decoder, Linear head, TokenId image_token);
  /// tower()'s features → [image tokens, text width], in the order of the tokens.
  virtual torch::Tensor project(const torch::Tensor& features, const ModelInput& input) = 0;

  /// What tower() and project() cost, and whether embed() makes blocks or hands the decoder states
  /// of its own to add (so many times).
  virtual TowerCost tower_cost(const Pass& pass) const = 0;
  virtual ProjectorCost projector_cost(const Pass& pass) const = 0;
  virtual bool makes_blocks() const { return false; }
  virtual std::int64_t deepstack_layers() const { return 0; }
  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override;

  /// Where what project() makes goes: [image tokens] int64.
  torch::Tensor image_places(const ModelInput& input) const;
  /// The same from the ids; more than the pictures' tokens where project() makes more. A film's
  /// tokens are places where the input has films: what a file says of them is looked at nowhere
  /// else.
  virtual torch::Tensor feature_places(const ModelInput& input) const;

  /// Each run of image tokens is a block: [tokens] int64, −1 for the others. A run over the end of
  /// a row is two, since rows do not see one another.
  torch::Tensor image_blocks(const torch::Tensor& ids) const;

  /// What geometry() says of the text half and of a tower of these sizes.
  ModelGeometry describe(const VisionSizes& vision) const;

  TokenId film_token_ = -1;  ///< of a family whose films have a token of their own

 private:
  TokenId image_token_ = -1;
};

/// config[key] if it is an object, an empty object if it is absent or null; anything else is an
/// Input error.
Result<Json> config_section(const Json& config, const char* key, const std::string& where);
/// The id under the first of `keys` that is there, else `fallback`; it must be in the vocabulary.
Result<TokenId> read_image_token(const Json& config, std::initializer_list<const char*> keys,
                                 TokenId fallback, std::int64_t vocab_size,
                                 const std::string& where);

}  // namespace luthier
