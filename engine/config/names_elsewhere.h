// SPDX-License-Identifier: GPL-3.0-or-later
// Settings as other training tools call them (transformers' and TRL's trainers, PEFT,
// LLaMA-Factory, Axolotl, Unsloth, ms-swift): somebody who brings a recipe along is told what each
// is here, or why there is none, instead of the name that is nearest by its letters.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace luthier {

/// A row of the table.
struct NameElsewhere {
  enum class Kind {
    Called,    ///< here it is `key`
    Needless,  ///< nothing has to be set, because of `note`
    Missing,   ///< this version cannot do it; `note` says what there is
  } kind = Kind::Called;
  std::string key;                 ///< Called: a field's or a section's key
  std::vector<std::string> names;  ///< as typed there; "wandb_*" is all that begin so
  std::string note;                ///< a sentence for Called, the end of one for the others
};

const std::vector<NameElsewhere>& names_elsewhere();

/// What to do about an unknown setting ("adapter.lora_rank", "bf16"); empty when no tool that we
/// know calls one so. Upper and lower case, "-" and "_" are alike; a section before the name does
/// not matter.
std::string hint_for_name(std::string_view key);

/// A value that other tools write for one of a field's choices ("bf16" of training.dtype).
struct ValueElsewhere {
  std::string key, choice;
  std::vector<std::string> values;
};
const std::vector<ValueElsewhere>& values_elsewhere();

/// The choice that such a value means; empty when it is none that we know.
std::string choice_for_value(std::string_view key, std::string_view value);

}  // namespace luthier
