// SPDX-License-Identifier: GPL-3.0-or-later
// The JSON that bitsandbytes stores beside a four-bit weight (quant_state): how its blocks lie and
// what it was before. It comes with a file, so it may say anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/weight_kinds/bnb_4bit.h"

namespace luthier::bnb_4bit {

struct State {
  std::int64_t block = kBlock, nested_block = kNestedBlock;
  std::string dtype;  ///< "float32", "bfloat16" or "float16"
  std::vector<std::int64_t> shape;
  std::optional<double> offset = {};  ///< of packed scales; none: they are not packed
};

/// `type`: the kind that the tensor's name says ("nf4").
Result<State> parse_state(std::string_view text, const char* type, const std::string& where);
/// As bitsandbytes writes it, to the byte.
std::string state_text(const State& state, const char* type);

}  // namespace luthier::bnb_4bit
