// SPDX-License-Identifier: GPL-3.0-or-later
// A line of metrics.jsonl as this program writes it, read without a document being built of it: a
// run of 100,000 steps opens at once.
#pragma once

#include <optional>
#include <string_view>

#include "engine/runs/run_records.h"

namespace luthier {

/// nullopt for anything else than exactly such a line; who asks reads it as JSON then, which says
/// the same of every line that both can read.
std::optional<MetricsLine> read_own_metrics_line(std::string_view text);

}  // namespace luthier
