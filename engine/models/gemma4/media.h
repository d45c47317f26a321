// SPDX-License-Identifier: GPL-3.0-or-later
// What Gemma 4's models have in common that take pictures, with a tower before the text or without
// one: the places of pictures, films and sound in a row, the product that ends a picture's way into
// the text, how a picture is written, and the layout of its processor's patches.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/models/tower_model.h"

namespace luthier {

class GivenArguments;

struct Gemma4MediaOptions {
  DecoderOptions text;
  bool tie_word_embeddings = true;
  bool hears = false;  ///< the folder has what takes sound, too
  TokenId image_token_id = 258880;
  std::vector<TokenId> other_media;  ///< of films and sound: their tokens are looked up as padding
};
/// All but the pictures' own section. `text_type`: the decoder's model_type.
Status read_gemma4_media(const Json& config, const std::string& where, const char* text_type,
                         Gemma4MediaOptions& options);

/// A norm without a weight, and one product.
class Gemma4Embedder : public torch::nn::Module {
 public:
  Gemma4Embedder(std::int64_t width, std::int64_t text_width, double epsilon,
                 const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& features);
  /// `flows`: a gradient is wanted of the features.
  ProjectorCost cost(const Pass& pass, bool flows) const;

 private:
  double epsilon_;
  Linear embedding_projection_{nullptr};
};

class Gemma4MediaModel : public TowerModel {
 public:
  explicit Gemma4MediaModel(const Gemma4MediaOptions& options)
      : image_(options.image_token_id), others_(options.other_media) {}
  TokenSequence embed(const ModelInput& input) override;
  void prepare(ModelInput& input) const override;

 protected:
  bool makes_blocks() const override { return layers().picture_blocks; }

 private:
  const Gemma4Options& layers() const { return *decoder()->options.gemma4; }

  TokenId image_;
  std::vector<TokenId> others_;
};

/// What a picture processor has to cut for a model.
struct Gemma4Patches {
  const char* processor;  ///< its image_processor_type
  std::int64_t patch_size = 16, pooling = 3;
  std::int64_t numbers = 0;    ///< of each patch that it gives
  std::int64_t block = 1;      ///< of those, for each token
  std::int64_t positions = 0;  ///< rows, and columns, that there are places for
  bool hears = false;
};
/// The template writes one token for a picture; the processor writes as many as there are features,
/// between one that opens and one that closes them. Refuses a processor that cuts other patches.
Result<ImageTokens> gemma4_image_tokens(const Gemma4Patches& patches,
                                        const std::filesystem::path& folder);

/// [pictures, the most patches, numbers], row by row, zeros behind a picture's own.
torch::Tensor gemma4_layout(const ModelInput& input);

/// The other way round: patches by image_position_ids, of which −1 is a place that fills up;
/// `side`: of the squares of patches that come together.
Status gemma4_given(const GivenArguments& given, std::int64_t side, const Json& config,
                    ModelInput& input);

/// Family::leave_out of what takes sound.
void gemma4_without_sound(Json& config);

}  // namespace luthier
