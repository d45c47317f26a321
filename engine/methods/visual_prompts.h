// SPDX-License-Identifier: GPL-3.0-or-later
// Visual prompts (Jia et al. 2022, "Visual Prompt Tuning") in a picture tower: tokens of the
// tower's width in front of each frame's own, behind the norm that CLIP has before its blocks.
// VPT-shallow puts them there once; VPT-deep puts new ones in the places of the old before every
// block. What leaves the tower (class token, patches) is without them. A tower whose patches turn
// by their places, or that cuts windows by them, has no place for such tokens and says so
// (PatchPort).
//
// PEFT has no such method. The folder is laid out as PEFT lays out all others, with peft_type
// VISUAL_PROMPT_TUNING and the tensors that the paper's own code calls so, under the tower's name:
// base_model.model.TOWER.prompt_embeddings [tokens, width], and of VPT-deep
// base_model.model.TOWER.deep_prompt_embeddings [blocks - 1, tokens, width].
#pragma once

#include "engine/methods/method.h"
#include "engine/nn/patch_port.h"

namespace luthier {

class VisualPromptPlug : public PatchPlug {
 public:
  /// `first` [tokens, width] float32; `later` [blocks - 1, tokens, width], undefined: shallow.
  VisualPromptPlug(torch::Tensor first, torch::Tensor later);
  torch::Tensor before(const torch::Tensor& x, std::int64_t block) const override;
  std::int64_t count() const override { return strength == 0 ? 0 : first_.size(0); }

 private:
  torch::Tensor first_, later_;
};

const Method& visual_prompt_tuning_method();

}  // namespace luthier
