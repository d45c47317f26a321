// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/text_pairs.h"

namespace luthier {

void cut_longer_text(TextPair& pair, std::size_t room, RandomStream& draws) {
  if (room == 0) return;
  // Offsets rather than erasures: a text may be long.
  struct Side {
    std::vector<TokenId>* text;
    std::size_t begin, end;
    std::size_t size() const { return end - begin; }
  };
  Side first{&pair.first, 0, pair.first.size()}, second{&pair.second, 0, pair.second.size()};
  while (first.size() + second.size() > room) {
    Side& longer = first.size() > second.size() ? first : second;
    if (draws.chance(0.5))
      ++longer.begin;
    else
      --longer.end;
  }
  for (const Side& side : {first, second})
    *side.text = std::vector<TokenId>(side.text->begin() + static_cast<std::ptrdiff_t>(side.begin),
                                      side.text->begin() + static_cast<std::ptrdiff_t>(side.end));
}

Example laid_out_pair(const Tokenizer& tokenizer, const TextPair& pair) {
  Example example;
  const auto add = [&](TokenId id, std::int64_t type) {
    example.input_ids.push_back(id);
    example.labels.push_back(tokenizer.is_special(id) ? kIgnoreLabel : id);
    example.token_types.push_back(type);
  };
  for (const PairPiece& piece : tokenizer.pair_pieces()) {
    if (piece.token) {
      add(*piece.token, piece.type);
    } else {
      for (const TokenId id : piece.text == 0 ? pair.first : pair.second) add(id, piece.type);
    }
  }
  return example;
}

TextPair taken_apart(const Tokenizer& tokenizer, const Example& example, std::size_t first) {
  const std::vector<PairPiece> pieces = tokenizer.pair_pieces();
  const std::size_t added = pieces.size() - 2, second = example.input_ids.size() - added - first;
  TextPair pair;
  auto at = example.input_ids.begin();
  for (const PairPiece& piece : pieces) {
    const auto count = static_cast<std::ptrdiff_t>(piece.token       ? 1
                                                   : piece.text == 0 ? first
                                                                     : second);
    if (!piece.token) (piece.text == 0 ? pair.first : pair.second).assign(at, at + count);
    at += count;
  }
  return pair;
}

}  // namespace luthier
