// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of the verb `adapter`, each as a verb is (verbs.h): a file adapter_<part>.cpp, a line
// here and one in adapter.cpp.
#pragma once

#include "app/cli/verbs.h"

namespace luthier::cli {

Action add_adapter_init(CLI::App& app);
Action add_adapter_convert(CLI::App& app);
Action add_adapter_combine(CLI::App& app);
Action add_adapter_ranks(CLI::App& app);
Action add_adapter_swap(CLI::App& app);

}  // namespace luthier::cli
