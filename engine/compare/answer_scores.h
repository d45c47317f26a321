// SPDX-License-Identifier: GPL-3.0-or-later
// One answer as every column sees it: how likely each holds each of its tokens, how far it is there
// from the reference column, and what it would have written instead. Plain data that the window,
// the command line and the documents share; who makes it is teacher_forced.h. No LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/compare/sample.h"
#include "engine/generate/generation_types.h"

namespace luthier {

/// Whose answer a row's own expected one is, where a column's name stands elsewhere.
inline constexpr const char* kExpectedAnswer = "expected";

/// One sample and the answer to it that is looked at.
struct ForcedAnswer {
  Sample sample;
  std::string of = kExpectedAnswer;    ///< whose it is: a column, or the row's own
  std::vector<std::int64_t> ids = {};  ///< its tokens; empty: the row's expected answer
};

/// A token of the answer under one column, which has read all tokens before it.
struct TokenScore {
  double logprob = 0;     ///< of this very token
  double divergence = 0;  ///< KL(column ‖ reference) over the vocabulary, in nats
  std::int64_t likeliest = 0;
  std::string likeliest_piece;
  double likeliest_probability = 0;
};

struct ScoredColumn {
  std::string name;
  double strength = 1;
  std::vector<TokenScore> tokens = {};  ///< one a token of the answer

  double logprob() const;     ///< of the whole answer
  double perplexity() const;  ///< exp of the mean negative log-probability
  double divergence() const;  ///< the mean
  /// The first token that this column would have put otherwise: another one is likelier.
  std::optional<std::size_t> first_other(const std::vector<AnswerToken>& answer) const;
};

struct ScoredAnswer {
  std::string of;  ///< see ForcedAnswer
  std::string text;
  std::vector<AnswerToken> tokens;  ///< ids, pieces and places; probabilities are the columns'
  std::string reference;            ///< the column that divergences are from
  std::vector<ScoredColumn> columns;
};

}  // namespace luthier
