// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/boxes/place_tokenizer.h"

#include <algorithm>

#include "engine/io/json.h"

namespace luthier {

PlaceTokenizer::PlaceTokenizer(std::shared_ptr<const Tokenizer> own, const BoxNotation& notation)
    : own_(std::move(own)), notation_(&notation) {
  special_ = own_->special();
  for (const std::string& token : notation.tokens())
    if (const auto id = own_->token_to_id(token); id && own_->is_special(*id))
      places_.push_back(*id);
  std::sort(places_.begin(), places_.end());
}

bool PlaceTokenizer::stays(TokenId id) const {
  return std::binary_search(places_.begin(), places_.end(), id);
}

Result<std::string> PlaceTokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string text;
  while (skip_special && !places_.empty()) {
    const auto place =
        std::find_if(ids.begin(), ids.end(), [this](TokenId id) { return stays(id); });
    if (place == ids.end()) break;
    const auto before = static_cast<std::size_t>(place - ids.begin());
    if (before > 0) {
      LUTHIER_TRY(const std::string words, own_->decode(ids.first(before), skip_special));
      text += words;
    }
    text += own_->id_to_token(*place);
    ids = ids.subspan(before + 1);
  }
  if (text.empty()) return own_->decode(ids, skip_special);
  if (ids.empty()) return text;
  LUTHIER_TRY(const std::string words, own_->decode(ids, skip_special));
  return text + words;
}

const BoxNotation& box_notation_of(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path file = folder / "config.json";
  if (std::filesystem::exists(file, ignored)) {
    const auto config = read_json_file(file);
    if (config && config->is_object())
      if (const auto type = config->find("model_type"); type != config->end() && type->is_string())
        return box_notation_for(type->get<std::string>());
  }
  return box_notation_for({});
}

}  // namespace luthier
