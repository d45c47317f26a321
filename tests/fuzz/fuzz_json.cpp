// SPDX-License-Identifier: GPL-3.0-or-later
// JSON and YAML from anywhere through every reader of theirs (run records too). What is accepted
// dumps and parses again to the same document.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/io/json.h"
#include "engine/io/yaml.h"
#include "engine/runs/run_records.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto json = luthier::parse_json(text, "fuzz.json");
  const auto sorted = luthier::parse_sorted_json(text, "fuzz.json");
  if (json.ok() != sorted.ok()) std::abort();
  if (json) {
    const auto again = luthier::parse_json(json->dump(), "again.json");
    if (!again || again->dump() != json->dump()) std::abort();
    if (const auto manifest = luthier::manifest_from_json(*json, "run.json")) {
      // A number that JSON cannot hold comes back as null or nothing, so the text is what must be
      // stable.
      const auto read = luthier::manifest_from_json(luthier::to_json(*manifest), "run.json");
      if (!read || luthier::to_json(*read) != luthier::to_json(*manifest)) std::abort();
    }
    if (const auto line = luthier::metrics_from_json(*json, "metrics.jsonl"))
      (void)luthier::to_json(*line).dump();
    if (const auto event = luthier::event_from_json(*json, "events.jsonl"))
      (void)luthier::to_json(*event).dump();
  }
  if (const auto yaml = luthier::parse_yaml(text, "fuzz.yaml")) (void)yaml->dump();
  return 0;
}
