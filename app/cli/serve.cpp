// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that outlive who started them: see docs/serve.md.
#include <unistd.h>

#include <memory>

#include "app/cli/verbs.h"
#include "engine/session/elsewhere/run_host.h"
#include "engine/session/elsewhere/serve.h"

namespace luthier::cli {

Action add_serve(CLI::App& app) {
  const auto run = std::make_shared<std::string>();
  app.add_option("--run", *run, "The process of a run that serve has begun")->group("");
  app.footer(
      "Speaks JSON lines on its standard streams, for the window and for programs: a run that it "
      "starts goes on when the streams end, and is attached to again. docs/serve.md has the "
      "commands. No port is opened: from another machine it is `ssh HOST luthier-cli serve`.");
  return [run]() -> Status {
    if (!run->empty()) return host_run(*run, interrupted());
    return serve(STDIN_FILENO, STDOUT_FILENO, interrupted());
  };
}

}  // namespace luthier::cli
