// SPDX-License-Identifier: GPL-3.0-or-later
// Answers, and patches held against a tower's, with what its authors take (Diao et al. 2024).
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_visual_alignment(const Recipe& recipe) {
  if (recipe.more.text("visual_alignment.teacher").empty())
    return cross_fault("visual_alignment.teacher",
                       "is empty, and there is nothing to hold the model's patches against.",
                       "Name a folder of CLIP.");
  if (recipe.strategy == "prompt_tuning" || recipe.strategy == "p_tuning")
    return cross_fault(
        "strategy",
        "is " + recipe.strategy + ", whose tokens stand before those that the patches are told by.",
        "Choose another method, such as lora.");
  return {};
}

}  // namespace

ObjectiveKind visual_alignment_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"visual_alignment",
       "A model without a tower learns to answer, and what it says of a picture's patches is held "
       "against what a tower sees there (EVE).",
       later_fields_of(
           {kind_path("visual_alignment.teacher", "Teacher",
                      "The folder of the tower that the patches are held against: a CLIP, or a "
                      "model over one. It stands beside the model, learns nothing, and is not kept "
                      "with the result."),
            kind_number("visual_alignment.weight", "Weight of the alignment",
                        "How much 1 − cos counts beside the answers' loss.", 1.0)
                .at_least(0)}),
       {"training.loss_on"},
       {},
       check_visual_alignment}};
  return kind;
}

}  // namespace luthier
