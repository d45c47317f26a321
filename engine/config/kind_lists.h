// SPDX-License-Identifier: GPL-3.0-or-later
// The names of all kinds: the one row that a new kind gets. Each list is read by the table of the
// torch-free halves (kinds.cpp) and by that of the tensor halves (methods/, objectives/, optim/),
// and by nobody else, so that a new row compiles few files.
#pragma once

/// One row a method, in the order that a form offers them.
#define LUTHIER_METHODS(ROW) \
  ROW(full)                  \
  ROW(freeze)                \
  ROW(lora)                  \
  ROW(adalora)               \
  ROW(vera)                  \
  ROW(loha)                  \
  ROW(lokr)                  \
  ROW(ia3)                   \
  ROW(oft)                   \
  ROW(boft)                  \
  ROW(hra)                   \
  ROW(fourierft)             \
  ROW(ln_tuning)             \
  ROW(bitfit)                \
  ROW(trainable_tokens)      \
  ROW(prompt_tuning)         \
  ROW(p_tuning)              \
  ROW(prefix_tuning)         \
  ROW(visual_prompt_tuning)  \
  ROW(bottleneck)
/// One row an objective.
#define LUTHIER_OBJECTIVES(ROW) \
  ROW(sft)                      \
  ROW(dpo)                      \
  ROW(kto)                      \
  ROW(reward)                   \
  ROW(prm)                      \
  ROW(orpo)                     \
  ROW(cpo)                      \
  ROW(bco)                      \
  ROW(grpo)                     \
  ROW(rloo)                     \
  ROW(mlm)                      \
  ROW(replaced_tokens)          \
  ROW(span_corruption)          \
  ROW(denoising)                \
  ROW(contrastive)              \
  ROW(matching)                 \
  ROW(image_text_pretraining)   \
  ROW(classification)           \
  ROW(actions)                  \
  ROW(masked_pictures)          \
  ROW(segmentation)             \
  ROW(two_views)                \
  ROW(regions)                  \
  ROW(infilling)                \
  ROW(prefix_lm)                \
  ROW(visual_alignment)         \
  ROW(gkd)                      \
  ROW(distillation)             \
  ROW(online_dpo)               \
  ROW(xpo)                      \
  ROW(nash_md)                  \
  ROW(simpo)                    \
  ROW(ppo)
/// One row an optimizer.
#define LUTHIER_OPTIMIZERS(ROW) \
  ROW(adamw_torch)              \
  ROW(adamw_8bit)               \
  ROW(paged_adamw_32bit)        \
  ROW(paged_adamw_8bit)         \
  ROW(lion_32bit)               \
  ROW(lion_8bit)                \
  ROW(adafactor)                \
  ROW(sgd)                      \
  ROW(muon)                     \
  ROW(schedule_free_adamw)
