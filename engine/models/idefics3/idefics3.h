// SPDX-License-Identifier: GPL-3.0-or-later
// Idefics3 (Laurençon et al. 2024) and SmolVLM (Marafioti et al. 2025): SigLIP's tower with
// positions by fraction over tiles and the whole picture, squares of patches folded into one, a
// linear projection, a Llama, Mistral or Qwen2 decoder. As Idefics3ForConditionalGeneration and
// SmolVLMForConditionalGeneration of transformers 5.17, which compute the same, under their
// in-memory names.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/vision_tower.h"

namespace luthier {

struct Idefics3Options {
  VisionTowerOptions vision;
  DecoderOptions text;
  std::int64_t scale_factor = 2;  ///< a square of so many patches a side becomes one token
  bool tie_word_embeddings = false;
  TokenId image_token_id = 128257;
};
Result<Idefics3Options> read_idefics3_options(const Json& config, const std::string& where);

/// How the processor writes a picture: its tiles row by row, then the whole.
struct Idefics3Text {
  std::string image = "<image>", fake = "<fake_token_around_image>", whole = "<global-img>";
  std::int64_t frame_tokens = 169;

  std::string expand(std::int64_t rows, std::int64_t columns) const;  ///< 0, 0: one frame
  /// A film's frames, each with its time, and before them how many they are and how long it is.
  std::string film(const FilmTimes& times) const;
};

/// SmolVLMProcessor's own for conversations with films, whatever the folder's is.
extern const char* const kSmolvlmFilmTemplate;

/// The rows of the family table.
extern const Family idefics3_family, smolvlm_family;

}  // namespace luthier
