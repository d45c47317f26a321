// SPDX-License-Identifier: GPL-3.0-or-later
// A row's logits as the checkpoint's rules leave them, before a token is chosen: see
// models/answer_rules.h. Equal to the LogitsProcessors that transformers' generate puts together,
// in their order.
#pragma once

#include <span>
#include <vector>

#include "engine/models/answer_rules.h"

namespace luthier {

class RuledScores {
 public:
  /// `ends`: the tokens that end an answer; of `max_new_tokens` at most. All live as long as this.
  RuledScores(const AnswerRules& rules, const std::vector<TokenId>& ends,
              std::int64_t max_new_tokens)
      : rules_(rules), ends_(ends), max_new_tokens_(max_new_tokens), any_(rules != AnswerRules()) {}

  /// Whether there is anything to do.
  bool any() const { return any_; }
  /// scores [vocab] of the token behind `before`, of which the last `answered` are the answer's; a
  /// model that reads one text and writes another has its start token before those.
  void apply(std::span<float> scores, std::span<const TokenId> before, std::size_t answered) const;

 private:
  void penalize(std::span<float> scores, std::span<const TokenId> before) const;
  void refuse_repeated(std::span<float> scores, std::span<const TokenId> before) const;
  void refuse_bad_words(std::span<float> scores, std::span<const TokenId> before) const;

  const AnswerRules& rules_;
  const std::vector<TokenId>& ends_;
  std::int64_t max_new_tokens_;
  bool any_;
};

}  // namespace luthier
