// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs of the lab's measurements: laws, lab efficiency, advise.
#pragma once

#include "app/cli/verbs.h"

namespace luthier::cli {

Action add_laws(CLI::App& app);
/// Adds `efficiency` to the verb lab.
Action add_efficiency(CLI::App& app);
Action add_advise(CLI::App& app);

}  // namespace luthier::cli
