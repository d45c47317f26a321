// SPDX-License-Identifier: GPL-3.0-or-later
// What is done with runs: `luthier-cli runs PART`.
#include "app/cli/runs.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "engine/base/text.h"
#include "engine/runs/foreign_run.h"
#include "engine/runs/run_bin.h"
#include "engine/runs/run_notes.h"
#include "engine/runs/run_parent.h"

namespace luthier::cli {

namespace {

std::string short_number(const std::optional<double>& value) {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", *value);
  return text;
}

Status list_runs_of(const std::string& folder, const std::string& tag, bool json) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    return input_error(std::filesystem::exists(folder, ignored)
                           ? "This is a file, and a folder of runs is needed."
                           : "There is no such folder.",
                       folder, "Name the folder that holds runs.");
  const std::vector<RunSummary> runs = list_runs(folder);
  std::vector<std::optional<RunParent>> parents;
  for (const RunSummary& run : runs) parents.push_back(read_run_parent(run.path));
  Json documents = Json::array();
  std::size_t shown = 0;
  for (const TreePlace& place : run_tree(runs, parents)) {
    const RunSummary& run = runs[place.run];
    const auto read = read_run_notes(run.path);
    if (!read) std::fprintf(stderr, "%s\n", read.error().sentence().c_str());
    const RunNotes notes = read ? *read : RunNotes();
    if (!tag.empty() && std::find(notes.tags.begin(), notes.tags.end(), tag) == notes.tags.end())
      continue;
    ++shown;
    if (json) {
      Json document{{"name", run.name},     {"folder", run.path.string()},
                    {"active", run.active}, {"tags", notes.tags},
                    {"note", notes.note},   {"run", to_json(run.manifest)}};
      document["forked_from"] = parents[place.run] ? to_json(*parents[place.run]) : Json(nullptr);
      documents.push_back(std::move(document));
      continue;
    }
    const RunManifest& m = run.manifest;
    const std::string state = run.problem.empty() ? run_state_name(m.state) : "cannot be read";
    print_line(std::string(static_cast<std::size_t>(2 * place.depth), ' ') + run.name + "  " +
               state + "  " + m.strategy + "  " + std::to_string(m.step) + "/" +
               std::to_string(m.total_steps) + "  loss " + short_number(m.last_loss) + "  eval " +
               short_number(m.best_eval_loss) +
               (notes.tags.empty() ? "" : "  [" + tags_text(notes.tags) + "]"));
  }
  if (json)
    print_json({{"runs", documents}});
  else if (shown == 0)
    print_line("There is no such run in " + folder + ".");
  return {};
}

Status note_run(const std::string& run, const std::vector<std::string>& add,
                const std::vector<std::string>& take, const std::optional<std::string>& note) {
  LUTHIER_TRY(const RunFolder folder, RunFolder::open(run));
  LUTHIER_TRY(RunNotes notes, read_run_notes(folder.path()));
  for (const std::string& tag : add) notes.tags.push_back(tag);
  for (const std::string& tag : take) std::erase(notes.tags, trimmed(tag));
  if (note) notes.note = *note;
  if (!add.empty() || !take.empty() || note) LUTHIER_CHECK(write_run_notes(folder.path(), notes));
  LUTHIER_TRY(notes, read_run_notes(folder.path()));
  print_json({{"tags", notes.tags}, {"note", notes.note}});
  return {};
}

}  // namespace

Action add_runs_list(CLI::App& app) {
  struct ListOptions {
    std::string folder, tag;
    bool json = false;
  };
  const auto o = std::make_shared<ListOptions>();
  app.add_option("FOLDER", o->folder, "The folder that holds runs")->required();
  app.add_option("--tag", o->tag, "Only those with this tag");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return list_runs_of(o->folder, o->tag, o->json); };
}

Action add_runs_note(CLI::App& app) {
  struct NoteOptions {
    std::string run;
    std::vector<std::string> add, take;
    std::optional<std::string> note;
  };
  const auto o = std::make_shared<NoteOptions>();
  app.add_option("RUN", o->run, "A run's folder")->required();
  app.add_option("--tag", o->add, "A tag to add (several times)")->allow_extra_args(false);
  app.add_option("--untag", o->take, "A tag to take away (several times)")->allow_extra_args(false);
  app.add_option("--note", o->note, "The note, in place of what stands; empty: none");
  return [o] { return note_run(o->run, o->add, o->take, o->note); };
}

Action add_runs_rename(CLI::App& app) {
  struct RenameOptions {
    std::string run, name;
  };
  const auto o = std::make_shared<RenameOptions>();
  app.add_option("RUN", o->run, "A run's folder")->required();
  app.add_option("NAME", o->name, "What it is to be called")->required();
  return [o]() -> Status {
    LUTHIER_TRY(const auto place, rename_run(o->run, o->name));
    print_line(place.string());
    return {};
  };
}

Action add_runs_remove(CLI::App& app) {
  const auto run = std::make_shared<std::string>();
  app.add_option("RUN", *run, "A run's folder; it goes into .bin beside it, whole")->required();
  return [run]() -> Status {
    LUTHIER_CHECK(check_may_move(*run));
    LUTHIER_TRY(const std::uint64_t bytes, folder_bytes(*run));
    LUTHIER_TRY(const auto place, move_to_bin(*run));
    print_line(place.string() + "  " + size_text(static_cast<double>(bytes)) +
               "  bring it back with: luthier-cli runs restore " + place.string());
    return {};
  };
}

Action add_runs_restore(CLI::App& app) {
  const auto run = std::make_shared<std::string>();
  app.add_option("BINNED", *run, "A run's folder in .bin")->required();
  return [run]() -> Status {
    std::error_code problem;
    const auto binned = std::filesystem::absolute(*run, problem).lexically_normal();
    const auto from = binned.has_filename() ? binned : binned.parent_path();
    if (from.parent_path().filename() != ".bin")
      return input_error("This is not in a bin of runs.", from.string(),
                         "Name a folder that lies in .bin.");
    const auto place = from.parent_path().parent_path() / from.filename();
    LUTHIER_CHECK(bring_back(from, place));
    print_line(place.string());
    return {};
  };
}

Action add_runs_diff(CLI::App& app) {
  struct DiffOptions {
    std::vector<std::string> runs;
    bool json = false;
  };
  const auto o = std::make_shared<DiffOptions>();
  app.add_option("RUN", o->runs, "Two runs' folders or more")->required()->expected(2, -1);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o]() -> Status {
    std::vector<Recipe> recipes;
    for (const std::string& path : o->runs) {
      LUTHIER_TRY(const RunFolder run, RunFolder::open(path));
      LUTHIER_TRY(const std::string yaml, run.read_recipe_yaml());
      LUTHIER_TRY(Recipe recipe, parse_recipe(yaml, path + "/recipe.yaml"));
      recipe.output_dir.clear();  // never the same, and no setting that anything follows from
      recipes.push_back(std::move(recipe));
    }
    std::map<std::string, std::vector<std::string>> values;
    for (std::size_t i = 1; i < recipes.size(); ++i) {
      for (const FieldDifference& each : recipe_differences(recipes[0], recipes[i])) {
        auto [entry, made] =
            values.try_emplace(each.key, std::vector<std::string>(recipes.size(), each.left));
        entry->second[i] = each.right;
      }
    }
    if (o->json) {
      print_json({{"runs", o->runs}, {"settings", values}});
      return {};
    }
    for (const auto& [key, list] : values) {
      std::string line = key;
      for (const std::string& value : list) line += "  " + value;
      print_line(line);
    }
    if (values.empty()) print_line("These runs have the same settings.");
    return {};
  };
}

Action add_runs_curves(CLI::App& app) {
  const auto path = std::make_shared<std::string>();
  app.add_option("PATH", *path,
                 "A run's folder, a TensorBoard event file, a trainer_state.json, or a folder that "
                 "holds such")
      ->required();
  return [path]() -> Status {
    std::vector<MetricsLine> lines;
    if (const auto run = RunFolder::open(*path)) {
      lines = run->read_metrics();
    } else {
      LUTHIER_TRY(auto foreign, read_foreign_run(*path));
      lines = std::move(foreign.lines);
    }
    for (const MetricsLine& line : lines)
      print_line(to_json(line).dump(-1, ' ', false, Json::error_handler_t::replace));
    return {};
  };
}

Action add_runs(CLI::App& app) {
  app.require_subcommand(1);
  const auto actions = std::make_shared<std::map<CLI::App*, Action>>();
  const auto part = [&](const char* name, const char* help, Action (*add)(CLI::App&)) {
    CLI::App* sub = app.add_subcommand(name, help);
    (*actions)[sub] = add(*sub);
  };
  part("list", "The runs in a folder, forks under the runs that they came from", add_runs_list);
  part("fork", "A new run that begins with a checkpoint of another, with changed settings",
       add_runs_fork);
  part("extend", "A new run that goes on from a finished one for more steps", add_runs_extend);
  part("sweep", "Train a recipe with each combination of a few values, one after another",
       add_runs_sweep);
  part("diff", "The settings in which runs differ", add_runs_diff);
  part("note", "Show or change a run's tags and note", add_runs_note);
  part("rename", "Call a run otherwise", add_runs_rename);
  part("remove", "Move a run into the bin beside it", add_runs_remove);
  part("restore", "Bring a run back from the bin", add_runs_restore);
  part("curves", "The logged lines of a run, also of other programs' runs", add_runs_curves);
  return [&app, actions] { return actions->at(app.get_subcommands().front())(); };
}

}  // namespace luthier::cli
