// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/batches/shared_beginnings.h"

#include <algorithm>

namespace luthier {

std::int64_t shared_beginning(const EncodedRow& row, const ChatProcessor& processor) {
  if (row.sequences.empty()) return 0;
  const std::vector<TokenId>& first = row.sequences.front().input_ids;
  std::size_t shared = first.size();
  for (const Example& example : row.sequences) {
    if (!example.source_ids.empty()) return 0;
    const auto label = std::find_if(example.labels.begin(), example.labels.end(),
                                    [](std::int64_t each) { return each != kIgnoreLabel; });
    const std::vector<TokenId>& ids = example.input_ids;
    const auto differs = std::mismatch(first.begin(), first.end(), ids.begin(), ids.end()).first;
    shared = std::min({shared, static_cast<std::size_t>(label - example.labels.begin()),
                       static_cast<std::size_t>(differs - first.begin()), ids.size()});
  }
  const auto shows = [&](TokenId id) { return processor.shows(id); };
  for (const Example& example : row.sequences)
    if (std::any_of(example.input_ids.begin() + static_cast<std::ptrdiff_t>(shared),
                    example.input_ids.end(), shows))
      return 0;
  return static_cast<std::int64_t>(shared);
}

std::optional<ForkedRows> forked(const std::vector<EncodedRow>& rows,
                                 const ChatProcessor& processor) {
  ForkedRows made;
  std::int64_t all = 0, saved = 0;
  for (const EncodedRow& row : rows) {
    const bool several = row.sequences.size() > 1;
    if (several && !row.shares_pictures) return std::nullopt;
    const std::int64_t shared = shared_beginning(row, processor);
    if (shared == 0) return std::nullopt;
    all += row.tokens();
    saved += shared * (std::ssize(row.sequences) - 1);
    const Example& first = row.sequences.front();
    Example trunk;
    trunk.input_ids.assign(first.input_ids.begin(), first.input_ids.begin() + shared);
    trunk.prompt_tokens = std::min(first.prompt_tokens, shared);
    made.trunks.push_back(std::move(trunk));
    std::vector<Example>& forks = made.forks.emplace_back();
    for (const Example& example : row.sequences) {
      Example fork;
      fork.input_ids.assign(example.input_ids.begin() + shared, example.input_ids.end());
      if (std::ssize(example.labels) > shared)
        fork.labels.assign(example.labels.begin() + shared, example.labels.end());
      forks.push_back(std::move(fork));
    }
  }
  if (!worth_forking(saved, all) || saved == 0) return std::nullopt;
  return made;
}

}  // namespace luthier
