// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint folder's weights as one set of names, whether they lie in one file or in shards. The
// index is believed only where the shards agree.
#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>

#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

/// The folder holds neither weights nor an index: say what it holds instead.
Error no_weights(const fs::path& folder) {
  std::error_code problem;
  // As a cache's snapshot holds it whose blob is gone.
  for (const char* name : {kSingleName, kIndexName})
    if (fs::is_symlink(folder / name, problem))
      return input_error("This is a link, and the file that it leads to is not there.",
                         (folder / name).string(), "Copy or download the file again.");
  std::string pickle, shard, other;
  for (fs::directory_iterator walk(folder, problem), end; !problem && walk != end;
       walk.increment(problem)) {
    const std::string name = walk->path().filename().string();
    const std::string suffix = walk->path().extension().string();
    if (suffix == ".bin" || suffix == ".pt" || suffix == ".pth" || suffix == ".pkl" ||
        suffix == ".ckpt")
      pickle = std::max(pickle, name);
    if (suffix == ".safetensors")
      shard = std::max(shard, name);
    else if (is_weights_file(name) && suffix != ".json")
      other = std::max(other, name);
  }
  if (!shard.empty()) {
    return input_error(
        "There is neither model.safetensors nor model.safetensors.index.json, though there is " +
            shard + ".",
        folder.string(), "Get the index file too, or name the single file model.safetensors.");
  }
  if (!pickle.empty()) {
    return input_error("The weights are in a pickle file (" + pickle +
                           "), which could run code when read, so Luthier does not open it.",
                       folder.string(),
                       "Get the safetensors version, or load the model in transformers and save it "
                       "with save_pretrained.");
  }
  if (other.ends_with(".gguf")) {
    return input_error("The weights are in a GGUF file (" + other + "), made for running only.",
                       folder.string(), "Get the transformers checkpoint that it was made from.");
  }
  if (!other.empty()) {
    return input_error("The weights are in " + other + ", and only safetensors files are read.",
                       folder.string(),
                       "Get the safetensors version, or load the model in transformers and save it "
                       "with save_pretrained.");
  }
  return input_error(
      "There are no weights: neither model.safetensors nor model.safetensors.index.json.",
      folder.string(), "Choose the folder of a transformers checkpoint.");
}

using WeightMap = std::map<std::string, std::string>;

Result<WeightMap> read_index(const fs::path& path) {
  LUTHIER_TRY(const std::string text, read_file(path, 256u << 20));
  LUTHIER_TRY(const SortedJson index, parse_sorted_json(text, path.string()));
  const std::string where = path.string() + ": weight_map";
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    return input_error("The index has no weight_map.", where, "Get the file again.");
  }
  WeightMap map;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string())
      return input_error("A shard's name must be a text.", where + ": " + tensor);
    map.emplace(tensor, shard.get<std::string>());
  }
  if (map.empty()) return input_error("The weight_map is empty.", where, "Get the file again.");
  return map;
}

}  // namespace

Result<CheckpointFiles> CheckpointFiles::open(const fs::path& folder) {
  std::error_code problem;
  if (!fs::exists(folder, problem))
    return input_error("This folder does not exist.", folder.string(), "Check the path.");
  if (!fs::is_directory(folder, problem)) {
    const std::string suffix = folder.extension().string();
    if (suffix == ".bin" || suffix == ".pt" || suffix == ".pth" || suffix == ".pkl" ||
        suffix == ".ckpt") {
      return input_error(
          "This is a pickle file, which could run code when read, so Luthier does not open it.",
          folder.string(), "Choose the folder of a checkpoint in safetensors.");
    }
    return input_error("This is not a folder.", folder.string(),
                       "Choose the folder of a transformers checkpoint.");
  }

  CheckpointFiles checkpoint;
  WeightMap weight_map;
  std::vector<std::string> names;
  std::string index_path;
  if (fs::exists(folder / kSingleName, problem)) {
    names.push_back(kSingleName);
  } else if (fs::exists(folder / kIndexName, problem)) {
    LUTHIER_TRY(const fs::path index, resolve_inside(folder, kIndexName));
    index_path = index.string();
    LUTHIER_TRY(weight_map, read_index(index));
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
    names.assign(shards.begin(), shards.end());
  } else {
    return no_weights(folder);
  }

  for (const std::string& name : names) {
    auto path = resolve_inside(folder, name);
    if (!path) return path.error();
    if (path->extension() != ".safetensors") {
      return input_error(
          "The shard \"" + name + "\" is not a safetensors file, and nothing else is opened.",
          index_path + ": weight_map");
    }
    if (!fs::exists(*path, problem)) {
      return input_error("This shard is missing; " + std::string(kIndexName) + " names it.",
                         path->string(), "Copy or download it again.");
    }
    LUTHIER_TRY(SafetensorsFile file, SafetensorsFile::open(*path));
    for (const auto& [tensor, info] : file.header().tensors) {
      const auto mapped = weight_map.find(tensor);
      if (mapped != weight_map.end() && mapped->second != name)
        continue;  // the index says another shard
      if (!checkpoint.tensors_.emplace(tensor, info).second) {
        return input_error(
            "This tensor is in two shards, and the index does not say which one counts.",
            path->string() + ": " + tensor);
      }
      checkpoint.file_of_.emplace(tensor, checkpoint.files_.size());
    }
    checkpoint.files_.push_back(std::move(file));
  }
  for (const auto& [tensor, shard] : weight_map) {
    if (!checkpoint.tensors_.count(tensor)) {
      return input_error(
          "The index says that this tensor is in " + shard + ", which does not hold it.",
          index_path + ": weight_map: " + tensor,
          "Index and shards do not belong together; get them again.");
    }
  }
  return checkpoint;
}

std::optional<TensorView> CheckpointFiles::find(const std::string& name) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end()) return std::nullopt;
  const SafetensorsFile& file = files_[found->second];
  const auto whole = file.find(name);
  return whole || before_.empty() ? whole : file.find(name.substr(before_.size()));
}

void CheckpointFiles::put_before(const std::string& beginning) {
  const auto renamed = [&](auto& map) {
    std::remove_reference_t<decltype(map)> made;
    for (auto& [name, value] : map)
      made.emplace(name.starts_with(beginning) ? name : beginning + name, std::move(value));
    map = std::move(made);
  };
  if (beginning.empty()) return;
  before_ = beginning;
  renamed(tensors_), renamed(file_of_);
}

std::uint64_t CheckpointFiles::total_bytes() const {
  std::uint64_t total = 0;
  for (const auto& [name, info] : tensors_) total += info.end - info.begin;
  return total;
}

Status CheckpointFiles::check_unchanged() const {
  for (const SafetensorsFile& file : files_) LUTHIER_CHECK(file.check_unchanged());
  return {};
}

}  // namespace luthier
