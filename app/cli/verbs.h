// SPDX-License-Identifier: GPL-3.0-or-later
// The command line's verbs, one file each. A verb adds its options to its CLI11 subcommand and
// returns what to run; the exit status is the contract: 0 done, 2 the input is at fault, 3 the
// machine is, 130 interrupted (and 1, where a verb's answer is "no": a check that failed).
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier::cli {

/// How a verb ended: done, an error, or done with an exit status of its own.
struct Ending {
  Ending(Status given) : status(std::move(given)) {}
  explicit Ending(int given) : exit_status(given) {}

  Status status;
  int exit_status = 0;  ///< where there is no error
};

/// What a verb does once its options are parsed.
using Action = std::function<Ending()>;

Action add_info(CLI::App& app);
Action add_tokenize(CLI::App& app);
Action add_forward(CLI::App& app);
Action add_generate(CLI::App& app);
Action add_train(CLI::App& app);
Action add_launch(CLI::App& app);
Action add_loss(CLI::App& app);
Action add_plan(CLI::App& app);
Action add_methods(CLI::App& app);
Action add_score(CLI::App& app);
Action add_head(CLI::App& app);
Action add_classify(CLI::App& app);
Action add_act(CLI::App& app);
Action add_robot(CLI::App& app);
Action add_compare(CLI::App& app);
Action add_attention(CLI::App& app);
Action add_data(CLI::App& app);
Action add_merge(CLI::App& app);
Action add_merge_models(CLI::App& app);
Action add_export(CLI::App& app);
Action add_step(CLI::App& app);
Action add_adapter(CLI::App& app);
Action add_quantize(CLI::App& app);
Action add_fetch(CLI::App& app);
Action add_models(CLI::App& app);
Action add_demo(CLI::App& app);
Action add_teach(CLI::App& app);
Action add_tasks(CLI::App& app);
Action add_router(CLI::App& app);
Action add_runs(CLI::App& app);
Action add_serve(CLI::App& app);
Action add_probe(CLI::App& app);
Action add_rope(CLI::App& app);
Action add_gpu_check(CLI::App& app);
Action add_lab(CLI::App& app);
Action add_compose(CLI::App& app);

/// Set by Ctrl+C; verbs that take long look at it.
std::stop_token interrupted();
/// One JSON document and a newline on stdout. Invalid UTF-8 is replaced.
void print_json(const Json& document);
/// One line on stdout.
void print_line(const std::string& line);
/// "12,345,678".
std::string grouped(std::int64_t number);

}  // namespace luthier::cli
