// SPDX-License-Identifier: GPL-3.0-or-later
// Which tokens of a row are covered, and by what: what an encoder is asked to say. Tokens are
// chosen one by one (Devlin et al. 2019), by whole words (all pieces of one, as BERT's later
// checkpoints were made), or by stretches of a few (Lan et al. 2020: as many as n of them, with
// probabilities that go by 1/n).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/data/processor.h"

namespace luthier {

struct MaskingRule {
  double probability = 0.15;  ///< share of the tokens that are chosen
  double mask = 0.8;          ///< of those the share that the mask takes the place of
  double random = 0.1;        ///< and that any word takes the place of; the others stay
  bool whole_words = false;
  std::int64_t max_ngram = 1;  ///< tokens, or words, that are chosen together at most
};

class Masking {
 public:
  /// The tokenizer, which must have a mask, must outlive it. Where its vocabulary marks neither
  /// what begins a word nor what goes on with one, each token is a word.
  Masking(const MaskingRule& rule, const Tokenizer& tokenizer);

  /// Chooses among the tokens that carry a label, covers them, and takes the labels of all others
  /// away. The draws: token by token, special ones too, whether it is chosen, how it is covered and
  /// by which word; by words or stretches first all choices, then the two others of every token.
  void cover(Example& example, RandomStream draws) const;

 private:
  /// Where each word begins, of a row's own tokens; else each token is one.
  std::vector<bool> begins(const Example& example) const;
  std::vector<bool> chosen_units(const Example& example, RandomStream& draws) const;
  void cover_one(Example& example, std::size_t at, double how, TokenId other) const;

  MaskingRule rule_;
  const Tokenizer& tokenizer_;
  bool continues_ =
      false;  ///< pieces that go on with a word are marked (##), else those that begin
};

/// Labels that are left.
std::int64_t chosen_tokens(const Example& example);

}  // namespace luthier
