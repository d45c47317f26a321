// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen3-VL with mixtures of experts in its decoder's layers (Qwen3VLMoeForConditionalGeneration):
// the picture half is Qwen3-VL's. The first releases' files have the experts' stacks turned,
// [experts, in, out]; transformers tells them by their shape and writes them as they stand in
// memory.
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

namespace {

bool may_be_turned(const std::string& name) {
  return name.ends_with(".mlp.experts.gate_up_proj") || name.ends_with(".mlp.experts.down_proj");
}

}  // namespace

const QwenGeneration qwen3_vl_moe_generation =
    qwen3_vl_pictures("qwen3_vl_moe", "qwen3_vl_moe_text");
const Family qwen3_vl_moe_family = [] {
  Family family = qwen_family<qwen3_vl_moe_generation>();
  family.may_be_turned = may_be_turned;
  return family;
}();

}  // namespace luthier
