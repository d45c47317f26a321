// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/answer_room.h"

#include <limits>

namespace luthier {

std::int64_t positions_of(const LoadedModel& loaded) {
  if (!loaded.family || !loaded.family->read) return 0;
  const auto plan = loaded.family->read(loaded.config, loaded.folder);
  return plan ? plan->longest_row : 0;  // it was loaded by this very reading
}

std::int64_t answer_room(const LoadedModel& loaded, std::int64_t prompt_tokens) {
  const std::int64_t positions = positions_of(loaded);
  if (positions <= 0) return std::numeric_limits<std::int64_t>::max();
  return loaded.model->sequence_to_sequence() ? positions : positions - prompt_tokens + 1;
}

Status check_answer_room(const LoadedModel& loaded, std::int64_t prompt_tokens,
                         std::int64_t max_new_tokens, const std::string& setting,
                         const std::string& prompt) {
  const std::int64_t room = answer_room(loaded, prompt_tokens);
  if (max_new_tokens <= room) return {};
  const std::string positions = std::to_string(positions_of(loaded));
  if (room < 1)
    return input_error(prompt + " has " + std::to_string(prompt_tokens) +
                           " tokens, and the model has " + positions + " positions.",
                       setting, "Give a shorter one.");
  const std::string most = std::to_string(room);
  if (loaded.model->sequence_to_sequence())
    return input_error("An answer may have " + std::to_string(max_new_tokens) +
                           " tokens, and the model has " + positions + " positions.",
                       setting, "Set it to " + most + " or less.");
  return input_error(prompt + " has " + std::to_string(prompt_tokens) +
                         " tokens and its answer may have " + std::to_string(max_new_tokens) +
                         ", and the model has " + positions + " positions.",
                     setting, "Set it to " + most + " or less, or give a shorter prompt.");
}

}  // namespace luthier
