// SPDX-License-Identifier: GPL-3.0-or-later
// What stands beside the vocabulary in a checkpoint folder: tokenizer_config.json,
// special_tokens_map.json and added_tokens.json, brought together as transformers 5.17 does.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/added_tokens.h"

namespace luthier {

struct TokenizerConfig {
  std::string where;             ///< the file that errors name
  Json values = Json::object();  ///< tokenizer_config.json
  bool has_added_tokens_decoder = false;
  std::map<std::int64_t, AddedToken>
      added_tokens;  ///< by id, from added_tokens_decoder or added_tokens.json
  std::vector<std::pair<std::string, AddedToken>>
      named;                      ///< bos_token, eos_token, ..., then the model's own *_token
  std::vector<AddedToken> extra;  ///< extra_special_tokens / additional_special_tokens
  std::string tokenizer_class;    ///< of the file, without "Fast"; may be empty
  std::string model_type;         ///< config.json's

  /// `vocabulary_tokens`: what tokenizer.json adds itself, looked at where the configuration lists
  /// none.
  static Result<TokenizerConfig> read(const std::filesystem::path& folder,
                                      const std::vector<AddedToken>& vocabulary_tokens);

  const AddedToken* find(const std::string& name) const;
  /// Gives `name` this token unless the configuration names it already (null counts as named).
  void set_default(const std::string& name, const std::string& content);
  /// The class that transformers 5.17 would load this folder with; empty: the plain one, which
  /// follows tokenizer.json alone.
  std::string effective_class() const;
};

}  // namespace luthier
