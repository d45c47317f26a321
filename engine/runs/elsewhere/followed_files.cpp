// SPDX-License-Identifier: GPL-3.0-or-later
// Files of lines are appended to, or cut by a resume, and may have grown beyond the one here again
// by the next look: what comes of one begins with the end of what is here, and where that is
// another one it is taken from its beginning. Others are fetched beside their place and renamed
// when whole; one of an earlier run is not known by its size.
#include "engine/runs/elsewhere/followed_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "engine/base/base64.h"
#include "engine/io/files.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

const std::string kWholeModel = "model";
constexpr std::uint64_t kCompared = 1024;  ///< bytes of what is here, with what is there
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
bool is_renewed(const std::string& name) {
  const fs::path last = fs::path(name).filename();
  return last == "run.json" || last == "recipe.yaml";
}

/// Where a file is written until it is whole.
fs::path part_of(const fs::path& path) {
  return path.parent_path() / ("." + path.filename().string() + ".part");
}

bool is_of_whole_model(const std::string& name) {
  const fs::path path(name);
  for (const fs::path& part : path)
    if (part == kWholeModel || part == "value_model" || part == "generator") return true;
  return false;
}

std::uint64_t bytes_here(const fs::path& path) {
  std::error_code problem;
  const auto bytes = fs::file_size(path, problem);
  return problem ? 0 : static_cast<std::uint64_t>(bytes);
}

/// Whether so many bytes of the file from there on are what these begin with.
bool begins_with(std::string_view bytes, const Descriptor& file, std::uint64_t from,
                 std::uint64_t count) {
  if (count > bytes.size()) return false;
  std::string here(count, '\0');
  return ::pread(file.get(), here.data(), count, static_cast<off_t>(from)) ==
             static_cast<ssize_t>(count) &&
         bytes.starts_with(here);
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
  asked_.clear();
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
  asked_ = wanted_.begin()->first;
  return ServeOrder(FetchOrder{asked_, wanted_.begin()->second.from});
}

Status FollowedFiles::take(const Json& answer) {
  if (!awaited_) return {};
  awaited_ = false;
  const std::string asked = std::exchange(asked_, std::string());
  if (asked.empty()) {
    if (const auto files = answer.find("files"); files != answer.end()) return take_list(*files);
    round_ = false;
    return input_error("A list is expected.", kFarPlace + ": files");
  }
  const auto wanted = wanted_.find(asked);
  if (wanted == wanted_.end()) return {};  // of a round that was begun anew since
  const auto more = take_piece(asked, wanted->second, answer);
  if (more && *more) return {};
  wanted_.erase(wanted);  // what failed is left to the next round
  if (more) return {};
  if (!is_appended(asked)) ::unlink(part_of(folder_ / asked).c_str());
  return more.error();
}

void FollowedFiles::take_refusal() {
  if (!awaited_) return;
  awaited_ = false;
  // A list that is refused is none; a file that is gone meanwhile is not wanted any more.
  const std::string asked = std::exchange(asked_, std::string());
  if (asked.empty())
    round_ = false;
  else
    wanted_.erase(asked);
}

Status FollowedFiles::take_list(const Json& files) {
  listed_ = true;
  wanted_.clear();
  if (!files.is_array()) return input_error("A list is expected.", kFarPlace + ": files");
  for (const Json& each : files) {
    if (!each.is_object()) continue;
    const auto named = json_string(each, "name", kFarPlace);
    const auto there = json_int(each, "bytes", kFarPlace, 0);
    if (!named || !there || *there < 0) continue;
    const std::string& name = *named;
    if (!is_plain_name(name) || is_of_whole_model(name) || name == kMirrorFile) continue;
    const auto bytes = static_cast<std::uint64_t>(*there);
    const std::uint64_t here = bytes_here(folder_ / name);
    if (is_appended(name)) {
      if (here != bytes || (all_ && here > 0))
        wanted_[name] = {here <= bytes ? here - std::min(here, kCompared) : 0, bytes};
    } else if (is_renewed(name) || (all_ && !(whole_.contains(name) && here == bytes))) {
      wanted_[name] = {0, bytes};
    }
  }
  return {};
}

Result<bool> FollowedFiles::take_piece(const std::string& name, Wanted& wanted,
                                       const Json& answer) {
  const std::string where = kFarPlace + ": " + name;
  LUTHIER_TRY(const std::string given, json_string(answer, "file", kFarPlace));
  if (given != name) return input_error("A piece of another file is given than was asked.", where);
  LUTHIER_TRY(const std::string data, json_string(answer, "data", kFarPlace));
  LUTHIER_TRY(const std::int64_t total, json_int(answer, "bytes", kFarPlace));
  const auto bytes = decode_base64(data);
  if (!bytes || bytes->size() > kFetchedPiece || total < 0)
    return input_error("A piece of a file is expected.", where);
  const fs::path path = folder_ / name;
  const bool appended = is_appended(name);
  const fs::path written = appended ? path : part_of(path);
  const std::uint64_t from = wanted.from;
  // One that is renewed may be of another size than in the list, but is of one size to its end.
  const auto size = static_cast<std::uint64_t>(total);
  if (!appended && from == 0) wanted.bytes = size;
  if (!appended && (size != wanted.bytes || (bytes->empty() && from < size)))
    return machine_error("This file was changed while it was fetched.", where);
  std::error_code problem;
  fs::create_directories(path.parent_path(), problem);
  const Descriptor file(::open(written.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", written, errno);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0)
    return system_error("This file cannot be written", written, errno);
  const auto here = static_cast<std::uint64_t>(about.st_size);
  if (here < from)
    return input_error("Another window follows this run into the same folder.", path.string());
  std::uint64_t same = appended ? here - from : 0;
  if (same > 0 && !begins_with(*bytes, file, from, same)) {
    if (from > 0) {
      wanted.from = 0;
      if (::ftruncate(file.get(), 0) == 0) return true;
      return system_error("This file cannot be written", written, errno);
    }
    same = 0;
  }
  const auto end = static_cast<off_t>(from + same);
  if (::ftruncate(file.get(), end) != 0 || ::lseek(file.get(), end, SEEK_SET) < 0)
    return system_error("This file cannot be written", written, errno);
  LUTHIER_CHECK(write_all(file, std::string_view(*bytes).substr(same), written));
  wanted.from += bytes->size();
  // Of lines that go on being written, a round takes those that its list had.
  if (!bytes->empty() && wanted.from < wanted.bytes) return true;
  if (appended) return false;
  LUTHIER_CHECK(rename_path(written, path));
  whole_.insert(name);
  return false;
}

}  // namespace luthier
