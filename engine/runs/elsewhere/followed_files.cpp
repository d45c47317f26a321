// SPDX-License-Identifier: GPL-3.0-or-later
// Files of lines are only ever appended to, or cut by a resume: then the one there is the shorter
// one, and is taken from its beginning.
#include "engine/runs/elsewhere/followed_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/base64.h"
#include "engine/io/files.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

const std::string kWholeModel = "model";
const std::string kFarPlace = "the other machine's files";
constexpr const char* kMirrorFile = "elsewhere.json";

/// Within the folder, and nowhere else.
bool is_plain_name(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || name.find('\0') != std::string::npos || path.is_absolute()) return false;
  for (const fs::path& part : path)
    if (part.empty() || part == ".." || part == "." || part.native().starts_with(".")) return false;
  return true;
}

bool is_appended(const std::string& name) { return name.ends_with(".jsonl"); }
/// Small, and written anew as the run goes on.
bool is_renewed(const std::string& name) { return name == "run.json" || name == "recipe.yaml"; }

bool is_of_whole_model(const std::string& name) {
  const fs::path path(name);
  for (const fs::path& part : path)
    if (part == kWholeModel || part == "value_model") return true;
  return false;
}

std::uint64_t bytes_here(const fs::path& path) {
  std::error_code problem;
  const auto bytes = fs::file_size(path, problem);
  return problem ? 0 : static_cast<std::uint64_t>(bytes);
}

}  // namespace

Status write_mirrored(const fs::path& folder, const MirroredRun& run) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  const Json json{{"host", run.host},
                  {"folder", run.folder.string()},
                  {"output", run.output.string()},
                  {"run", run.run}};
  return write_file_atomically(folder / kMirrorFile, json.dump(2) + "\n");
}

std::optional<MirroredRun> read_mirrored(const fs::path& folder) {
  const fs::path file = folder / kMirrorFile;
  std::error_code problem;
  if (!fs::exists(file, problem)) return std::nullopt;
  const auto json = read_json_file(file);
  if (!json || !json->is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    return json_string(*json, key, kMirrorFile, std::string());
  };
  const auto host = text("host"), there = text("folder"), output = text("output"),
             run = text("run");
  if (!host || !there || !output || !run || host->empty() || output->empty()) return std::nullopt;
  return MirroredRun{*host, *there, *output, *run};
}

void FollowedFiles::begin_anew() {
  round_ = listed_ = awaited_ = false;
  wanted_.clear();
}

void FollowedFiles::start_round(bool all) {
  if (round_ && !(all && !all_)) return;
  round_ = true;
  all_ = all;
  listed_ = false;
  wanted_.clear();
}

std::optional<ServeOrder> FollowedFiles::next() {
  if (!round_ || awaited_) return std::nullopt;
  if (!listed_) {
    awaited_ = true;
    return ServeOrder(FilesOrder());
  }
  if (wanted_.empty()) {
    round_ = false;
    return std::nullopt;
  }
  awaited_ = true;
  return ServeOrder(FetchOrder{wanted_.begin()->first, wanted_.begin()->second.from});
}

Status FollowedFiles::take(const Json& answer) {
  if (!awaited_) return {};
  awaited_ = false;
  if (const auto files = answer.find("files"); files != answer.end()) return take_list(*files);
  return take_piece(answer);
}

void FollowedFiles::take_refusal() {
  if (!awaited_) return;
  awaited_ = false;
  // A list that is refused is none; a file that is gone meanwhile is not wanted any more.
  if (!listed_)
    round_ = false;
  else if (!wanted_.empty())
    wanted_.erase(wanted_.begin());
}

Status FollowedFiles::take_list(const Json& files) {
  listed_ = true;
  wanted_.clear();
  if (!files.is_array()) return input_error("A list is expected.", kFarPlace + ": files");
  for (const Json& each : files) {
    if (!each.is_object()) continue;
    LUTHIER_TRY(const std::string name, json_string(each, "name", kFarPlace));
    LUTHIER_TRY(const std::int64_t there, json_int(each, "bytes", kFarPlace, 0));
    if (!is_plain_name(name) || there < 0 || is_of_whole_model(name) || name == kMirrorFile)
      continue;
    const auto bytes = static_cast<std::uint64_t>(there);
    const std::uint64_t here = bytes_here(folder_ / name);
    if (is_appended(name)) {
      if (here != bytes) wanted_[name] = {here < bytes ? here : 0, bytes};
    } else if (is_renewed(name) || (all_ && here != bytes)) {
      wanted_[name] = {0, bytes};
    }
  }
  return {};
}

Status FollowedFiles::take_piece(const Json& answer) {
  LUTHIER_TRY(const std::string name, json_string(answer, "file", kFarPlace));
  const auto wanted = wanted_.find(name);
  if (wanted == wanted_.end()) return {};
  LUTHIER_TRY(const std::string data, json_string(answer, "data", kFarPlace));
  LUTHIER_TRY(const std::int64_t total, json_int(answer, "bytes", kFarPlace));
  const auto bytes = decode_base64(data);
  if (!bytes || bytes->size() > kFetchedPiece || total < 0)
    return input_error("A piece of a file is expected.", kFarPlace + ": " + name);
  const fs::path path = folder_ / name;
  std::error_code problem;
  fs::create_directories(path.parent_path(), problem);
  const std::uint64_t from = wanted->second.from;
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", path, errno);
  if (::ftruncate(file.get(), static_cast<off_t>(from)) != 0 ||
      ::lseek(file.get(), static_cast<off_t>(from), SEEK_SET) < 0)
    return system_error("This file cannot be written", path, errno);
  LUTHIER_CHECK(write_all(file, *bytes, path));
  wanted->second.from += bytes->size();
  if (bytes->empty() || wanted->second.from >= static_cast<std::uint64_t>(total))
    wanted_.erase(wanted);
  return {};
}

}  // namespace luthier
