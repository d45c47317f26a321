// SPDX-License-Identifier: GPL-3.0-or-later
// `methods`: what each method would train of a model, and what stands in memory for it; with
// --run, short runs of the methods on the same rows, and what they came to. Sizes are in powers of
// ten, as papers and textbooks count them.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/forecast/method_table.h"
#include "engine/io/named_place.h"
#include "engine/session/headless.h"
#include "engine/session/method_runs.h"

namespace luthier::cli {

namespace {

std::string decimal_text(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < std::size(kUnits); ++unit) size /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return text;
}

std::string with_format(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}
std::string with_format(const char* format, const std::optional<double>& value) {
  return value ? with_format(format, *value) : "-";
}

std::string percents(const char* format, std::optional<double> share) {
  if (share) *share *= 100;
  return with_format(format, share);
}

std::string count_text(std::int64_t count) {
  return count < 100'000 ? grouped(count) : with_format("%.1f M", static_cast<double>(count) / 1e6);
}

std::string cells(const std::string& first, const std::vector<std::string>& rest) {
  char cell[64];
  std::snprintf(cell, sizeof cell, "%-22s", first.c_str());
  std::string line = cell;
  for (const std::string& each : rest) {
    std::snprintf(cell, sizeof cell, "%11s", each.c_str());
    line += cell;
  }
  return line;
}

void show(const MethodTable& table) {
  print_line(grouped(table.parameters) + " parameters, " + table.dtype + ", " + table.optimizer +
             "; sizes in powers of ten, activations left out");
  print_line(cells("method", {"trained", "share", "weights", "adapter", "gradients", "moments",
                              "masters", "sum", "file"}));
  for (const MethodRow& row : table.rows) {
    const std::string name = choice_name(row.method, row.four_bits);
    if (row.refused) {
      print_line(cells(name, {}) + "  " + row.refused->sentence());
      continue;
    }
    const auto count = static_cast<double>(row.trained);
    const double share = 100 * count / static_cast<double>(table.parameters);
    print_line(cells(
        name, {count_text(row.trained), with_format("%.2f %%", share), decimal_text(row.weights),
               decimal_text(row.adapter), decimal_text(row.gradients), decimal_text(row.moments),
               decimal_text(row.masters), decimal_text(row.total()), decimal_text(row.file)}));
  }
}

void show(const std::vector<ShortRun>& runs) {
  print_line(
      cells("short run", {"state", "steps", "step", "tokens/s", "loss", "held-out", "perplexity",
                          "4bit loses", "exact", "token F1", "4bit loses", "peak", "file"}));
  for (const ShortRun& run : runs) {
    const std::string name = choice_name(run.method, run.four_bits);
    if (run.error) {
      print_line(cells(name, {run.state}) + "  " + run.error->sentence());
      continue;
    }
    print_line(cells(
        name,
        {run.state, std::to_string(run.steps), with_format("%.1f ms", 1000 * run.step_seconds),
         with_format("%.0f", run.tokens_per_second), with_format("%.4f", run.loss),
         with_format("%.4f", run.eval_loss), with_format("%.3f", run.perplexity()),
         with_format("%+.4f", lost_by_packing(runs, run)),
         percents("%.1f %%", run.score("exact_match")), percents("%.1f %%", run.score("token_f1")),
         percents("%+.1f pp", exact_lost_by_packing(runs, run)), decimal_text(run.peak_memory),
         decimal_text(run.file)}));
  }
}

struct MethodsOptions {
  std::string model, dtype, run, out;
  std::vector<std::string> set, only;
  std::int64_t steps = 20;
  std::size_t answers = kHeldOutAnswers;
  bool json = false, four_bits = false;
};

/// Those that were asked for, or all that the table does not refuse.
Result<std::vector<PlannedRun>> plan_runs(const MethodsOptions& o, const Recipe& base,
                                          const std::vector<MethodChoice>& choices,
                                          const MethodTable& table) {
  const std::string root = !o.out.empty() ? o.out
                           : base.output_dir.empty()
                               ? "runs/methods"
                               : place_beside(base.output_dir, "-methods").string();
  std::vector<PlannedRun> runs;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (o.only.empty() && table.rows[i].refused) continue;
    if (table.rows[i].refused) return *table.rows[i].refused;
    LUTHIER_TRY(PlannedRun run, plan_short_run(base, choices[i], o.set, o.steps, root));
    runs.push_back(std::move(run));
  }
  order_runs(runs);
  return runs;
}

/// A run that fails is told and the next one begins; what there is when a person stops is kept.
std::vector<ShortRun> run_all(const std::vector<PlannedRun>& planned, std::size_t answers) {
  std::vector<ShortRun> done;
  for (const PlannedRun& run : planned) {
    if (interrupted().stop_requested()) break;
    std::fprintf(stderr, "%s\n", run.recipe.output_dir.c_str());
    const auto result = train_headless(run.recipe, std::nullopt, {}, interrupted(), answers);
    done.push_back(read_short_run(run));
    if (!result) {
      done.back().state = run_state_name(RunState::Failed);
      done.back().error = result.error();
    }
  }
  return done;
}

Status compare_methods(const MethodsOptions& o) {
  LUTHIER_TRY(const ModelSummary model, summarize_model(o.model));
  LUTHIER_TRY(Recipe base, o.run.empty() ? parse_recipe("", "methods") : read_recipe(o.run));
  base.model = o.model;
  std::vector<MethodChoice> choices = method_choices(o.four_bits);
  if (!o.only.empty()) {
    Recipe named = base;
    for (const std::string& name : o.only)
      if (Status known = set_field(named, "strategy", name); !known) {
        Error error = known.error();  // which says which names there are
        error.where = "--only";
        return error;
      }
    std::erase_if(choices, [&](const MethodChoice& choice) {
      return std::find(o.only.begin(), o.only.end(), choice.method) == o.only.end();
    });
  }
  std::string dtype = o.dtype;
  if (dtype.empty() && o.run.empty()) dtype = "bfloat16";
  if (dtype.empty()) {
    LUTHIER_TRY(const Recipe first, recipe_of(base, choices.front(), o.set));
    LUTHIER_TRY(dtype, compute_type(first));
  }
  LUTHIER_TRY(const MethodTable table, method_table(model, base, choices, o.set, dtype));
  if (o.run.empty()) {
    if (o.json)
      print_json(to_json(table));
    else
      show(table);
    return {};
  }
  LUTHIER_TRY(const std::vector<PlannedRun> planned, plan_runs(o, base, choices, table));
  if (!o.json) show(table);
  const std::vector<ShortRun> runs = run_all(planned, o.answers);
  if (o.json) {
    Json document = to_json(table);
    document["runs"] = to_json(runs);
    print_json(document);
  } else {
    print_line("");
    show(runs);
  }
  if (interrupted().stop_requested()) return interrupted_error();
  for (const ShortRun& run : runs)
    if (run.error) return *run.error;
  return {};
}

}  // namespace

Action add_methods(CLI::App& app) {
  const auto o = std::make_shared<MethodsOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder; for the table its config.json is enough")
      ->required();
  app.add_option("--set", o->set,
                 "KEY=VALUE: a setting for the methods that have it (several times)")
      ->allow_extra_args(false);
  app.add_option("--only", o->only, "These methods alone: lora,ia3")->delimiter(',');
  app.add_flag("--with-4bit", o->four_bits,
               "Methods that hang something on the base twice: over its weights and over a base "
               "of 4 bits");
  app.add_option("--dtype", o->dtype,
                 "The table's compute type (with --run: the recipe's; else bfloat16)")
      ->check(CLI::IsMember({"bfloat16", "float32"}));
  app.add_option(
      "--run", o->run,
      "A recipe: a short run of each method by its settings and on its rows, with "
      "tokens a second, the loss on its eval_dataset and the scores of its answers there");
  app.add_option("--steps", o->steps, "Of each short run (default: 20)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
  app.add_option("--answers", o->answers,
                 "Rows of the eval_dataset that each short run answers at its end; 0: none")
      ->check(CLI::Range(std::size_t{0}, std::size_t{100'000}))
      ->capture_default_str();
  app.add_option("--out", o->out,
                 "The folder for the runs (default: the recipe's output_dir with -methods)");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return compare_methods(*o); };
}

}  // namespace luthier::cli
