// SPDX-License-Identifier: GPL-3.0-or-later
// Other programs' curves, and lines of our own through the reader that takes the short way: what it
// takes, the JSON reader must take to the same line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/runs/foreign_run.h"
#include "engine/runs/metrics_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto& lines : {luthier::lines_of_tensorboard(text, "events.out.tfevents.1"),
                            luthier::lines_of_trainer_state(text, "trainer_state.json")}) {
    if (!lines) continue;
    for (std::size_t i = 1; i < lines->size(); ++i)
      if ((*lines)[i - 1].step >= (*lines)[i].step) std::abort();
    for (const luthier::MetricsLine& line : *lines)
      (void)luthier::to_json(line).dump(-1, ' ', false, luthier::Json::error_handler_t::replace);
  }
  if (const auto own = luthier::read_own_metrics_line(text)) {
    const auto json = luthier::parse_json(text, "metrics.jsonl");
    if (!json) std::abort();
    const auto line = luthier::metrics_from_json(*json, "metrics.jsonl");
    if (!line || luthier::to_json(*line) != luthier::to_json(*own)) std::abort();
  }
  return 0;
}
