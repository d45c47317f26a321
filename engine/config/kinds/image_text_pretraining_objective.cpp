// SPDX-License-Identifier: GPL-3.0-or-later
// Contrast, matching and writing at once, with the settings of BLIP's authors (Li et al. 2022), who
// pretrain BLIP-2's first stage by the same three (Li et al. 2023).
#include "engine/config/field_rows.h"
#include "engine/config/kinds/window_rows.h"

namespace luthier {

namespace {

Status check_pretraining(const Recipe& recipe) {
  const auto number = [&](const char* name) {
    return recipe.more.number(std::string("image_text_pretraining.") + name);
  };
  if (number("itc_weight") + number("itm_weight") + number("lm_weight") <= 0)
    return cross_fault("image_text_pretraining.itc_weight",
                       "is 0 as itm_weight and lm_weight are, so nothing is learned.",
                       "Leave one of the three above 0.");
  const bool captioner = !recipe.more.text("image_text_pretraining.captioner").empty();
  if (recipe.strategy != "full" && (captioner || recipe.strategy != "freeze"))
    return cross_fault(
        "strategy",
        captioner ? "is " + recipe.strategy +
                        ", and model and captioner learn together with what they "
                        "share."
                  : "is " + recipe.strategy + ", and what is pretrained learns by its own weights.",
        captioner ? "Choose full." : "Choose full or freeze.");
  if (number("momentum") > 0 && recipe.strategy != "full")
    return cross_fault(
        "image_text_pretraining.momentum",
        "goes after all of the model's weights, and strategy is " + recipe.strategy + ".",
        "Choose strategy: full, or leave momentum at 0.");
  if (number("momentum") == 0 && number("queue_size") > 0)
    return cross_fault("image_text_pretraining.queue_size",
                       "is above 0, and a queue holds what momentum copies say.",
                       "Set image_text_pretraining.momentum (0.995), or leave the queue out.");
  return rows::check_window_of_rows(recipe);
}

}  // namespace

ObjectiveKind image_text_pretraining_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"image_text_pretraining",
       "Pictures and texts are told from one another, told whether they belong together, and texts "
       "written from pictures, or covered words said beside them, all in one step (BLIP, BLIP-2's "
       "first stage, FIBER).",
       later_fields_of({
           kind_number("image_text_pretraining.itc_weight", "Weight of the contrast",
                       "How much the contrast of pictures and texts (ITC) counts. 0: it chooses "
                       "what is hard to match, and does not learn.",
                       1.0)
               .at_least(0)
               .at_most(1 << 24),
           kind_number("image_text_pretraining.itm_weight", "Weight of the matching",
                       "How much it counts whether a text and a picture that are read together are "
                       "told to belong together (ITM). 0: none are read.",
                       1.0)
               .at_least(0),
           kind_number("image_text_pretraining.lm_weight", "Weight of the writing",
                       "How much the loss of the text that is written from its picture counts (LM, "
                       "ITG), or that of covered words (MLM, FIBER's). 0: none is written.",
                       1.0)
               .at_least(0),
           kind_path("image_text_pretraining.captioner", "Captioner",
                     "BLIP: the folder of BlipForConditionalGeneration that writes. It learns with "
                     "the model, and all but its self-attention and head is the model's. BLIP-2 "
                     "writes by itself."),
           kind_number("image_text_pretraining.momentum", "Momentum",
                       "Copies of the model that go after it by this share say how alike pictures "
                       "and texts are, beside what belongs together (BLIP: 0.995). 0: there are "
                       "none.",
                       0)
               .at_least(0)
               .below(1)
               .advanced(),
           kind_integer(
               "image_text_pretraining.queue_size", "Queue",
               "How many vectors of earlier pictures and texts, as the copies made them, the "
               "contrast goes against, too (BLIP: 57600).",
               0)
               .at_least(0)
               .advanced(),
           kind_number("image_text_pretraining.alpha", "Share of the copies",
                       "How much of a target is what the copies say; the rest is the own pair.",
                       0.4)
               .at_least(0)
               .at_most(1)
               .advanced(),
           kind_integer(
               "image_text_pretraining.alpha_steps", "Steps until then",
               "Over so many steps that share grows from 0 (the authors: two epochs). 0: it "
               "is there from the first.",
               0)
               .at_least(0)
               .advanced(),
       }),
       {},
       {},
       check_pretraining}};
  kind.row_kind = "caption";
  return kind;
}

}  // namespace luthier
