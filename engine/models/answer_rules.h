// SPDX-License-Identifier: GPL-3.0-or-later
// What a checkpoint itself says of how its answers are written, whoever asks:
// generation_config.json names tokens that do not come, or must, and what repeats less.
// Qwen2.5-VL's has a penalty, Florence-2's a size of what may not come twice. Beams and how tokens
// are drawn are the asker's.
//   LUTHIER_TRY(rules, read_answer_rules(folder, config, vocabulary));
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/tokenizer.h"

namespace luthier {

/// By the names of transformers' GenerationConfig.
struct AnswerRules {
  double repetition_penalty = 1;
  std::int64_t no_repeat_ngram_size = 0;            ///< 0: all may come again
  std::vector<std::vector<TokenId>> bad_words_ids;  ///< each a run of tokens that is not finished
  std::int64_t min_length = 0;                      ///< tokens before the end, the prompt's too
  std::int64_t min_new_tokens = 0;
  std::optional<TokenId> forced_bos_token_id;  ///< comes second of all tokens
  std::vector<TokenId> forced_eos_token_id;    ///< the last that may come is one of these
  std::vector<TokenId> suppress_tokens;
  std::vector<TokenId> begin_suppress_tokens;  ///< do not come first

  bool operator==(const AnswerRules&) const = default;
};

/// Of generation_config.json, or where there is none of config.json and of its text_config behind
/// it, as transformers takes them. A value of another type, and a token that must come and that the
/// vocabulary does not have, are Input errors that name the file and the field.
Result<AnswerRules> read_answer_rules(const std::filesystem::path& folder, const Json& config,
                                      std::int64_t vocabulary);

}  // namespace luthier
