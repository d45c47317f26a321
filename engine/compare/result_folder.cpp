// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/result_folder.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/io/probe.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/stage_folder.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

constexpr const char* kAdapterFile = "adapter_config.json";
constexpr const char* kModelFile = "config.json";

/// Without a trailing slash, "." and "..".
fs::path plain(const fs::path& folder) {
  std::error_code ignored;
  fs::path path = folder.lexically_normal();
  if (path == "." || path.filename() == "..") path = fs::weakly_canonical(folder, ignored);
  return path.has_filename() ? path : path.parent_path();
}

/// The result that lies directly in the folder or under it in the places of a run.
std::optional<ResultFolder> result_in(const fs::path& folder) {
  if (is_there(folder / kAdapterFile)) return ResultFolder{folder, false};
  if (is_there(folder / kModelFile)) return ResultFolder{folder, true};
  if (is_there(folder / "adapter" / kAdapterFile)) return ResultFolder{folder / "adapter", false};
  if (is_there(folder / "model" / kModelFile)) return ResultFolder{folder / "model", true};
  return {};
}

std::string some_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > 5 ? text + ", …" : text;
}

/// Names of the folders beside or below that hold a result.
std::vector<std::string> results_below(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    std::error_code ignored;
    if (walk->is_directory(ignored) && result_in(walk->path())) {
      names.push_back(walk->path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Error not_there(const fs::path& folder) {
  const fs::path parent = folder.parent_path();
  if (folder.filename() == "adapter" && is_there(parent / "model" / kModelFile)) {
    return input_error("There is no such folder; the run's result is a whole checkpoint.",
                       folder.string(), "Name " + parent.string() + ".");
  }
  const auto names = results_below(parent.empty() ? fs::path(".") : parent);
  return input_error("There is no such folder.", folder.string(),
                     names.empty() ? "Name an adapter's folder, a checkpoint's or a run's."
                                   : "Beside it: " + some_names(names) + ".");
}

Error without_result(const fs::path& folder) {
  const auto run = summarize_run(folder);
  if (!run) {
    const auto names = results_below(folder);
    return input_error(
        "This is neither an adapter nor a checkpoint: it has no adapter_config.json "
        "and no config.json.",
        folder.string(),
        names.empty() ? "Name an adapter's folder, a checkpoint's or a run's."
                      : "Name one of those in it: " + some_names(names) + ".");
  }
  const std::string state = run_state_name(run->manifest.state);
  if (run->active) {
    return input_error("This run is " + state + " and has written no result yet.", folder.string(),
                       "Wait for its end.");
  }
  return input_error("This run is " + state + " and has written no result.", folder.string(),
                     run->newest_checkpoint ? "Resume it to its end." : "Train it again.");
}

}  // namespace

Result<ResultFolder> find_result(const fs::path& folder) {
  const fs::path path = plain(folder);
  if (!is_there(path)) return not_there(path);
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return input_error("This is a file.", path.string(),
                       result_in(parent)
                           ? "Name the folder that it lies in: " + parent.string() + "."
                           : "Name an adapter's folder, a checkpoint's or a run's.");
  }
  if (const auto result = result_in(path)) return *result;
  if (is_there(path / "trained.safetensors")) {
    return input_error("This is a checkpoint to resume from: it holds the trained weights alone.",
                       path.string(), "Resume the run to its end and name its result.");
  }
  if (is_stage_folder(path)) {  // what the last of its stages came to
    const auto stages = read_stage_records(path);
    if (!stages) return stages.error();
    for (auto each = stages->rbegin(); each != stages->rend(); ++each) {
      if (const auto result = result_in(path / each->folder)) return *result;
    }
  }
  // A stopped run of an adapter: the newest whole checkpoint has it.
  if (const auto run = RunFolder::open(path)) {
    const auto checkpoints = run->checkpoints();
    for (auto each = checkpoints.rbegin(); each != checkpoints.rend(); ++each) {
      const fs::path adapter = each->path / "adapter";
      if (is_there(adapter / kAdapterFile)) return ResultFolder{adapter, false};
    }
  }
  return without_result(path);
}

std::string result_name(const fs::path& folder) {
  fs::path path = plain(folder);
  const auto last = [&] { return path.filename().string(); };
  const bool inside = last() == "adapter" || last() == "model";
  if (inside && path.has_parent_path()) path = path.parent_path();
  if (last().starts_with("step-") && path.parent_path().filename() == "checkpoints") {
    const std::string run = path.parent_path().parent_path().filename().string();
    return run.empty() ? last() : run + "-" + last();
  }
  return readable_model_name(path);
}

std::string readable_model_name(const fs::path& folder) {
  const fs::path path = plain(folder);
  const fs::path snapshots = path.parent_path();
  const std::string repository = snapshots.parent_path().filename().string();
  if (snapshots.filename() == "snapshots" && repository.starts_with("models--")) {
    const std::string name = repository.substr(8);
    const std::size_t dashes = name.find("--");
    if (dashes == std::string::npos) return name;
    return name.substr(0, dashes) + "/" + name.substr(dashes + 2);
  }
  const std::string last = path.filename().string();
  const bool says_little = last == "base" || last == "model" || last == "checkpoint";
  const std::string parent = snapshots.filename().string();
  return says_little && !parent.empty() ? parent + "-" + last : last;
}

}  // namespace luthier
