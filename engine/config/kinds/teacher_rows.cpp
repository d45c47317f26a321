// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/kinds/teacher_rows.h"

namespace luthier::rows {

Status check_teacher(const Recipe& recipe, const std::string& section, bool answers_known,
                     const char* known_by) {
  const std::string teacher = section + ".teacher_model_name_or_path",
                    top_k = section + ".teacher_top_k", said = section + ".teacher_logits";
  const bool keeps = recipe.more.optional_integer(top_k).has_value(),
             given = !recipe.more.text(said).empty();
  if (keeps && given)
    return cross_fault(top_k.c_str(), "asks a teacher, and " + said + " names what it said.",
                       "Leave one of the two out.");
  if (!given && recipe.more.text(teacher).empty())
    return cross_fault(teacher.c_str(), "names no teacher.",
                       "Name the checkpoint that the model is to learn from.");
  if ((keeps || given) && !answers_known)
    return cross_fault(keeps ? top_k.c_str() : said.c_str(),
                       "is about answers that are known before the first step, and here they are "
                       "drawn.",
                       std::string("Leave it out, or set ") + known_by + ".");
  return {};
}

}  // namespace luthier::rows
