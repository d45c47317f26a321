// SPDX-License-Identifier: GPL-3.0-or-later
// What the probe of long texts (context_probe.h) writes for a model to read. Nobody is told it, so
// it is in no other language.
#pragma once

#include <string>

namespace luthier {

inline constexpr const char* kOwnFiller =
    "Rain fell on the roof all night. A cart went slowly down the road. Somebody had left a lamp "
    "in "
    "the window. The river was high that spring. Two boats lay at the old landing. In the morning "
    "the fields were white. Bread was baked on the third day of the week. The dog slept under the "
    "table.";
inline constexpr const char* kContextBeginning =
    "Somewhere in this text stands a pass key. Find it.";
inline constexpr const char* kContextQuestion =
    "What is the pass key? Answer with its digits alone.";

inline std::string key_sentence(const std::string& key) { return "The pass key is " + key + "."; }

}  // namespace luthier
