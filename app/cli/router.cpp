// SPDX-License-Identifier: GPL-3.0-or-later
// A router over several adapters of one base: fitted from the rows that each was trained on, and
// asked about rows.
#include "engine/compare/adapter_router.h"

#include <cstdio>
#include <map>
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/compare/result_folder.h"
#include "engine/config/recipe.h"
#include "engine/io/probe.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

namespace fs = std::filesystem;

struct RouterOptions {
  std::string model, router, out, image_folder, device = "auto", dtype = "auto";
  std::vector<std::string> adapters, rows, held_out, samples;
  std::size_t most_rows = 500;
  MediaLimits pixels;
  bool json = false;
};

/// NAME=VALUE, each name once.
Result<std::vector<std::pair<std::string, std::string>>> named(
    const std::vector<std::string>& texts, const std::string& option) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
      return input_error("\"" + text + "\" is not NAME=PATH.", option,
                         "Write " + option + " korean=PATH.");
    pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return pairs;
}

/// The training files of the run that an adapter came from.
Result<std::vector<fs::path>> rows_of_run(const std::string& name, const fs::path& adapter,
                                          std::string& image_folder) {
  const fs::path recipe = adapter.parent_path() / "recipe.yaml";
  if (!is_there(recipe))
    return input_error(
        "It is not known which rows this adapter was trained on: no recipe.yaml "
        "stands beside it.",
        adapter.string(), "Name them with --rows " + name + "=FILE.");
  LUTHIER_TRY(const Recipe read, read_recipe(recipe));
  if (image_folder.empty()) image_folder = read.image_folder;
  return std::vector<fs::path>(read.dataset.begin(), read.dataset.end());
}

/// At most so many, spread over all of them.
std::vector<Sample> some_of(std::vector<Sample> samples, std::size_t most) {
  if (samples.size() <= most) return samples;
  std::vector<Sample> some;
  for (std::size_t i = 0; i < most; ++i)
    some.push_back(std::move(samples[i * samples.size() / most]));
  return some;
}

Result<RoutedTask> read_task(const RouterOptions& o, const std::string& name,
                             const std::string& folder,
                             const std::map<std::string, std::vector<fs::path>>& rows,
                             const std::map<std::string, std::vector<fs::path>>& held_out) {
  LUTHIER_TRY(const ResultFolder found, find_result(folder));
  if (found.whole)
    return input_error(
        "This is a whole checkpoint, and a router chooses among adapters on one "
        "base.",
        found.folder.string(), "Name an adapter, or leave it out.");
  RoutedTask task{name, found.folder, {}, {}};
  std::string pictures = o.image_folder;
  std::vector<fs::path> files;
  if (const auto given = rows.find(name); given != rows.end()) {
    files = given->second;
  } else {
    LUTHIER_TRY(files, rows_of_run(name, found.folder, pictures));
  }
  LUTHIER_TRY(auto all, read_samples(files, pictures));
  all = some_of(std::move(all), o.most_rows);
  if (const auto given = held_out.find(name); given != held_out.end()) {
    task.rows = std::move(all);
    LUTHIER_TRY(task.held_out, read_samples(given->second, o.image_folder));
    task.held_out = some_of(std::move(task.held_out), o.most_rows);
    return task;
  }
  // Every fifth row, and of few the last, proves the choice.
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool proves = i % 5 == 4 || (all.size() < 5 && i + 1 == all.size());
    (proves ? task.held_out : task.rows).push_back(std::move(all[i]));
  }
  return task;
}

LoadOptions router_load(const RouterOptions& o) {
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  return load;
}

bool router_goes_on(std::size_t, std::size_t) { return !interrupted().stop_requested(); }

Status fit(const RouterOptions& o) {
  LUTHIER_TRY(const auto adapters, named(o.adapters, "--adapter"));
  std::map<std::string, std::vector<fs::path>> rows, held_out;
  LUTHIER_TRY(const auto named_rows, named(o.rows, "--rows"));
  LUTHIER_TRY(const auto named_held_out, named(o.held_out, "--held-out"));
  for (const auto& [name, file] : named_rows) rows[name].emplace_back(file);
  for (const auto& [name, file] : named_held_out) held_out[name].emplace_back(file);
  std::vector<RoutedTask> tasks;
  for (const auto& [name, folder] : adapters) {
    LUTHIER_TRY(RoutedTask task, read_task(o, name, folder, rows, held_out));
    tasks.push_back(std::move(task));
  }
  for (const auto* files : {&rows, &held_out}) {
    for (const auto& [name, unused] : *files) {
      bool known = false;
      for (const RoutedTask& task : tasks) known = known || task.name == name;
      if (!known)
        return input_error("There is no adapter \"" + name + "\".",
                           files == &rows ? "--rows" : "--held-out",
                           "Name it with --adapter " + name + "=DIR too.");
    }
  }
  use_all_cores();
  LUTHIER_TRY(const LoadedModel base, load_model(o.model, router_load(o)));
  LUTHIER_TRY(const AdapterRouter router, AdapterRouter::fit(base, tasks, router_goes_on));
  LUTHIER_CHECK(router.write(o.out));
  const RouterProof& proof = router.proof();
  char text[160];
  std::snprintf(text, sizeof text,
                "held-out rows sent to their own adapter: %lld of %lld (%.1f %%)",
                static_cast<long long>(proof.right), static_cast<long long>(proof.rows),
                proof.accuracy() * 100);
  print_line(text);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    std::string line = tasks[i].name + ":";
    for (std::size_t j = 0; j < tasks.size(); ++j)
      line += "  " + tasks[j].name + " " + std::to_string(proof.confusion[i][j]);
    print_line(line);
  }
  return {};
}

Status ask(const RouterOptions& o) {
  LUTHIER_TRY(const auto samples,
              read_samples({o.samples.begin(), o.samples.end()}, o.image_folder));
  use_all_cores();
  LUTHIER_TRY(const LoadedModel base, load_model(o.model, router_load(o)));
  LUTHIER_TRY(const AdapterRouter router, AdapterRouter::open(o.router, base));
  LUTHIER_TRY(const auto routes, router.choose(base, samples, router_goes_on));
  Json list = Json::array();
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::string& name = router.adapters()[routes[i].adapter].name;
    const std::string place = short_place(samples[i].where);
    list.push_back({{"sample", place}, {"adapter", name}, {"sureness", routes[i].sureness}});
    char sure[32];
    std::snprintf(sure, sizeof sure, "  %.1f %%", routes[i].sureness * 100);
    if (!o.json) print_line(place + ": " + name + sure);
  }
  if (o.json) print_json({{"router", o.router}, {"samples", std::move(list)}});
  return {};
}

void add_shared(CLI::App& app, RouterOptions& o) {
  app.add_option("MODEL", o.model, "The base of all adapters: a checkpoint folder")->required();
  app.add_option("--image-folder", o.image_folder,
                 "Where relative picture paths start (else beside their file)");
  add_pixel_options(app, o.pixels);
  app.add_option("--device", o.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o.dtype, "auto, float32 or bfloat16")->capture_default_str();
}

}  // namespace

Action add_router(CLI::App& app) {
  const auto o = std::make_shared<RouterOptions>();
  app.require_subcommand(1);
  CLI::App* fits = app.add_subcommand(
      "fit", "From the rows that each adapter was trained on; says how held-out rows are sent");
  add_shared(*fits, *o);
  fits->add_option("--adapter", o->adapters,
                   "NAME=DIR: an adapter or the run that left it (at least two)")
      ->required()
      ->allow_extra_args(false);
  fits->add_option("--rows", o->rows,
                   "NAME=FILE: what that adapter was trained on, where its run does not say it")
      ->allow_extra_args(false);
  fits->add_option("--held-out", o->held_out,
                   "NAME=FILE: rows that prove the choice (else every fifth one of its rows)")
      ->allow_extra_args(false);
  fits->add_option("--max-rows", o->most_rows, "Rows of each that are looked at")
      ->check(CLI::Range(2, 1'000'000))
      ->capture_default_str();
  fits->add_option("--out", o->out, "The folder to write router.json and router.safetensors into")
      ->required();
  CLI::App* asks = app.add_subcommand("ask", "Which adapter it picks for each row, and how sure");
  add_shared(*asks, *o);
  asks->add_option("--router", o->router, "A folder that fit has written")->required();
  asks->add_option("--samples", o->samples, "Rows, of which the prompts are looked at")
      ->required()
      ->allow_extra_args(false);
  asks->add_flag("--json", o->json, "One JSON document on stdout");
  return [o, fits]() -> Ending { return fits->parsed() ? fit(*o) : ask(*o); };
}

}  // namespace luthier::cli
