// SPDX-License-Identifier: GPL-3.0-or-later
// What the four-bit kinds of bitsandbytes have in common without their tensors: settings, names and
// sizes. They differ in sixteen numbers.
#pragma once

#include "engine/io/weight_kinds.h"

namespace luthier::bnb_4bit {

inline constexpr std::int64_t kBlock = 64;         // numbers that share a scale
inline constexpr std::int64_t kNestedBlock = 256;  // scales that share one, where they are packed

/// Whether settings ask for four bits of this bnb_4bit_quant_type.
bool meant(const Json& settings, const char* type);
Status check(const Json& settings, const std::string& where);
bool double_quant(const Json& settings);
std::int64_t bytes(std::int64_t rows, std::int64_t cols, const Json& settings);
/// What stands beside a weight; `state` is the one whose name tells the type.
std::vector<std::string_view> beside(const char* state);

/// The settings as transformers writes them into config.json; `type` null: without four bits, all
/// at their defaults.
Json written(const Json& settings, const char* type);

}  // namespace luthier::bnb_4bit
