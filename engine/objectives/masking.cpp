// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/masking.h"

#include <algorithm>

namespace luthier {

namespace {

constexpr const char *kContinues = "##", *kBeginsUnigram = "\xE2\x96\x81",  // ▁
                                             *kBeginsBytes = "\xC4\xA0";    // Ġ

bool marked_as_beginning(const std::string& piece) {
  return piece.starts_with(kBeginsUnigram) || piece.starts_with(kBeginsBytes);
}

/// Pieces of a vocabulary that are marked to go on with a word, and to begin one.
struct MarkedPieces {
  std::int64_t continues = 0, begins = 0;
};

MarkedPieces marked_pieces(const Tokenizer& tokenizer) {
  MarkedPieces marked;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string piece = tokenizer.id_to_token(id);
    marked.continues += piece.starts_with(kContinues) && piece != kContinues;
    marked.begins += marked_as_beginning(piece);
  }
  return marked;
}

/// How many come together: n in 1 … most by 1/n.
std::int64_t drawn_length(std::int64_t most, RandomStream& draws) {
  double all = 0;
  for (std::int64_t n = 1; n <= most; ++n) all += 1.0 / static_cast<double>(n);
  double at = draws.unit() * all;
  std::int64_t n = 1;
  for (; n < most; ++n) {
    at -= 1.0 / static_cast<double>(n);
    if (at < 0) break;
  }
  return n;
}

}  // namespace

Masking::Masking(const MaskingRule& rule, const Tokenizer& tokenizer)
    : rule_(rule), tokenizer_(tokenizer) {
  if (!rule_.whole_words) return;
  const MarkedPieces marked = marked_pieces(tokenizer);
  continues_ = marked.continues > marked.begins;
  rule_.whole_words = marked.continues + marked.begins > 0;
}

std::vector<bool> Masking::begins(const Example& example) const {
  std::vector<bool> begins(example.input_ids.size(), true);
  if (!rule_.whole_words) return begins;
  for (std::size_t i = 1; i < begins.size(); ++i) {
    if (example.labels[i - 1] == kIgnoreLabel) continue;  // the first of a text's own
    const std::string piece = tokenizer_.id_to_token(example.input_ids[i]);
    begins[i] = continues_ ? !piece.starts_with(kContinues) : marked_as_beginning(piece);
  }
  return begins;
}

std::vector<bool> Masking::chosen_units(const Example& example, RandomStream& draws) const {
  // So many stretches begin that they hold the share that is asked for, where the mean one has
  // `mean` units: it is chosen or one unit is passed over, again and again.
  double all = 0;
  for (std::int64_t n = 1; n <= rule_.max_ngram; ++n) all += 1.0 / static_cast<double>(n);
  const double mean = static_cast<double>(rule_.max_ngram) / all,
               begins_one =
                   rule_.probability / (rule_.probability + (1 - rule_.probability) * mean);
  const std::vector<bool> begin = begins(example);
  std::vector<bool> chosen(begin.size(), false);
  std::int64_t left = 0;  // units that the stretch still takes
  bool takes = false;
  for (std::size_t i = 0; i < begin.size(); ++i) {
    if (example.labels[i] == kIgnoreLabel) {
      left = 0, takes = false;  // no stretch goes over what stands between two texts
      continue;
    }
    if (begin[i]) {
      if (left > 0) --left;
      takes = left > 0;
      if (!takes && draws.chance(begins_one)) {
        left = rule_.max_ngram > 1 ? drawn_length(rule_.max_ngram, draws) : 1;
        takes = true;
      }
    }
    chosen[i] = takes;
  }
  return chosen;
}

void Masking::cover_one(Example& example, std::size_t at, double how, TokenId other) const {
  if (how < rule_.mask) {
    example.input_ids[at] = *tokenizer_.special().mask;
  } else if (how < rule_.mask + rule_.random) {
    example.input_ids[at] = other;
  }
}

void Masking::cover(Example& example, RandomStream draws) const {
  const bool alone = !rule_.whole_words && rule_.max_ngram <= 1;
  const std::vector<bool> units = alone ? std::vector<bool>() : chosen_units(example, draws);
  const auto words = static_cast<double>(tokenizer_.vocab_size());
  for (std::size_t i = 0; i < example.input_ids.size(); ++i) {
    const bool chosen = alone ? draws.chance(rule_.probability) : units[i];
    const double how = draws.unit();
    const auto other = static_cast<TokenId>(draws.unit() * words);  // any word at all
    if (example.labels[i] == kIgnoreLabel) continue;
    if (chosen)
      cover_one(example, i, how, other);
    else
      example.labels[i] = kIgnoreLabel;
  }
}

std::int64_t chosen_tokens(const Example& example) {
  return std::count_if(example.labels.begin(), example.labels.end(),
                       [](std::int64_t label) { return label != kIgnoreLabel; });
}

}  // namespace luthier
