// SPDX-License-Identifier: GPL-3.0-or-later
// A text without a conversation around it, as a tokenizer of transformers lays it out with
// truncation: what its post-processor puts before and behind stays, the text in between is cut. And
// a text that an encoder reads.
#include <algorithm>

#include "engine/data/processor_row.h"

namespace luthier {

Result<Example> ChatProcessor::encode_plain(const std::string& text, std::int64_t max_length,
                                            const std::string& where, RowFault* fault) const {
  const auto refuse = [&](Error error) {
    if (fault) *fault = RowFault::BadRow;
    error.where = error.where.empty() ? where : where + ": " + error.where;
    return error;
  };
  auto encoding = tokenizer_->encode(text, /*add_special_tokens=*/true);
  if (!encoding) return refuse(encoding.error());
  const auto own = [&](std::size_t i) {
    return encoding->offsets[i].first < encoding->offsets[i].second;
  };
  std::vector<TokenId>& ids = encoding->ids;
  std::size_t first = 0, last = ids.size();  // of the text's own tokens
  while (first < last && !own(first)) ++first;
  while (last > first && !own(last - 1)) --last;
  const auto added = static_cast<std::int64_t>(ids.size() - (last - first));
  std::int64_t limit = max_length > 0 ? max_length : static_cast<std::int64_t>(ids.size());
  if (longest_row_ > 0) limit = std::min(limit, longest_row_);
  if (limit <= added) {
    return refuse(input_error("The special tokens alone are " + std::to_string(added) +
                                  ", and a row may have " + std::to_string(limit) + ".",
                              "", "Raise training.max_length."));
  }
  Example example;
  const auto cut = static_cast<std::int64_t>(ids.size()) - limit;
  if (cut > 0) {
    const auto end = ids.begin() + static_cast<std::ptrdiff_t>(last);
    ids.erase(end - static_cast<std::ptrdiff_t>(cut), end);
    example.truncated_tokens = cut;
  }
  for (const TokenId id : ids)
    example.labels.push_back(tokenizer_->is_special(id) ? kIgnoreLabel : id);
  example.input_ids = std::move(ids);
  return example;
}

Result<Example> ChatProcessor::encode_source(const Row& row) const {
  if (!row.prompt_only) {
    return row.error(RowFault::BadRow,
                     "The row is a conversation, and this model's encoder reads plain texts.",
                     "Choose an objective that learns from plain texts.");
  }
  const bool one = row.messages.size() == 1 && row.messages[0].content.size() == 1;
  if (!one || row.messages[0].content[0].kind != ContentPart::Kind::Text) {
    return row.error(RowFault::BadRow,
                     "The row has several turns or parts, and this model reads one text.",
                     "Give a row of one text or of one user message.");
  }
  auto encoding = tokenizer_->encode(row.messages[0].content[0].text, /*add_special_tokens=*/true);
  if (!encoding) return row.about(RowFault::BadRow, encoding.error());
  Example example;
  example.source_ids = std::move(encoding->ids);
  return example;
}

}  // namespace luthier
