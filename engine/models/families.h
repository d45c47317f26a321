// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of the table of families. A new one is a folder beside llava/ and a row here; nothing
// else knows it by name.
#pragma once

#include "engine/models/family.h"

// clang-format off
#define LUTHIER_FAMILIES(ROW)  \
  ROW(llava)                   \
  ROW(llava_next)              \
  ROW(llava_onevision)         \
  ROW(smolvlm)                 \
  ROW(idefics3)                \
  ROW(internvl)                \
  ROW(qwen2_vl)                \
  ROW(qwen2_5_vl)              \
  ROW(qwen3_vl)                \
  ROW(qwen3_vl_moe)            \
  ROW(qwen3_5)                 \
  ROW(qwen3_5_moe)             \
  ROW(glm4v)                   \
  ROW(glm46v)                  \
  ROW(minicpmv4_6)             \
  ROW(mistral3)                \
  ROW(lfm2_vl)                 \
  ROW(aya_vision)              \
  ROW(ovis2)                   \
  ROW(mllama)                  \
  ROW(deepseek_ocr2)           \
  ROW(florence2)               \
  ROW(phi4_multimodal)         \
  ROW(paligemma)               \
  ROW(gemma3)                  \
  ROW(gemma3n)                 \
  ROW(gemma4)                  \
  ROW(gemma4_unified)          \
  ROW(llama)                   \
  ROW(qwen2)                   \
  ROW(mistral)                 \
  ROW(qwen3)                   \
  ROW(smollm3)                 \
  ROW(lfm2)                    \
  ROW(cohere2)                 \
  ROW(glm)                     \
  ROW(glm4)                    \
  ROW(phi3)                    \
  ROW(qwen3_5_text)            \
  ROW(qwen3_5_moe_text)        \
  ROW(mllama_text_model)       \
  ROW(gemma3_text)             \
  ROW(gemma3n_text)            \
  ROW(gemma4_text)             \
  ROW(gemma4_unified_text)     \
  ROW(opt)                     \
  ROW(gpt2)                    \
  ROW(bert)                    \
  ROW(roberta)                 \
  ROW(xlm_roberta)             \
  ROW(albert)                  \
  ROW(electra)                 \
  ROW(deberta_v2)              \
  ROW(t5)                      \
  ROW(bart)                    \
  ROW(mbart)                   \
  ROW(clip)                    \
  ROW(siglip)                  \
  ROW(clipseg)                 \
  ROW(vit)                     \
  ROW(dinov2)                  \
  ROW(dinov2_with_registers)   \
  ROW(openvla)                 \
  ROW(blip)                    \
  ROW(blip_2)                  \
  ROW(instructblip)            \
  ROW(fuyu)                    \
  ROW(idefics)                 \
  ROW(chameleon)               \
  ROW(persimmon)               \
  ROW(align)                   \
  ROW(vit_mae)                 \
  ROW(sam)                     \
  ROW(sam_vision_model)        \
  ROW(resnet)                  \
  ROW(efficientnet)            \
  ROW(vision_encoder_decoder)  \
  ROW(visual_bert)             \
  ROW(lxmert)                  \
  ROW(clipcap)                 \
  ROW(simvlm)                  \
  ROW(eve)                     \
  ROW(virtex)                  \
  ROW(visualgpt)               \
  ROW(timm_wrapper)            \
  ROW(swin)                    \
  ROW(fiber)
// clang-format on

namespace luthier {

#define LUTHIER_DECLARE(name) extern const Family name##_family;
LUTHIER_FAMILIES(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

}  // namespace luthier
