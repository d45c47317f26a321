// SPDX-License-Identifier: GPL-3.0-or-later
// DeepSeek-OCR-2 (Wei et al. 2026): SAM's tower over tiles and the whole picture, a Qwen2 stack
// whose learned queries are what goes on, one product, and a Llama-like decoder with experts beside
// one that all tokens go through. As DeepseekOcr2ForConditionalGeneration of transformers 5.17.
#pragma once

#include "engine/models/deepseek_ocr2/deepseek_vision.h"
#include "engine/models/family.h"

namespace luthier {

struct DeepseekOcr2Options {
  DeepseekVisionOptions vision;
  DecoderOptions text;
  bool tie_word_embeddings = false;
  TokenId image_token_id = 128815;

  /// Tokens of a picture with a grid as its processor gives it: those of its tiles, of the whole,
  /// and one that ends it.
  std::int64_t tokens_of(const std::vector<std::int64_t>& grid) const {
    return grid.at(0) * grid.at(1) * vision.features_of(grid.at(2)) +
           vision.features_of(grid.at(3)) + 1;
  }
};
Result<DeepseekOcr2Options> read_deepseek_ocr2_options(const Json& config,
                                                       const std::string& where);

std::string deepseek_ocr2_memory_name(const std::string& stored);
std::string deepseek_ocr2_stored_name(const std::string& memory);

/// The row of the family table.
extern const Family deepseek_ocr2_family;

}  // namespace luthier
