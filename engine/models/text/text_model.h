// SPDX-License-Identifier: GPL-3.0-or-later
// Models that read and write text alone: the decoder and its head, nothing before it. A family is a
// row that names its model_type; what the decoder is for it stands in decoder_kinds.cpp.
#pragma once

#include "engine/models/decoder_model.h"

namespace luthier {

struct TextOptions {
  DecoderOptions decoder;
  bool tie_word_embeddings = false;
};

class TextModel : public DecoderModel {
 public:
  TextModel(const TextOptions& options, const torch::TensorOptions& tensors);
};

Result<Plan> read_text_model(const Json& config, const std::filesystem::path& folder);

/// Files of a whole model have the names in memory; those of a decoder saved without its head lack
/// the "model." before them.
std::string text_memory_name(const std::string& stored);

/// The same of the text half of a model that takes pictures, whose files may have the names that it
/// has there ("model.language_model."), as transformers writes it where it was loaded from them.
std::string text_half_memory_name(const std::string& stored);

/// The family table's row of a model_type.
constexpr Family text_family(const char* model_type) {
  return {model_type, /*takes_pictures=*/false, read_text_model, text_memory_name, same_name};
}

}  // namespace luthier
