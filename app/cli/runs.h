// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of `luthier-cli runs`.
#pragma once

#include "app/cli/verbs.h"

namespace luthier::cli {

Action add_runs_list(CLI::App& app);
Action add_runs_fork(CLI::App& app);
Action add_runs_extend(CLI::App& app);
Action add_runs_note(CLI::App& app);
Action add_runs_rename(CLI::App& app);
Action add_runs_remove(CLI::App& app);
Action add_runs_restore(CLI::App& app);
Action add_runs_sweep(CLI::App& app);
Action add_runs_diff(CLI::App& app);
Action add_runs_curves(CLI::App& app);

}  // namespace luthier::cli
