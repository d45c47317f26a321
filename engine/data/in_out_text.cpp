// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/in_out_text.h"

namespace luthier {

std::string in_out_question(const std::string& asked) { return "In: " + asked + "\nOut:"; }

Result<Example> encode_in_out(const Tokenizer& tokenizer, const std::string& question,
                              const std::string* answer, TokenId picture, std::int64_t pictures) {
  const SpecialTokens& special = tokenizer.special();
  if (!special.bos || !special.eos)
    return input_error("The tokenizer has no first or no last token.", "");
  LUTHIER_TRY(const Encoding asked, tokenizer.encode(question, /*add_special_tokens=*/false));
  Example example;
  std::vector<TokenId>& ids = example.input_ids;
  ids.push_back(*special.bos);
  ids.insert(ids.end(), static_cast<std::size_t>(pictures), picture);
  ids.insert(ids.end(), asked.ids.begin(), asked.ids.end());
  example.prompt_tokens = static_cast<std::int64_t>(ids.size());
  example.labels.assign(ids.size(), kIgnoreLabel);
  if (!answer) return example;
  LUTHIER_TRY(const Encoding said, tokenizer.encode(*answer, /*add_special_tokens=*/false));
  ids.insert(ids.end(), said.ids.begin(), said.ids.end());
  ids.push_back(*special.eos);
  example.labels.insert(example.labels.end(), ids.begin() + example.prompt_tokens, ids.end());
  return example;
}

}  // namespace luthier
