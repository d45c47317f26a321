// SPDX-License-Identifier: GPL-3.0-or-later
// What says how weights are packed: a checkpoint's quantization_config, and the text that stands
// beside a four-bit weight. What is accepted is written and read again as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/io/weight_kinds.h"
#include "engine/io/weight_kinds/bnb_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace luthier;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto json = parse_json(text, "config.json"); json && json->is_object()) {
    const auto kind = find_weight_kind(*json, "config.json: quantization_config");
    if (kind && *kind) {
      if ((*kind)->bytes(64, 128, *json) <= 0) std::abort();
      if ((*kind)->written) {
        const auto again = find_weight_kind((*kind)->written(*json), "again");
        if (!again || *again != *kind) std::abort();
      }
    }
  }
  for (const WeightKind* kind : weight_kinds()) {
    const auto part = part_of_weight(text, *kind);
    if (part && part_name(part->weight, part->end, *kind) != text) std::abort();
    const auto state = bnb_4bit::parse_state(text, kind->name, "quant_state");
    if (!state) continue;
    const auto again =
        bnb_4bit::parse_state(bnb_4bit::state_text(*state, kind->name), kind->name, "again");
    if (!again || again->shape != state->shape || again->offset != state->offset) std::abort();
  }
  return 0;
}
