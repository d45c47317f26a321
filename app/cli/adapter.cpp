// SPDX-License-Identifier: GPL-3.0-or-later
// What is done with adapters by themselves: `luthier-cli adapter PART`, a file a part.
#include "app/cli/adapter.h"

#include <map>
#include <memory>

namespace luthier::cli {

Action add_adapter(CLI::App& app) {
  app.require_subcommand(1);
  const auto actions = std::make_shared<std::map<CLI::App*, Action>>();
  const auto part = [&](const char* name, const char* help, Action (*add)(CLI::App&)) {
    CLI::App* sub = app.add_subcommand(name, help);
    (*actions)[sub] = add(*sub);
  };
  part("init", "The adapter that a recipe would start with", add_adapter_init);
  part("convert", "An adapter that took its start out of the base, as a plain LoRA",
       add_adapter_convert);
  part("combine", "Make one adapter of several, without their base", add_adapter_combine);
  part("ranks", "Singular values of each change, and what of its rank it uses", add_adapter_ranks);
  part("swap", "Measure what adapters take beside their base, and a change from one to another",
       add_adapter_swap);
  return [&app, actions] { return actions->at(app.get_subcommands().front())(); };
}

}  // namespace luthier::cli
