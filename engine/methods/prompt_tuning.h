// SPDX-License-Identifier: GPL-3.0-or-later
// Prompt tuning (Lester et al. 2021) as PEFT 0.21 has it: rows of the decoder's width in front of
// each row's first token, which take positions like any token.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

class PromptPlug : public SequencePlug {
 public:
  explicit PromptPlug(torch::Tensor prompt);  // [tokens, hidden] float32
  TokenSequence extend(const TokenSequence& sequence) const override;

  torch::Tensor prompt;
};

const Method& prompt_tuning_method();

}  // namespace luthier
