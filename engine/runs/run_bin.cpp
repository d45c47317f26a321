// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/run_bin.h"

#include <algorithm>

#include "engine/io/probe.h"
#include "engine/io/system_error.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/run_lock.h"
#include "engine/runs/stage_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBin = ".bin";

/// Without a slash at the end, so that it has a name.
fs::path plain(const fs::path& run) {
  std::error_code problem;
  const fs::path whole = fs::absolute(run, problem).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

bool is_link(const fs::path& path) {
  std::error_code problem;
  return fs::is_symlink(fs::symlink_status(path, problem));
}

bool taken(const fs::path& path) {
  std::error_code problem;
  return fs::exists(fs::symlink_status(path, problem));
}

}  // namespace

Result<std::uint64_t> folder_bytes(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code problem;
  fs::recursive_directory_iterator walk(folder, problem);
  for (const fs::recursive_directory_iterator end; !problem && walk != end;
       walk.increment(problem)) {
    std::error_code gone;  // a file may go while it is counted
    if (walk->is_symlink(gone) || !walk->is_regular_file(gone)) continue;
    const std::uintmax_t size = walk->file_size(gone);
    if (!gone) bytes += size;
  }
  if (problem) return system_error("This folder cannot be read", folder, problem.value());
  return bytes;
}

Status check_may_move(const fs::path& run) {
  const fs::path whole = plain(run);
  const bool staged = is_stage_folder(whole);
  if (!staged) {
    const auto opened = RunFolder::open(whole);
    if (!opened) return opened.error();
  }
  const fs::path holder = whole.parent_path();
  if (holder.filename() == "stages" && is_stage_folder(holder.parent_path()))
    return input_error("This is a stage of the run " + holder.parent_path().string() + ".",
                       whole.string(), "Name the whole run.");
  const auto busy = [&](const fs::path& folder) {
    return input_error("The run trains now.", folder.string(), "Stop it first.");
  };
  if (run_is_locked(whole)) return busy(whole);
  if (!staged) return {};
  LUTHIER_TRY(const std::vector<StageRecord> stages, read_stage_records(whole));
  for (const StageRecord& stage : stages)
    if (run_is_locked(whole / stage.folder)) return busy(whole / stage.folder);
  return {};
}

Result<fs::path> rename_run(const fs::path& run, const std::string& name) {
  LUTHIER_CHECK(check_may_move(run));
  const fs::path from = plain(run), to = from.parent_path() / name;
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos || name.size() > 200)
    return input_error("\"" + name + "\" is no name for a run.", from.string(),
                       "Use a name without slashes that does not begin with a dot.");
  if (to == from) return from;
  if (taken(to))
    return input_error("There is something of this name already.", to.string(),
                       "Choose another name.");
  LUTHIER_CHECK(rename_path(from, to));
  return to;
}

Result<fs::path> move_to_bin(const fs::path& run) {
  LUTHIER_CHECK(check_may_move(run));
  const fs::path from = plain(run), bin = from.parent_path() / kBin;
  std::error_code problem;
  if (is_link(bin))
    return input_error("This is a link, not the bin of these runs.", bin.string(),
                       "Remove the link.");
  fs::create_directory(bin, problem);
  if (problem) return system_error("This folder cannot be made", bin, problem.value());
  fs::path to = bin / from.filename();
  for (int i = 2; taken(to); ++i) to = bin / (from.filename().string() + "-" + std::to_string(i));
  LUTHIER_CHECK(rename_path(from, to));
  return to;
}

Status bring_back(const fs::path& binned, const fs::path& place) {
  if (!is_folder(binned))
    return input_error("This is not in the bin any more.", binned.string(), "Check the path.");
  if (taken(place))
    return input_error("There is something of this name already.", place.string(),
                       "Move it away first.");
  LUTHIER_CHECK(rename_path(binned, place));
  std::error_code problem;  // the last one out
  if (binned.parent_path().filename() == kBin) fs::remove(binned.parent_path(), problem);
  return {};
}

std::vector<fs::path> binned_runs(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code problem;
  fs::directory_iterator walk(folder / kBin, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem))
    if (is_folder(walk->path())) found.push_back(walk->path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace luthier
