// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/hub/found.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "engine/base/utf8.h"
#include "engine/hub/folder_kind.h"
#include "engine/hub/places.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/probe.h"
#include "engine/io/safetensors.h"
#include "engine/io/timm_config.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostRepositories = 5'000;
constexpr std::size_t kMostBelow = 200;  // checkpoints one level below a folder that the user added
constexpr std::size_t kMostRefs = 200;

bool is_plain(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// A file that stands in the folder, or is linked as a cache may link it.
Result<fs::path> inside(const fs::path& folder, const std::string& name) {
  LUTHIER_TRY(const fs::path path, resolve_inside(folder, name));
  if (!is_plain(path)) return input_error("There is no file " + name + ".", folder.string());
  return path;
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t sum = 0;
  for (const std::string& name : names_in(folder)) {
    std::error_code problem;
    const auto path = inside(folder, name);
    const auto size = path ? fs::file_size(*path, problem) : 0;
    if (!problem && __builtin_add_overflow(sum, static_cast<std::uint64_t>(size), &sum))
      return UINT64_MAX;
  }
  return sum;
}

Status read_model_type(const fs::path& folder, FoundModel& found, Json& config) {
  LUTHIER_CHECK(check_model_folder(folder));
  LUTHIER_TRY(const fs::path path, inside(folder, "config.json"));
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const std::string text, read_file(path, kLargestConfig));
  LUTHIER_TRY(config, parse_json(text, where));
  if (!config.is_object()) return input_error("An object is expected.", where);
  LUTHIER_TRY(found.model_type, model_type_of(config, where));
  if (found.model_type.size() > 64 || !is_utf8(found.model_type))
    found.model_type = shortened(is_utf8(found.model_type) ? found.model_type : "", 64);
  return {};
}

void describe_weights(const CheckpointFiles& files, FoundModel& found) {
  found.bytes = 0;
  for (const SafetensorsFile& file : files.files()) found.bytes += file.size();
  std::map<DType, std::uint64_t> elements;
  for (const auto& [name, info] : files.tensors())
    elements[info.dtype] += static_cast<std::uint64_t>(info.elements());
  const auto most =
      std::max_element(elements.begin(), elements.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != elements.end()) found.dtype = dtype_name(most->first);
}

/// Size and dtype are told of weights that cannot be loaded, too.
Status read_weights(const fs::path& folder, const Json& config, FoundModel& found) {
  const auto files = CheckpointFiles::open(folder);
  if (files) describe_weights(*files, found);
  LUTHIER_CHECK(check_weights(folder, config, files));
  if (files->tensors().empty())
    return input_error("The weights hold no tensor.", folder.string(), "Get the files again.");
  return {};
}

/// A model of pictures alone says what its pictures are, and nothing of words.
bool of_pictures_alone(const Json& config) {
  constexpr std::array kOfTexts{"vocab_size", "text_config", "decoder", "language_config"};
  constexpr std::array kOfPictures{"image_size", "num_channels", "depths", "architecture",
                                   "mask_decoder_config"};
  const auto has = [&](const char* key) { return config.contains(key); };
  return std::none_of(kOfTexts.begin(), kOfTexts.end(), has) &&
         std::any_of(kOfPictures.begin(), kOfPictures.end(), has);
}

Status check_companions(const fs::path& folder, const Json& config, bool takes_pictures) {
  constexpr std::array kOfTokenizers{
      "tokenizer.json", "tokenizer.model", "spiece.model",           "spm.model",
      "vocab.txt",      "vocab.json",      "sentencepiece.bpe.model"};
  const auto stands = [&](const char* name) { return static_cast<bool>(inside(folder, name)); };
  if (!(takes_pictures && of_pictures_alone(config)) &&
      std::none_of(kOfTokenizers.begin(), kOfTokenizers.end(), stands)) {
    return input_error("There is no tokenizer: neither tokenizer.json nor tokenizer.model.",
                       folder.string(), "Copy the tokenizer's files beside the weights.");
  }
  if (!takes_pictures || inside(folder, "preprocessor_config.json")) return {};
  if (const auto newer = inside(folder, "processor_config.json")) {
    LUTHIER_TRY(const std::string text, read_file(*newer, kLargestConfig));
    LUTHIER_TRY(const Json processor,
                parse_json(text, (folder / "processor_config.json").string()));
    if (processor.is_object() && processor.contains("image_processor")) return {};
  }
  if (is_timm_config(config)) return {};  // it is the processor, too
  return input_error(
      "There is no picture processor: neither preprocessor_config.json nor an image_processor in "
      "processor_config.json.",
      folder.string(), "Save the model's processor into it.");
}

Status inspect(const fs::path& folder, const std::vector<LoadableType>& types, FoundModel& found) {
  Json content;
  const Status config = read_model_type(folder, found, content);
  const Status weights = read_weights(
      folder, content, found);  // size and dtype are shown for a family that is not known, too
  if (found.dtype.empty()) found.bytes = bytes_in(folder);
  LUTHIER_CHECK(config);
  const auto type = std::find_if(types.begin(), types.end(), [&](const LoadableType& each) {
    return each.model_type == found.model_type;
  });
  if (type == types.end()) {
    std::string known;
    for (const LoadableType& each : types) known += (known.empty() ? "" : ", ") + each.model_type;
    return input_error(
        "The model_type \"" + found.model_type + "\" is not one that Luthier can load.",
        "config.json: model_type", "It loads: " + known + ".");
  }
  LUTHIER_CHECK(weights);
  return check_companions(folder, content, type->takes_pictures);
}

/// Whether `path` is a real folder and no link.
bool is_own_folder(const fs::path& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

/// refs/… of a repository: commit → names. Names may have slashes ("pr/1").
std::map<std::string, std::vector<std::string>> read_refs(const fs::path& refs) {
  std::map<std::string, std::vector<std::string>> found;
  std::size_t count = 0;
  if (!is_own_folder(refs)) return found;
  std::error_code problem;
  for (fs::recursive_directory_iterator walk(refs, problem), end;
       !problem && walk != end && count < kMostRefs; walk.increment(problem), ++count) {
    if (walk.depth() > 4) walk.disable_recursion_pending();
    std::error_code ignored;
    if (walk->is_symlink(ignored) || !walk->is_regular_file(ignored)) continue;
    const auto text = read_file(walk->path(), 256);
    if (!text) continue;
    const std::string commit = text->substr(0, text->find_first_of(" \t\r\n"));
    const std::string name = walk->path().lexically_relative(refs).generic_string();
    if (commit.size() >= 7 && is_hex(commit, commit.size()) && is_utf8(name))
      found[commit].push_back(name);
  }
  for (auto& [commit, names] : found) std::sort(names.begin(), names.end());
  return found;
}

/// Snapshots to show: those that refs lead to, else the newest one.
std::vector<std::string> chosen_snapshots(
    const fs::path& snapshots, const std::map<std::string, std::vector<std::string>>& refs) {
  std::vector<std::string> chosen;
  std::pair<fs::file_time_type, std::string> newest;
  if (!is_own_folder(snapshots)) return chosen;
  for (const std::string& commit : names_in(snapshots, kMostRefs)) {
    if (!is_own_folder(snapshots / commit)) continue;
    if (refs.contains(commit)) chosen.push_back(commit);
    std::error_code problem;
    const auto time = fs::last_write_time(snapshots / commit, problem);
    if (newest.second.empty() || (!problem && time > newest.first)) newest = {time, commit};
  }
  if (chosen.empty() && !newest.second.empty()) chosen.push_back(newest.second);
  return chosen;
}

bool has_incomplete(const fs::path& blobs) {
  for (const std::string& name : names_in(blobs))
    if (name.ends_with(".incomplete")) return true;
  return false;
}

void look_at_repository(const fs::path& repository, const std::vector<LoadableType>& types,
                        std::vector<FoundModel>& models) {
  const std::string id = hub_repository_name(repository.filename().string());
  if (!check_repository(id)) return;  // not laid down by any hub's tool
  const auto refs = read_refs(repository / "refs");
  for (const std::string& commit : chosen_snapshots(repository / "snapshots", refs)) {
    const fs::path folder = repository / "snapshots" / commit;
    FoundModel found = inspect_model(folder, types);
    found.place = FoundIn::HubCache;
    found.repository = id;
    const auto names = refs.find(commit);
    if (names == refs.end())
      found.revision = shortened(is_utf8(commit) ? commit : "?", 8);
    else
      for (const std::string& name : names->second)
        found.revision += (found.revision.empty() ? "" : ", ") + name;
    if (!found.loadable && has_incomplete(repository / "blobs")) {
      found.unfinished = true;
      if (found.why_not.find("has not finished") != std::string::npos)
        found.why_not = "Some of its files are not there yet.";
      found.why_not =
          "Its download has not finished. Download it again to go on. (" + found.why_not + ")";
    }
    models.push_back(std::move(found));
  }
}

std::string shown_name(const FoundModel& model) {
  return model.repository.empty() ? model.folder.filename().string() : model.repository;
}

}  // namespace

FoundModel inspect_model(const fs::path& folder,
                         const std::vector<LoadableType>& loadable_types) try {
  FoundModel found;
  found.folder = folder;
  const Status status = inspect(folder, loadable_types, found);
  found.loadable = status.ok();
  if (!status) found.why_not = status.error().sentence();
  return found;
} catch (const std::exception& problem) {  // memory, or a name that no path takes
  FoundModel found;
  found.folder = folder;
  found.why_not = std::string("The folder cannot be read: ") + problem.what() + ".";
  return found;
}

std::vector<FoundModel> find_models(const fs::path& cache, const std::vector<fs::path>& folders,
                                    const std::vector<LoadableType>& loadable_types,
                                    const std::function<bool()>& go_on) try {
  std::vector<FoundModel> models;
  std::set<fs::path> seen;
  const auto on = [&] { return !go_on || go_on(); };
  const auto add = [&](const fs::path& folder) {
    if (seen.insert(folder).second) models.push_back(inspect_model(folder, loadable_types));
  };
  std::error_code problem;
  const fs::path hub =
      fs::weakly_canonical(cache, problem);  // the cache itself may be a link to a larger disk
  if (!problem) {
    for (const std::string& name : names_in(hub, kMostRepositories)) {
      if (!on()) break;
      if (!name.starts_with("models--")) continue;
      if (is_own_folder(hub / name)) {
        look_at_repository(hub / name, loadable_types, models);
      } else if (fs::is_symlink(hub / name, problem) &&
                 check_repository(hub_repository_name(name))) {
        FoundModel link;
        link.folder = hub / name;
        link.place = FoundIn::HubCache;
        link.repository = hub_repository_name(name);
        link.why_not =
            "This is a link out of the cache, which is not followed. Add the folder that it leads "
            "to.";
        models.push_back(std::move(link));
      }
    }
  }
  for (const FoundModel& model : models) seen.insert(model.folder);
  for (const fs::path& given : folders) {
    if (!on()) break;
    const fs::path folder = (given / "").lexically_normal().parent_path();
    if (!fs::is_directory(folder, problem)) continue;
    std::vector<fs::path> below;
    if (!fs::exists(folder / "config.json", problem)) {
      for (const std::string& name : names_in(folder)) {
        if (below.size() >= kMostBelow || !on()) break;
        if (is_own_folder(folder / name) && fs::exists(folder / name / "config.json", problem))
          below.push_back(folder / name);
      }
    }
    if (below.empty()) add(folder);
    for (const fs::path& each : below) {
      if (!on()) break;
      add(each);
    }
  }
  std::stable_sort(models.begin(), models.end(), [](const FoundModel& a, const FoundModel& b) {
    return a.loadable != b.loadable ? a.loadable : shown_name(a) < shown_name(b);
  });
  return models;
} catch (const std::exception&) {
  return {};
}

}  // namespace luthier
