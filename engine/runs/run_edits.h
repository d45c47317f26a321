// SPDX-License-Identifier: GPL-3.0-or-later
// Settings that a person may change while a run goes on. Each change is an event of the run, so the
// run's folder says what it was trained by: a resume makes those changes again at their steps, and
// a run without a person can be given them as a file (`luthier-cli train --edits`). No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/runs/run_records.h"

namespace luthier {

/// After `step` steps were done the setting became this; the next step is the first to go by it.
struct RunEdit {
  std::int64_t step = 0;
  std::string setting;  ///< "learning_rate": its field is training.learning_rate
  double value = 0;
  bool operator==(const RunEdit&) const = default;
};

/// learning_rate, max_grad_norm and logging_steps; an event of a change has the name as its kind.
const std::vector<std::string>& live_settings();
bool is_live_setting(const std::string& name);
/// By the rules of the recipe's field; an Input error names it.
Status check_edit(const std::string& setting, double value);

/// What the event of a change says, and back: "from 0.0002 to 1e-05".
std::string edit_detail(double from, double to);
std::optional<RunEdit> edit_of(const RunEvent& event);

/// The setting as the recipe has it, and as it is after `step` steps by the changes among events.
double recipe_value(const Recipe& recipe, const std::string& setting);
double value_in_force(const Recipe& recipe, const std::vector<RunEvent>& events,
                      const std::string& setting, std::int64_t step);

/// Of a run's events.jsonl, or of a file of lines like {"step": 40, "learning_rate": 5e-5}; in the
/// order of their steps. An Input error names the line, or says that there is none.
Result<std::vector<RunEdit>> read_edits(const std::filesystem::path& file);

}  // namespace luthier
