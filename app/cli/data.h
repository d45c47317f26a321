// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of `luthier-cli data` that have a file of their own.
#pragma once

#include "app/cli/verbs.h"

namespace luthier::cli {

Action add_data_label(CLI::App& app);
Action add_data_select(CLI::App& app);
Action add_data_show(CLI::App& app);
Action add_data_columns(CLI::App& app);
Action add_data_stats(CLI::App& app);
Action add_data_search(CLI::App& app);
Action add_data_clean(CLI::App& app);
Action add_data_split(CLI::App& app);

}  // namespace luthier::cli
