// SPDX-License-Identifier: GPL-3.0-or-later
// What a run of stages knew of every task after every task.
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/runs/task_table.h"

namespace luthier::cli {

Action add_tasks(CLI::App& app) {
  struct TasksOptions {
    std::string run;
    bool json = false;
  };
  const auto o = std::make_shared<TasksOptions>();
  app.add_option("RUN", o->run, "The folder of a run of stages whose recipe has task_table")
      ->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o]() -> Status {
    LUTHIER_TRY(const auto table, read_task_table(o->run));
    if (!table)
      return input_error("There is no table of tasks.", o->run,
                         "A run of stages makes one where its recipe says task_table: true.");
    if (o->json)
      print_json(to_json(*table));
    else
      std::fputs(task_table_text(*table).c_str(), stdout);
    return {};
  };
}

}  // namespace luthier::cli
