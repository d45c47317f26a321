// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs of the lab's measurements: laws, advise, and what `lab` has beside its cards.
#pragma once

#include "app/cli/verbs.h"

namespace luthier::cli {

Action add_laws(CLI::App& app);
Action add_advise(CLI::App& app);
std::function<Status()> add_efficiency(CLI::App& app);

}  // namespace luthier::cli
