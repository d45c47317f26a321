// SPDX-License-Identifier: GPL-3.0-or-later
// A folder as a dataset: what the datasets library saves or a hub's repository holds, pictures with
// their captions, or pictures that a metadata file describes. Where it holds several splits, the
// training's is meant.
#include <algorithm>
#include <optional>
#include <set>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/file_kind.h"

namespace luthier::detail {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostFiles = 100'000;

bool is_there_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// A name from a file inside the folder, which must stay there.
Result<fs::path> inside(const fs::path& folder, const std::string& name, const std::string& where) {
  const fs::path path = name;
  const bool out =
      std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
  if (name.empty() || path.is_absolute() || out)
    return input_error("The name \"" + shortened(name, 120) + "\" leads out of the folder.", where,
                       "Files of a dataset's folder lie inside of it.");
  return folder / path;
}

struct Listed {
  std::vector<fs::path> parquet, arrow, archives, texts, tables, metadata;
  std::set<std::string> pictures;  ///< names without their endings
  std::vector<fs::path> folders;
};

Result<Listed> list_folder(const fs::path& folder) {
  Listed found;
  std::error_code problem;
  std::size_t count = 0;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    if (++count > kMostFiles) break;  // a folder of pictures; what it is, is known by now
    const fs::path& path = walk->path();
    const std::string name = path.filename().string();
    if (name.starts_with('.')) continue;
    std::error_code ignored;
    if (walk->is_directory(ignored)) {
      found.folders.push_back(path);
      continue;
    }
    const std::string ending = ascii_lower(path.extension().string());
    if (name == "metadata.jsonl" || name == "metadata.csv" || name == "metadata.parquet")
      found.metadata.push_back(path);
    else if (ending == ".parquet")
      found.parquet.push_back(path);
    else if (ending == ".arrow")
      found.arrow.push_back(path);
    else if (ending == ".tar")
      found.archives.push_back(path);
    else if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json")
      found.texts.push_back(path);
    else if (ending == ".csv" || ending == ".tsv")
      found.tables.push_back(path);
    else if (file_kind_by_name(path).family == FileFamily::Picture)
      found.pictures.insert(path.stem().string());
  }
  if (problem)
    return input_error("The folder cannot be read: " + problem.message() + ".", folder.string(),
                       "Check its permissions.");
  for (auto* list : {&found.parquet, &found.arrow, &found.archives, &found.texts, &found.tables,
                     &found.metadata, &found.folders})
    std::sort(list->begin(), list->end());
  return found;
}

/// Whether the word stands in the name by itself: "train-00000-of-00002", "my_train".
bool has_word(const fs::path& path, std::string_view word) {
  const std::string name = ascii_lower(path.stem().string());
  for (std::size_t at = name.find(word); at != std::string::npos; at = name.find(word, at + 1)) {
    const auto letter = [&](std::size_t i) {
      return i < name.size() && name[i] >= 'a' && name[i] <= 'z';
    };
    if (!(at > 0 && letter(at - 1)) && !letter(at + word.size())) return true;
  }
  return false;
}

/// Of files of several splits, the training's; all where none is said to be one.
std::vector<fs::path> of_training(const std::vector<fs::path>& files) {
  std::vector<fs::path> train, rest;
  for (const fs::path& file : files) {
    if (has_word(file, "train")) train.push_back(file);
    const bool held = has_word(file, "test") || has_word(file, "validation") ||
                      has_word(file, "valid") || has_word(file, "val") || has_word(file, "dev") ||
                      has_word(file, "eval");
    if (!held) rest.push_back(file);
  }
  if (!train.empty()) return train;
  return rest.empty() ? files : rest;
}

Result<SourcePtr> open_all(const std::vector<fs::path>& files) {
  std::vector<SourcePtr> sources;
  for (const fs::path& file : of_training(files)) {
    LUTHIER_TRY(SourcePtr source, open_source(file));
    sources.push_back(std::move(source));
  }
  return joined_sources(std::move(sources));
}

/// What save_to_disk of the datasets library writes beside its Arrow files.
Result<SourcePtr> open_saved(const fs::path& folder) {
  const std::string where = (folder / "state.json").string();
  LUTHIER_TRY(const Json state, read_json_file(folder / "state.json"));
  const auto files = state.is_object() ? state.find("_data_files") : state.end();
  if (!state.is_object() || files == state.end() || !files->is_array() || files->empty())
    return input_error("The file names no data files.", where + ": _data_files",
                       "Save the dataset again with save_to_disk.");
  if (const auto indices = state.find("_indices_data_files");
      indices != state.end() && indices->is_array() && !indices->empty())
    return input_error("The dataset was saved by an old version, with its order apart.",
                       where + ": _indices_data_files",
                       "Call flatten_indices() and save it again with save_to_disk.");
  if (files->size() > kMostFiles)
    return input_error("The file names more than " + std::to_string(kMostFiles) + " data files.",
                       where);
  std::vector<SourcePtr> sources;
  for (const Json& file : *files) {
    if (!file.is_object() || !file.contains("filename") || !file["filename"].is_string())
      return input_error("A data file has no name.", where + ": _data_files",
                         "Save the dataset again with save_to_disk.");
    LUTHIER_TRY(const fs::path path, inside(folder, file["filename"].get<std::string>(), where));
    LUTHIER_TRY(SourcePtr source, open_arrow_source(path));
    sources.push_back(std::move(source));
  }
  return joined_sources(std::move(sources));
}

Result<SourcePtr> open_saved_splits(const fs::path& folder) {
  const std::string where = (folder / "dataset_dict.json").string();
  LUTHIER_TRY(const Json dict, read_json_file(folder / "dataset_dict.json"));
  const auto splits = dict.is_object() ? dict.find("splits") : dict.end();
  if (!dict.is_object() || splits == dict.end() || !splits->is_array() || splits->empty() ||
      !splits->front().is_string())
    return input_error("The file names no splits.", where + ": splits",
                       "Save the dataset again with save_to_disk.");
  std::string chosen = splits->front().get<std::string>();
  for (const Json& split : *splits)
    if (split.is_string() && split.get<std::string>() == "train") chosen = "train";
  LUTHIER_TRY(const fs::path path, inside(folder, chosen, where));
  return open_saved(path);
}

Error nothing_there(const fs::path& path, const Listed& found) {
  std::vector<fs::path> files = found.texts;
  files.insert(files.end(), found.tables.begin(), found.tables.end());
  std::sort(files.begin(), files.end());
  constexpr std::size_t kMost = 4;
  std::string names;
  for (std::size_t i = 0; i < std::min(files.size(), kMost); ++i)
    names += (i ? ", " : "") + files[i].filename().string();
  if (!files.empty())
    return input_error("This is a folder, and it holds several files of rows.", path.string(),
                       "Name a file in it: " + names + ".");
  return input_error("The folder holds no dataset.", path.string(),
                     "Give a file of rows, or a folder of pictures, Parquet, Arrow, tar or JSON "
                     "files.");
}

/// What lies in the folder itself. Nothing: none of it is a dataset.
Result<std::optional<SourcePtr>> open_here(const fs::path& folder, const Listed& found) {
  const auto some = [](Result<SourcePtr> source) -> Result<std::optional<SourcePtr>> {
    if (!source) return source.error();
    return std::optional<SourcePtr>(source.take());
  };
  if (is_there_file(folder / "dataset_dict.json")) return some(open_saved_splits(folder));
  if (is_there_file(folder / "state.json") && !found.arrow.empty()) return some(open_saved(folder));
  if (!found.metadata.empty()) return some(open_described_folder(found.metadata.front()));
  if (!found.parquet.empty()) return some(open_all(found.parquet));
  if (!found.arrow.empty()) return some(open_all(found.arrow));
  if (!found.archives.empty()) return some(open_all(found.archives));
  std::vector<fs::path> rows = found.texts;
  std::erase_if(rows, [&](const fs::path& file) {  // what stands beside rows, or a picture
    return file.filename() == "dataset_info.json" || file.filename() == "dataset_infos.json" ||
           file.filename() == "config.json" || found.pictures.contains(file.stem().string());
  });
  rows.insert(rows.end(), found.tables.begin(), found.tables.end());
  const std::vector<fs::path> train = of_training(rows);
  if (train.size() == 1) return some(open_source(train.front()));
  if (rows.empty() && !found.pictures.empty()) return some(open_picture_folder(folder));
  return std::optional<SourcePtr>();
}

Result<SourcePtr> open_at(const fs::path& folder, int depth) {
  LUTHIER_TRY(const Listed found, list_folder(folder));
  LUTHIER_TRY(auto here, open_here(folder, found));
  if (here) return std::move(*here);
  if (!found.texts.empty() || !found.tables.empty()) return nothing_there(folder, found);
  // data/ of a hub's repository, a split of its own, or classes of pictures.
  constexpr int kDeepestSplit = 3;
  for (const char* name : {"data", "train", "default"}) {
    std::error_code ignored;
    if (depth < kDeepestSplit && fs::is_directory(folder / name, ignored))
      return open_at(folder / name, depth + 1);
  }
  if (!found.folders.empty()) {
    auto pictures = open_picture_folder(folder);
    if (pictures) return pictures;
  }
  return nothing_there(folder, found);
}

}  // namespace

Result<SourcePtr> open_folder_source(const fs::path& folder) { return open_at(folder, 0); }

}  // namespace luthier::detail
