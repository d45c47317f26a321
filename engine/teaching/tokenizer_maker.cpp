// SPDX-License-Identifier: GPL-3.0-or-later
// Learning the merges: words as lists of symbols, the commonest pair joined until the vocabulary is
// full. Ties go to the pair that sorts first.
#include "engine/teaching/tokenizer_maker.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace luthier {

namespace {

constexpr const char* kMark = "\xe2\x96\x81";  // ▁

std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    result.push_back(text.substr(i, length));
    i += length;
  }
  return result;
}

enum class CharacterClass { Letter, Digit, Wide, Other };

CharacterClass class_of(const std::string& character) {
  if (character.size() > 1) return CharacterClass::Wide;
  const char c = character[0];
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return CharacterClass::Letter;
  if (c >= '0' && c <= '9') return CharacterClass::Digit;
  return CharacterClass::Other;
}

struct Word {
  std::vector<std::string> symbols;
  std::uint64_t count = 0;
};

}  // namespace

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::string word = kMark;
  bool bare = true;  // nothing but the mark so far
  CharacterClass current = CharacterClass::Other;
  const auto flush = [&] {
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  for (const std::string& character : characters(text)) {
    if (character == "\n") {
      flush();
      bare = false;
      continue;
    }
    if (character == " ") {
      flush();
      word = kMark;
      bare = true;
      continue;
    }
    const CharacterClass kind = class_of(character);
    // Digits stand alone, so that numbers are read by place.
    if (!bare && !word.empty() && (kind != current || kind == CharacterClass::Digit)) flush();
    word += character;
    current = kind;
    bare = false;
  }
  flush();
  return words;
}

TokenizerDraft make_tokenizer(const std::map<std::string, std::uint64_t>& counts,
                              std::size_t max_pieces, std::uint64_t min_count) {
  TokenizerDraft draft;
  draft.pieces = {"<unk>", "<s>", "</s>"};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    draft.pieces.emplace_back(name);
  }
  draft.first_merged = draft.pieces.size();

  std::map<std::string, std::uint64_t> alphabet = {{kMark, 1}};
  for (char c = '!'; c <= '~'; ++c) alphabet[std::string(1, c)] = 1;
  std::vector<Word> words;
  for (const auto& [word, count] : counts) {
    words.push_back({characters(word), count});
    for (const std::string& symbol : words.back().symbols) alphabet[symbol] += count;
  }

  std::set<std::string> known;
  for (const auto& [character, count] : alphabet) known.insert(character);
  std::vector<std::string> merged_pieces;
  while (draft.pieces.size() + alphabet.size() + merged_pieces.size() < max_pieces) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> pairs;
    for (const Word& word : words) {
      for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i)
        pairs[{word.symbols[i], word.symbols[i + 1]}] += word.count;
    }
    const auto best =
        std::max_element(pairs.begin(), pairs.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == pairs.end() || best->second < min_count) break;
    const auto [left, right] = best->first;
    const std::string joined = left + right;
    if (known.insert(joined).second) merged_pieces.push_back(joined);
    for (Word& word : words) {
      std::vector<std::string> symbols;
      for (std::size_t i = 0; i < word.symbols.size(); ++i) {
        if (i + 1 < word.symbols.size() && word.symbols[i] == left &&
            word.symbols[i + 1] == right) {
          symbols.push_back(joined);
          ++i;
        } else {
          symbols.push_back(word.symbols[i]);
        }
      }
      word.symbols = std::move(symbols);
    }
  }

  draft.pieces.insert(draft.pieces.end(), merged_pieces.begin(), merged_pieces.end());
  std::vector<std::pair<std::string, std::uint64_t>> by_count(alphabet.begin(), alphabet.end());
  std::stable_sort(by_count.begin(), by_count.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [character, count] : by_count) draft.pieces.push_back(character);

  // sentencepiece joins any two neighbours whose union is a piece, best piece first: so
  // tokenizer.json lists every such pair, in the order of the unions.
  for (const std::string& piece : merged_pieces) {
    const std::vector<std::string> symbols = characters(piece);
    std::string left;
    for (std::size_t split = 1; split < symbols.size(); ++split) {
      left += symbols[split - 1];
      const std::string right = piece.substr(left.size());
      if (known.count(left) && known.count(right)) draft.merges.emplace_back(left, right);
    }
  }
  return draft;
}

}  // namespace luthier
