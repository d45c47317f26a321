// SPDX-License-Identifier: GPL-3.0-or-later
// What becomes of each setting of a recipe: one table for all of them, so that none is lost in
// silence. A setting that it does not know is a mistake of ours, which a test finds.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/handover/python_text.h"
#include "engine/handover/trainers.h"
#include "engine/io/json.h"

namespace luthier::handover {

enum class Treatment {
  Written,  ///< the script, its files or the adapter's folder say it
  Keyword,  ///< a keyword of the trainer's arguments, by the last part of its name
  Watched,  ///< it changes nothing of the run, and nothing there does it: told
  Nothing,  ///< it means nothing elsewhere
  Refused,  ///< without it the run would be another one
  Unknown
};

/// Of a setting's dotted path.
Treatment treatment_of(const std::string& key);

struct CarriedSettings {
  Keywords keywords;               ///< of the objective's own section
  std::vector<std::string> notes;  ///< of what is left out, and of what is drawn otherwise
};

/// An Input error names a setting that has no counterpart and is not at its default.
Result<CarriedSettings> carried_settings(const Recipe& recipe, const TrlTrainer& trainer);

/// A setting's value in its canonical form.
Json setting_value(const Recipe& recipe, const std::string& key);

}  // namespace luthier::handover
