// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/answer_start.h"

namespace luthier {

Result<std::optional<TokenId>> answer_start(const Json& config, const std::string& where) {
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, ""));
  if (type == "mbart") return std::optional<TokenId>();
  const auto named = [&](const char* key) {
    const auto found = config.find(key);
    return found != config.end() && !found->is_null();
  };
  constexpr TokenId kBart = 2, kElse = 0;  // of the configuration classes
  TokenId start = type == "bart" ? kBart : kElse;
  if (named("decoder_start_token_id")) {
    LUTHIER_TRY(start, json_int(config, "decoder_start_token_id", where, start));
  } else if (type != "bart" && named("pad_token_id")) {
    LUTHIER_TRY(start, json_int(config, "pad_token_id", where, start));
  }
  return std::optional<TokenId>(start);
}

std::vector<TokenId> shifted_right(std::vector<TokenId> written, std::optional<TokenId> start) {
  if (written.empty()) return written;
  const TokenId first = start ? *start : written.back();
  written.pop_back();
  written.insert(written.begin(), first);
  return written;
}

TokenId answer_language(const std::filesystem::path& folder, const Tokenizer& tokenizer) {
  const std::filesystem::path path = folder / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return -1;
  const auto config = read_json_file(path);
  if (!config || !config->is_object()) return -1;
  const auto found = config->find("tgt_lang");
  if (found == config->end() || !found->is_string()) return -1;
  return tokenizer.token_to_id(found->get<std::string>()).value_or(-1);
}

void set_language(const Tokenizer& tokenizer, TokenId language, Encoding& encoding) {
  const SpecialTokens& special = tokenizer.special();
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    const bool added = encoding.offsets[i].first >= encoding.offsets[i].second;
    TokenId& id = encoding.ids[i];
    if (added && id != special.bos && id != special.eos) id = language;
  }
}

}  // namespace luthier
