// SPDX-License-Identifier: GPL-3.0-or-later
// Pieces of the script, each a few lines of Python. Internal to the room.
#pragma once

#include <string>

#include "engine/handover/script.h"

namespace luthier::handover {

/// Whether the script makes a batch's tokens itself.
bool collates(const ScriptFacts& facts);

std::string processor_part(const ScriptFacts& facts);
std::string rows_part(const ScriptFacts& facts);
/// What tokenizes rows where TRL would do it otherwise; else nothing.
std::string tokens_part(const Recipe& recipe, const ScriptFacts& facts);
std::string order_part(const ScriptFacts& facts);
std::string model_part(const Recipe& recipe, const ScriptFacts& facts);
/// Behind the model: what it takes to shard it (accelerate's FSDP), where that is offered.
std::string sharded_part(const ScriptFacts& facts);
std::string data_part(const ScriptFacts& facts);

}  // namespace luthier::handover
