// SPDX-License-Identifier: GPL-3.0-or-later
// Reading and writing one run's folder. run.json and recipe.yaml are replaced atomically; the two
// line files grow by whole lines; checkpoints appear whole or not at all.
#include "engine/runs/run_folder.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "engine/base/log.h"
#include "engine/data/rollout_log.h"
#include "engine/data/sample_log.h"
#include "engine/io/system_error.h"
#include "engine/runs/cut_lines.h"
#include "engine/runs/metrics_file.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_lock.h"
#include "engine/runs/run_notes.h"
#include "engine/runs/run_parent.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxRecordBytes = 16u << 20;
constexpr std::uint64_t kMaxLinesBytes = 1ull << 30;

bool is_partial(const std::string& name) {
  return name.starts_with('.') && name.find(".partial") != std::string::npos;
}

/// The step of "step-000100"; nullopt for any other name.
std::optional<std::int64_t> step_of(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix) || name.size() > kPrefix.size() + 18) return std::nullopt;
  std::int64_t step = 0;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size();
  if (begin == end || *begin == '-') return std::nullopt;
  const auto [stop, code] = std::from_chars(begin, end, step);
  if (code != std::errc() || stop != end) return std::nullopt;
  return step;
}

/// Whether a run of ours would have made an entry of this name at the top of its folder.
bool is_own_name(const std::string& name) {
  static const std::set<std::string> names{
      "recipe.yaml",       "run.json",    "metrics.jsonl", "adapter",
      "events.jsonl",      "model",       "checkpoints",   kRolloutsFile,
      "tensorboard",       "value_model", "generator",     "captioner",
      kSamplesFile,        kRunLockName,  kRunNotesFile,   "teacher.safetensors",
      "inputs.safetensors"};
  return names.count(name) || is_partial(name) || name.starts_with("events.out.tfevents.");
}

Result<std::vector<std::string>> listed(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem))
    names.push_back(walk->path().filename().string());
  if (problem) return system_error("This folder cannot be read", folder, problem.value());
  std::sort(names.begin(), names.end());
  return names;
}

Status refuse_foreign(const fs::path& folder, const std::string& name) {
  return input_error("The folder holds \"" + name + "\", which is not a run's.", folder.string(),
                     "Choose another output_dir, or move it away.");
}

/// An error when the folder holds anything but the leftovers of a run of ours: a name of ours alone
/// makes nothing ours, and a recipe.yaml least of all.
Status check_only_own(const fs::path& folder) {
  LUTHIER_TRY(const std::vector<std::string> names, listed(folder));
  bool run = false;
  for (const std::string& name : names) {
    if (!is_own_name(name)) return refuse_foreign(folder, name);
    run = run || name == "run.json" || name == kRunLockName;
  }
  std::error_code ignored;
  if (fs::is_directory(folder / "checkpoints", ignored)) {
    LUTHIER_TRY(const std::vector<std::string> saved, listed(folder / "checkpoints"));
    for (const std::string& name : saved) {
      if (!is_partial(name) && !step_of(name)) return refuse_foreign(folder, "checkpoints/" + name);
    }
  }
  if (names.empty() || run) return {};
  if (std::find(names.begin(), names.end(), "recipe.yaml") != names.end()) {
    return input_error("The folder holds a recipe.yaml that no run has written (no run.json).",
                       folder.string(), "Choose another output_dir, or move it away.");
  }
  return input_error("The folder is not empty and holds no run (no run.json).", folder.string(),
                     "Choose another output_dir, or empty it.");
}

Status remove_leftover(const fs::path& path) {
  std::error_code problem;
  fs::remove_all(path, problem);
  if (problem)
    return system_error("A leftover of an earlier run cannot be removed", path, problem.value());
  return {};
}

/// Under a partial name first, so that a kill in the middle leaves nothing that looks whole.
Status remove_checkpoint(const fs::path& path) {
  const fs::path doomed = path.parent_path() / ("." + path.filename().string() + ".partial");
  LUTHIER_CHECK(remove_leftover(doomed));
  LUTHIER_CHECK(rename_path(path, doomed));
  return remove_leftover(doomed);
}

/// Calls `take` with every line; a last line without its end is torn and left out.
template <class Take>
void each_line(const fs::path& path, Take take) {
  auto text = read_file(path, kMaxLinesBytes);
  if (!text) return;
  const std::string_view all = *text;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = all.find('\n', begin);
    if (end == std::string_view::npos) return;
    take(all.substr(begin, end - begin));
    begin = end + 1;
  }
}

template <class Record, class Read>
std::vector<Record> read_records(const fs::path& path, Read read) {
  std::vector<Record> records;
  each_line(path, [&](std::string_view line) {
    auto json = parse_json(line, path.string());
    if (!json) return;
    if (auto record = read(*json, path.string())) records.push_back(record.take());
  });
  return records;
}

/// Keeps the lines up to `step`, and later ones that `keep` wants.
Status keep_up_to(const fs::path& path, std::int64_t step,
                  const std::function<bool(const Json&)>& keep = {}) {
  return keep_lines(path, [&](const Json& line) {
    const auto at = json_int(line, "step", path.string());
    return at && (*at <= step || (keep && keep(line)));
  });
}

bool is_edit_line(const Json& line) {
  return line.is_object() && line.contains("kind") && line["kind"].is_string() &&
         is_live_setting(line["kind"].get<std::string>());
}

Status need_run(const fs::path& folder) {
  std::error_code problem;
  if (!fs::is_directory(folder, problem)) {
    if (fs::exists(folder, problem))
      return input_error("This is a file, not a run's folder.", folder.string(),
                         "Choose a run's folder.");
    return input_error("This run does not exist.", folder.string(), "Check the path.");
  }
  // A recipe.yaml alone may be anybody's.
  const auto holds = [&](const char* name) { return fs::exists(folder / name, problem); };
  if (holds("run.json") || holds(kRunLockName) || (holds("recipe.yaml") && holds("checkpoints")))
    return {};
  return input_error("This folder is not a run: it has no run.json.", folder.string(),
                     "Choose a run's folder.");
}

}  // namespace

Result<RunFolder> RunFolder::create(const fs::path& folder, const std::string& recipe_yaml,
                                    bool keep_edits) {
  std::error_code problem;
  const fs::file_status status = fs::status(folder, problem);
  if (fs::exists(status) && !fs::is_directory(status))
    return input_error("There is a file in the place of the run's folder.", folder.string(),
                       "Choose another output_dir.");
  const bool is_new = !fs::exists(status);
  fs::create_directories(folder, problem);
  if (problem) return system_error("The run's folder cannot be made", folder, problem.value());
  if (!is_new) LUTHIER_CHECK(check_only_own(folder));
  RunFolder run;
  run.path_ = folder;
  LUTHIER_TRY(run.lock_, lock_run(folder));
  if (const auto manifest = run.read_manifest();
      manifest && manifest->state == RunState::Finished) {
    return input_error("The folder holds a finished run.", folder.string(),
                       "Choose another output_dir, or remove the folder.");
  }
  if (const auto whole = run.newest_whole_checkpoint()) {
    return input_error(
        "The folder holds a run with a checkpoint at step " + std::to_string(whole->step) + ".",
        folder.string(),
        "Go on from it with --resume, choose another output_dir, or remove the folder.");
  }
  for (const char* result : {"adapter", "model", "value_model", "generator", "captioner"}) {
    if (fs::exists(folder / result, problem)) {
      return input_error("The folder holds a run's result, \"" + std::string(result) + "\".",
                         folder.string(), "Choose another output_dir, or move it away.");
    }
  }
  if (keep_edits) LUTHIER_CHECK(keep_up_to(folder / "events.jsonl", -1, is_edit_line));
  LUTHIER_TRY(const std::vector<std::string> names, listed(folder));
  for (const std::string& name : names) {
    // What a person wrote about it is theirs, whatever becomes of the run.
    // Of the same run begun again, what a teacher was asked for hours stands, too.
    const bool stays = name == kRunLockName || name == kRunNotesFile ||
                       (keep_edits && (name == "events.jsonl" || name == "teacher.safetensors"));
    if (!stays) LUTHIER_CHECK(remove_leftover(folder / name));
  }
  RunManifest manifest;
  manifest.started = utc_now();
  LUTHIER_CHECK(run.write_manifest(manifest));  // first: it says whose the recipe.yaml is
  LUTHIER_CHECK(write_file_atomically(folder / "recipe.yaml", recipe_yaml));
  return run;
}

Result<RunFolder> RunFolder::open_for_training(const fs::path& folder) {
  LUTHIER_CHECK(need_run(folder));
  RunFolder run;
  run.path_ = folder;
  LUTHIER_TRY(run.lock_, lock_run(folder));
  for (const fs::path& place : {folder, folder / "checkpoints"}) {
    const auto names = listed(place);
    if (!names) continue;
    for (const std::string& name : *names) {
      if (is_partial(name)) LUTHIER_CHECK(remove_leftover(place / name));
    }
  }
  return run;
}

Result<RunFolder> RunFolder::open(const fs::path& folder) {
  LUTHIER_CHECK(need_run(folder));
  RunFolder run;
  run.path_ = folder;
  return run;
}

fs::path RunFolder::checkpoint_path(std::int64_t step) const {
  std::string digits = std::to_string(step);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return path_ / "checkpoints" / ("step-" + digits);
}

Result<RunManifest> RunFolder::read_manifest() const {
  const fs::path file = path_ / "run.json";
  LUTHIER_TRY(const std::string text, read_file(file, kMaxRecordBytes));
  LUTHIER_TRY(const Json json, parse_json(text, file.string()));
  return manifest_from_json(json, file.string());
}

Status RunFolder::write_manifest(RunManifest manifest) const {
  manifest.format_version = kRunFormatVersion;
  manifest.version = luthier_version();
  manifest.updated = utc_now();
  Json json = to_json(manifest);
  LUTHIER_CHECK(keep_parent(path_, json));
  return write_file_atomically(path_ / "run.json",
                               json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Status RunFolder::append_metrics(const MetricsLine& line) const {
  return append_line(path_ / "metrics.jsonl", to_json(line).dump());
}

Status RunFolder::append_event(RunEvent event) const {
  if (event.time.empty()) event.time = utc_now();
  return append_line(path_ / "events.jsonl",
                     to_json(event).dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<MetricsLine> RunFolder::read_metrics() const {
  std::vector<MetricsLine> lines;
  const std::string where = (path_ / "metrics.jsonl").string();
  each_line(path_ / "metrics.jsonl", [&](std::string_view line) {
    if (auto own = read_own_metrics_line(line)) {
      lines.push_back(std::move(*own));
      return;
    }
    auto json = parse_json(line, where);
    if (!json) return;
    if (auto record = metrics_from_json(*json, where)) lines.push_back(record.take());
  });
  return lines;
}

std::vector<RunEvent> RunFolder::read_events() const {
  return read_records<RunEvent>(path_ / "events.jsonl", event_from_json);
}

Status RunFolder::truncate_after(std::int64_t step) const {
  for (const char* file : {kRolloutsFile, kSamplesFile})
    LUTHIER_CHECK(keep_up_to(path_ / file, step));
  return cut_records_after(step);
}

Status RunFolder::cut_records_after(std::int64_t step) const {
  LUTHIER_CHECK(keep_up_to(path_ / "metrics.jsonl", step));
  return keep_up_to(path_ / "events.jsonl", step, is_edit_line);
}

Status RunFolder::forget_edits(const std::string& setting, std::int64_t step) const {
  return keep_up_to(path_ / "events.jsonl", step, [&](const Json& line) {
    return is_edit_line(line) && line["kind"].get<std::string>() != setting;
  });
}

Result<FolderWriter> RunFolder::begin_checkpoint(std::int64_t step) const {
  return FolderWriter::begin(checkpoint_path(step), FolderReplace::Whole);
}

std::vector<Checkpoint> RunFolder::checkpoints() const {
  std::vector<Checkpoint> found;
  const auto names = listed(path_ / "checkpoints");
  if (!names) return found;
  for (const std::string& name : *names) {
    const std::optional<std::int64_t> step = step_of(name);
    const fs::path folder = path_ / "checkpoints" / name;
    if (step && check_folder_sizes(folder)) found.push_back({*step, folder});
  }
  std::sort(found.begin(), found.end(),
            [](const Checkpoint& left, const Checkpoint& right) { return left.step < right.step; });
  return found;
}

std::optional<Checkpoint> RunFolder::newest_whole_checkpoint() const {
  std::vector<Checkpoint> all = checkpoints();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    const Status whole = verify_folder(it->path);
    if (whole) return *it;
    log_warning("A checkpoint is passed over. " + whole.error().sentence());
  }
  return std::nullopt;
}

Status RunFolder::rotate(std::int64_t save_total_limit, const std::set<std::int64_t>& keep) const {
  if (save_total_limit <= 0) return {};
  const auto limit = static_cast<std::size_t>(save_total_limit);
  const std::vector<Checkpoint> all = checkpoints();
  if (all.size() <= limit) return {};
  const std::optional<Checkpoint> good = newest_whole_checkpoint();
  if (!good) return {};
  const auto stays = [&](const Checkpoint& each) {
    return each.step == all.back().step || each.step == good->step || keep.contains(each.step);
  };
  const auto must = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), stays));
  std::size_t left = all.size();
  for (const Checkpoint& each : all) {
    if (left <= std::max(limit, must)) break;
    if (stays(each)) continue;
    LUTHIER_CHECK(remove_checkpoint(each.path));
    --left;
  }
  return {};
}

Status RunFolder::keep_alone(std::int64_t step) const {
  if (!verify_folder(checkpoint_path(step))) return {};
  for (const Checkpoint& each : checkpoints())
    if (each.step != step) LUTHIER_CHECK(remove_checkpoint(each.path));
  return {};
}

Result<std::string> RunFolder::read_recipe_yaml() const {
  return read_file(path_ / "recipe.yaml", kMaxRecordBytes);
}

}  // namespace luthier
