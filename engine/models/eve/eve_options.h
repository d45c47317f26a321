// SPDX-License-Identifier: GPL-3.0-or-later
// EVE's config.json, one flat object with Llama's own fields, and what of a folder's picture
// processor goes by it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "engine/models/eve/patch_aligner.h"
#include "engine/models/tower_model.h"

namespace luthier::eve {

struct Options {
  DecoderOptions text;
  TokenizerSizes vision;
  std::optional<AlignerSizes> aligner;
  TokenId image_token_id = -1;
  bool tie_word_embeddings = false;

  /// The teacher's patches along its picture; 0: there is none.
  std::int64_t teacher_side() const {
    return aligner ? aligner->image_size / vision.patch_stride : 0;
  }
};

/// Input error that names the field, of a model that is not made here.
Result<Options> read_options(const Json& config, const std::string& where);

/// What the picture processor is where its file does not say. The authors' files call it a
/// CLIPFeatureExtractor, whose fields theirs stand beside.
ProcessorDefaults picture_processor(const Options& o);

/// A picture's tokens: a class token, and rows of squares with what ends each. Input error where
/// the folder's picture processor does not go with its config.json.
Result<ImageTokens> image_tokens(const Options& o, const std::filesystem::path& folder);

}  // namespace luthier::eve
