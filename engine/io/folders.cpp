// SPDX-License-Identifier: GPL-3.0-or-later
// Folders that are whole or absent. The order of events is the promise: files and folders synced,
// then the manifest, then the rename, then the parent synced; a power cut between any two leaves
// either the old state or the new one.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kManifestName = "manifest.json";

struct ManifestEntry {
  std::string name;
  fs::path path;
  std::uint64_t size = 0;
  std::string sha256;
};

Result<std::vector<ManifestEntry>> read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestName;
  LUTHIER_TRY(const std::string text, read_file(path, 64u << 20));
  LUTHIER_TRY(const SortedJson manifest, parse_sorted_json(text, path.string()));
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object()) {
    return input_error("The manifest has no list of files.", path.string() + ": files");
  }
  std::vector<ManifestEntry> entries;
  for (const auto& [name, about] : manifest["files"].items()) {
    const auto size = about.is_object() ? about.find("size") : about.end();
    const auto hash = about.is_object() ? about.find("sha256") : about.end();
    if (!about.is_object() || size == about.end() || !size->is_number_unsigned() ||
        hash == about.end() || !hash->is_string()) {
      return input_error("The size or the checksum is missing.",
                         path.string() + ": files: " + name);
    }
    LUTHIER_TRY(fs::path file, resolve_inside(folder, name));
    entries.push_back(
        {name, std::move(file), size->get<std::uint64_t>(), hash->get<std::string>()});
  }
  return entries;
}

Status check_sizes(const fs::path& folder, const std::vector<ManifestEntry>& entries) {
  for (const ManifestEntry& entry : entries) {
    std::error_code problem;
    if (!fs::is_regular_file(entry.path, problem))
      return input_error("A file that the manifest names is missing: " + entry.name + ".",
                         folder.string());
    const std::uint64_t size = fs::file_size(entry.path, problem);
    if (problem) return system_error("This file cannot be read", entry.path, problem.value());
    if (size != entry.size) {
      return input_error("The file has " + std::to_string(size) +
                             " bytes where the manifest says " + std::to_string(entry.size) + ".",
                         entry.path.string());
    }
  }
  return {};
}

/// Every regular file in `folder`, relative; and every folder, deepest first. Links and the like
/// are refused: they could not be sealed.
Status list_tree(const fs::path& folder, std::vector<fs::path>& files,
                 std::vector<fs::path>& folders) {
  std::error_code problem;
  fs::recursive_directory_iterator walk(folder, problem);
  for (const fs::recursive_directory_iterator end; !problem && walk != end;
       walk.increment(problem)) {
    const fs::file_status status = walk->symlink_status(problem);
    if (problem) break;
    if (fs::is_directory(status)) {
      folders.push_back(walk->path());
    } else if (fs::is_regular_file(status)) {
      files.push_back(walk->path().lexically_relative(folder));
    } else {
      return input_error("Only plain files can be sealed in a folder.", walk->path().string());
    }
  }
  if (problem) return system_error("This folder cannot be read", folder, problem.value());
  std::sort(files.begin(), files.end());
  std::sort(folders.rbegin(), folders.rend());
  folders.push_back(folder);
  return {};
}

Result<std::string> make_manifest(const fs::path& folder, const std::vector<fs::path>& files) {
  Json entries = Json::object();
  for (const fs::path& name : files) {
    if (name == kManifestName) continue;
    LUTHIER_TRY(std::string hash, sha256_file(folder / name));
    std::error_code problem;
    const std::uint64_t size = fs::file_size(folder / name, problem);
    if (problem) return system_error("This file cannot be read", folder / name, problem.value());
    entries[name.generic_string()] = {{"size", size}, {"sha256", std::move(hash)}};
  }
  return Json({{"files", std::move(entries)}}).dump(2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// Whether `final_path` may be replaced under `replace`; an error that says why not.
Status may_replace(const fs::path& final_path, FolderReplace replace) {
  std::error_code problem;
  const fs::file_status status = fs::symlink_status(final_path, problem);
  if (status.type() == fs::file_type::not_found) return {};
  if (problem) return system_error("This folder cannot be written", final_path, problem.value());
  if (!fs::is_directory(status))
    return input_error("There is a file or a link in this folder's place.", final_path.string(),
                       "Choose another name.");
  if (fs::is_empty(final_path, problem) && !problem) return {};
  const bool sealed = fs::exists(final_path / kManifestName, problem);
  if (!sealed && replace == FolderReplace::Broken) {
    return input_error("This folder exists and holds other files.", final_path.string(),
                       "Choose another name, or empty it first.");
  }
  if (sealed && replace != FolderReplace::Whole && verify_folder(final_path)) {
    return input_error("This folder exists already and is whole.", final_path.string(),
                       "Choose another name, or remove it first.");
  }
  return {};
}

}  // namespace

Result<FolderWriter> FolderWriter::begin(const fs::path& final_path, FolderReplace replace) {
  FolderWriter writer;
  const fs::path target = without_slash(final_path);
  LUTHIER_CHECK(may_replace(target, replace));
  std::error_code problem;
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  fs::create_directories(parent, problem);
  if (problem) return system_error("This folder cannot be made", parent, problem.value());
  const fs::path temporary = parent / ("." + target.filename().string() + ".partial");
  fs::remove_all(temporary, problem);  // what a killed process left
  if (problem) return system_error("A leftover cannot be removed", temporary, problem.value());
  fs::create_directory(temporary, problem);
  if (problem) return system_error("This folder cannot be made", temporary, problem.value());
  writer.temporary_ = temporary;
  writer.final_ = target;
  writer.replace_ = replace;
  return writer;
}

FolderWriter::FolderWriter(FolderWriter&& other) noexcept
    : temporary_(std::exchange(other.temporary_, {})),
      final_(std::move(other.final_)),
      replace_(other.replace_) {}

FolderWriter& FolderWriter::operator=(FolderWriter&& other) noexcept {
  std::swap(temporary_, other.temporary_);
  std::swap(final_, other.final_);
  std::swap(replace_, other.replace_);
  return *this;
}

FolderWriter::~FolderWriter() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

Status FolderWriter::commit() {
  if (temporary_.empty())
    return machine_error("This folder was committed before.", final_.string());
  std::vector<fs::path> files, folders;
  LUTHIER_CHECK(list_tree(temporary_, files, folders));
  LUTHIER_TRY(const std::string manifest, make_manifest(temporary_, files));
  for (const fs::path& name : files) LUTHIER_CHECK(sync_file(temporary_ / name));
  for (const fs::path& folder : folders) LUTHIER_CHECK(sync_folder(folder));
  LUTHIER_CHECK(write_file_atomically(temporary_ / kManifestName, manifest));
  LUTHIER_CHECK(may_replace(final_, replace_));
  if (::rename(temporary_.c_str(), final_.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST)
      return system_error("Moving the finished folder into place failed", final_, errno);
    // The two change places in one step, so that a whole folder never is missing; what then lies
    // under the temporary name is the old one.
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, final_.c_str(), RENAME_EXCHANGE) != 0) {
      if (errno != EINVAL && errno != ENOSYS)
        return system_error("Moving the finished folder into place failed", final_, errno);
      // Not known to every file system. The old one is set aside first: to remove it takes long,
      // and a kill meanwhile would leave neither.
      const fs::path aside = temporary_.string() + "-old";
      std::error_code problem;
      fs::remove_all(aside, problem);
      LUTHIER_CHECK(rename_path(final_, aside));
      if (const Status moved = rename_path(temporary_, final_); !moved) {
        (void)rename_path(aside, final_);
        return moved;
      }
      fs::remove_all(aside, problem);
    }
  }
  const fs::path parent = final_.has_parent_path() ? final_.parent_path() : fs::path(".");
  const fs::path leftover = std::exchange(temporary_, {});
  const Status synced = sync_folder(parent);
  std::error_code ignored;
  fs::remove_all(leftover, ignored);
  return synced;
}

Status check_folder_sizes(const fs::path& folder) {
  LUTHIER_TRY(const std::vector<ManifestEntry> entries, read_manifest(folder));
  return check_sizes(folder, entries);
}

Status verify_folder(const fs::path& folder) {
  LUTHIER_TRY(const std::vector<ManifestEntry> entries, read_manifest(folder));
  LUTHIER_CHECK(check_sizes(folder, entries));
  for (const ManifestEntry& entry : entries) {
    LUTHIER_TRY(const std::string hash, sha256_file(entry.path));
    if (hash != entry.sha256)
      return input_error("The file's contents changed: its checksum is not the manifest's.",
                         entry.path.string());
  }
  return {};
}

}  // namespace luthier
