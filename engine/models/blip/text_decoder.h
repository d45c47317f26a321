// SPDX-License-Identifier: GPL-3.0-or-later
// BERT that writes and looks across while it does (BLIP's BlipTextLMHeadModel; BertLMHeadModel with
// add_cross_attention of transformers 5.17): the stack as `bert`, its head of words as `cls`.
#pragma once

#include <memory>

#include "engine/models/bert/predictions.h"
#include "engine/models/blip/med_stack.h"

namespace luthier::blip {

class TextDecoder : public torch::nn::Module {
 public:
  /// `tied`: the head's last product is the table of words.
  TextDecoder(const MedOptions& text, bool tied, const torch::TensorOptions& t);

  std::shared_ptr<MedStack> stack;
  std::unique_ptr<Predictions> predictions;
};

}  // namespace luthier::blip
