// SPDX-License-Identifier: GPL-3.0-or-later
// How long an answer may get before a model that looks positions up (GPT-2, OPT, BART, the
// captioners) has none left. Asked before anything is decoded; models whose positions are turned
// have no end.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// Tokens of a row that the model has positions for, as its family reads config.json; 0: no end.
std::int64_t positions_of(const LoadedModel& loaded);

/// New tokens that an answer to a prompt of so many tokens may have: the last one is written and
/// never read. An encoder-decoder's answer is a row of its own, behind its start token. Below 1:
/// the prompt does not fit; the largest number where there is no end.
std::int64_t answer_room(const LoadedModel& loaded, std::int64_t prompt_tokens);

/// Input error at `setting` where an answer of `max_new_tokens` to such a prompt would need
/// positions that the model lacks. `prompt`: what it is to the person ("The prompt").
Status check_answer_room(const LoadedModel& loaded, std::int64_t prompt_tokens,
                         std::int64_t max_new_tokens, const std::string& setting = "max_new_tokens",
                         const std::string& prompt = "The prompt");

}  // namespace luthier
