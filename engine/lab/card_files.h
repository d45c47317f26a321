// SPDX-License-Identifier: GPL-3.0-or-later
// What a card's folder is made of: a tokenizer whose tokens are the lab's words and the family's
// special ones, rows, pictures, and the recipe. No LibTorch.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/config/stages.h"
#include "engine/io/json.h"
#include "engine/lab/card.h"
#include "engine/lab/card_world.h"

namespace luthier {

/// Whole words as tokens, as transformers' PreTrainedTokenizerFast reads them. Ids go by the order:
/// `first`, the lab's words, `last`.
struct WordTokenizer {
  std::vector<std::string> first, last;      ///< special tokens
  std::map<std::string, std::string> named;  ///< "eos_token" and what it is
  std::vector<std::string> before, behind;   ///< what stands around every text
  std::int64_t longest = 128;

  std::int64_t id(const std::string& token) const;
  std::int64_t size() const;
};
/// tokenizer.json and tokenizer_config.json.
Status write_word_tokenizer(const WordTokenizer& tokenizer, const std::filesystem::path& folder);

/// A JSON document into the card's model folder.
Status write_model_file(const CardDraft& draft, const char* name, const Json& document);

/// How a scene becomes a row, and whether it has a picture.
using SceneRow = Json (*)(const LabScene& scene, const std::string& picture);
Json text_row(const LabScene& scene, const std::string& picture);     ///< {"text"}
Json caption_row(const LabScene& scene, const std::string& picture);  ///< {"image", "text"}
/// A picture, what is asked about it (nothing where that is empty), and the answer.
Json asked_row(const std::string& picture, const std::string& question, const std::string& answer);
/// A picture that is asked nothing, and its caption as the answer.
Json described_row(const LabScene& scene, const std::string& picture);
/// train.jsonl and heldout.jsonl, and pictures/ beside them where the rows have some. At most
/// `training` rows are for training.
Status write_scene_rows(const CardDraft& draft, SceneRow row, bool pictures,
                        std::size_t training = 8192);

/// A CLIPImageProcessor's file for the scenes' pictures as they are.
Json scene_processor();

/// What all cards have in common; `settings` are KEY=VALUE and come behind.
Result<Recipe> card_recipe(const CardDraft& draft, const std::string& objective,
                           const std::string& strategy, const std::vector<std::string>& settings,
                           double steps_share = 1);

/// Of described_row: supervised tuning that writes held-out captions thrice a run, since they take
/// longer than a loss.
Result<Recipe> described_recipe(const CardDraft& draft, const std::string& strategy);

}  // namespace luthier
