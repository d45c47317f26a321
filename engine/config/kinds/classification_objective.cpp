// SPDX-License-Identifier: GPL-3.0-or-later
// Classes of rows, of their tokens or of pictures, as transformers' classes with such a head learn
// them. What the classes are stands in the model's config.json, so there is nothing to set.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/config/kinds/score_rows.h"

namespace luthier {

ObjectiveKind classification_objective_kind() {
  ObjectiveKind kind{{"classification",
                      "A head of classes learns which of them a text, its words or a picture "
                      "belong to.",
                      {},
                      {},
                      // As PEFT has it for such models: the head trains whole beside the adapter.
                      {{"adapter.modules_to_save", Json::array({"classifier"})}},
                      check_score_head}};
  kind.row_kind = "classes";
  return kind;
}

}  // namespace luthier
