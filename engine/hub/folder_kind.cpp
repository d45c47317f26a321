// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/hub/folder_kind.h"

#include <algorithm>
#include <array>
#include <vector>

#include "engine/base/utf8.h"
#include "engine/hub/places.h"
#include "engine/hub/quantized.h"
#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/probe.h"
#include "engine/io/weight_kinds.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModelIs =
    "A model is a folder with config.json, safetensors files and a tokenizer.";
constexpr const char* kAdapterIs =
    "An adapter is a folder with adapter_config.json and adapter_model.safetensors.";

enum class Kind { Model, Adapter, Run, RunCheckpoint, Empty, Other };

std::string shown(const std::string& text) { return is_utf8(text) ? shortened(text, 200) : "?"; }
std::string shown(const fs::path& path) { return shown(path.string()); }

bool is_run(const fs::path& folder) {
  return is_there(folder / "run.json") || is_there(folder / "recipe.yaml");
}

Kind kind_of(const fs::path& folder) {
  const bool config = is_there(folder / "config.json");
  const bool weights =
      is_there(folder / "model.safetensors") || is_there(folder / "model.safetensors.index.json");
  if (is_there(folder / "adapter_config.json") && !(config && weights)) return Kind::Adapter;
  if (config) return Kind::Model;
  if (is_run(folder)) return Kind::Run;
  if (is_there(folder / "trainer_state.json") &&
      (is_folder(folder / "adapter") || is_there(folder / "trained.safetensors"))) {
    return Kind::RunCheckpoint;
  }
  const auto names = names_in(folder);
  const bool empty = std::all_of(names.begin(), names.end(),
                                 [](const std::string& name) { return name.starts_with('.'); });
  return empty ? Kind::Empty : Kind::Other;
}

/// A text field of a small JSON file in the folder; empty where it cannot be had.
std::string field_of(const fs::path& folder, const char* file, const char* field) {
  const auto path = resolve_inside(folder, file);
  if (!path) return {};
  const auto text = read_file(*path, kLargestConfig);
  if (!text) return {};
  const auto json = parse_json(*text, path->string());
  if (!json || !json->is_object()) return {};
  const auto found = json->find(field);
  return found != json->end() && found->is_string() ? shown(found->get<std::string>())
                                                    : std::string();
}

std::string in_brackets(const std::string& text) { return text.empty() ? "" : " (" + text + ")"; }

/// The file that a download has left unfinished; empty where there is none.
std::string unfinished(const fs::path& folder) {
  static constexpr std::array kEnds{".incomplete", ".part",  ".partial",
                                    ".crdownload", ".aria2", ".download"};
  std::vector<fs::path> places{folder, folder / ".cache" / "huggingface" / "download"};
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(folder, ignored);
  if (whole.parent_path().filename() == "snapshots")
    places.push_back(whole.parent_path().parent_path() / "blobs");
  for (const fs::path& place : places) {
    for (const std::string& name : names_in(place)) {
      const auto ends = [&](const char* end) { return name.ends_with(end); };
      if (std::any_of(kEnds.begin(), kEnds.end(), ends)) return shown(name);
    }
  }
  return {};
}

Error not_finished(const fs::path& folder, const std::string& name) {
  return input_error("The download of this folder has not finished: there is " + name + ".",
                     folder.string(), "Download it again to go on.");
}

/// Files that `git clone` left as pointers: a tokenizer or weights of a hundred bytes.
Status check_no_pointers(const fs::path& folder) {
  constexpr std::string_view kPointer = "version https://git-lfs.github.com/spec/";
  for (const std::string& name : names_in(folder)) {
    if (name.starts_with('.')) continue;
    const auto path = resolve_inside(folder, name);
    std::error_code problem;
    if (!path || !fs::is_regular_file(*path, problem)) continue;
    const auto size = fs::file_size(*path, problem);
    if (problem || size < kPointer.size() || size > 1024) continue;
    const auto text = read_file(*path, 1024);
    if (!text || !text->starts_with(kPointer)) continue;
    return input_error(
        "This is a Git LFS pointer: the repository was cloned without its large files.",
        path->string(), "Run `git lfs pull` in that folder, or fetch the model again.");
  }
  return {};
}

/// "org/name" where the path looks like a hub's id or address and no folder begins like it; else
/// empty.
std::string repository_of(const fs::path& path) {
  std::string text = path.string();
  if (const auto scheme = text.find(":/"); scheme != std::string::npos && scheme > 1) {
    // An address: what follows the host, without /tree/main.
    text.erase(0, text.find_first_not_of('/', scheme + 1));
    if (const auto host = text.find('/');
        host != std::string::npos && text.substr(0, host).find('.') != std::string::npos) {
      text.erase(0, host + 1);
    }
    const auto first = text.find('/');
    if (first == std::string::npos) return {};
    text.resize(std::min(text.size(), text.find('/', first + 1)));
  } else if (path.is_absolute() || is_there(*path.begin())) {
    return {};
  }
  return std::count(text.begin(), text.end(), '/') == 1 && check_repository(text) ? text
                                                                                  : std::string();
}

Error missing(const fs::path& path, const char* what_it_is) {
  const Error plain = input_error("There is no such folder.", path.string(), what_it_is);
  if (path.empty()) return plain;
  if (path.string().front() == '~') {
    return input_error(plain.what, plain.where,
                       "Write the whole path: \"~\" is not replaced here.");
  }
  const std::string id = repository_of(path);
  if (id.empty()) return plain;
  if (const auto snapshot = cached_snapshot(id)) {
    return input_error("This is the name of a repository, and a folder is needed.", path.string(),
                       "It is on this machine: give " + snapshot->string() + ".");
  }
  return input_error("There is no such folder.", path.string(),
                     "If it is a repository on a hub, fetch it first: `luthier-cli fetch " + id +
                         "` prints its folder (in the window: Model, Download from a hub).");
}

Error file_instead(const fs::path& path, const char* what_it_is) {
  const std::string suffix = path.extension().string();
  const auto is = [&](std::initializer_list<const char*> ends) {
    return std::any_of(ends.begin(), ends.end(), [&](const char* end) { return suffix == end; });
  };
  const fs::path parent = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  if (is({".gguf", ".ggml"})) {
    return input_error("This is a GGUF file, made for running only.", path.string(),
                       "Get the transformers checkpoint that it was made from.");
  }
  if (is({".zip", ".tar", ".gz", ".tgz", ".xz", ".zst", ".bz2", ".7z", ".rar"})) {
    return input_error("This is an archive, and a folder is needed.", path.string(),
                       "Unpack it and give the folder.");
  }
  if (suffix != ".safetensors" && is_weights_file(path.filename().string())) {
    return input_error(
        "This is not a safetensors file, and nothing else is opened: formats such as a pickle's "
        "could run code.",
        path.string(), "Choose the folder of a checkpoint in safetensors.");
  }
  if (suffix == ".safetensors" || is_there(parent / "config.json") ||
      is_there(parent / "adapter_config.json")) {
    return input_error("This is one file of a checkpoint, and its folder is needed.", path.string(),
                       "Give " + shown(parent) + ".");
  }
  return input_error("This is a file, and a folder is needed.", path.string(), what_it_is);
}

/// Folders one level down (of a hub's repository: its snapshots) that hold `file`, as a hint.
std::string meant_below(const fs::path& folder, const char* file) {
  std::vector<fs::path> found;
  for (const fs::path& place : {folder, folder / "snapshots"}) {
    std::size_t looked = 0;
    for (const std::string& name : names_in(place)) {
      if (++looked > 200 || found.size() >= 3) break;
      if (!name.starts_with('.') && is_there(place / name / file)) found.push_back(place / name);
    }
  }
  std::string hint;
  for (const fs::path& each : found)
    hint += (hint.empty() ? "Perhaps this was meant: " : ", ") + shown(each);
  return hint.empty() ? hint : hint + ".";
}

/// What a run or one of its checkpoints has to give.
std::string result_of(const fs::path& run, bool for_model) {
  const std::string base = field_of(run, "run.json", "model");
  if (is_there(run / "adapter" / "adapter_config.json")) {
    const std::string adapter = shown(run / "adapter");
    return for_model ? "Its result is an adapter: give its base" + in_brackets(base) +
                           " as the model, and " + adapter + " as the adapter."
                     : "Its adapter is " + adapter + ".";
  }
  if (is_there(run / "model" / "config.json")) {
    const std::string model = shown(run / "model");
    return for_model ? "Its result is " + model + "."
                     : "Its result is a whole model: give " + model + " as the model.";
  }
  return "It has no result yet: go on with `train RECIPE --resume " + shown(run) + "`.";
}

/// RUN of RUN/checkpoints/step-000100.
fs::path run_of_checkpoint(const fs::path& path) {
  std::error_code problem;
  return fs::weakly_canonical(path, problem).parent_path().parent_path();
}

std::string adapter_as_model_hint(const fs::path& folder) {
  const std::string base = field_of(folder, "adapter_config.json", "base_model_name_or_path");
  return "Load its base" + in_brackets(base) + ", and give this folder as the adapter.";
}

/// The errors that are the same whatever was wanted.
Error nothing_here(const fs::path& path, Kind kind, const char* file, const char* what_it_is) {
  std::error_code problem;
  const fs::directory_iterator may_be_read(path, problem);
  if (problem) {
    return input_error("This folder cannot be read: " + problem.message() + ".", path.string(),
                       "Check its rights.");
  }
  if (const std::string part = unfinished(path); !part.empty()) return not_finished(path, part);
  if (kind == Kind::Empty) return input_error("The folder is empty.", path.string(), what_it_is);
  if (const std::string hint = meant_below(path, file); !hint.empty()) {
    return input_error("There is no " + std::string(file) + ".", path.string(), hint);
  }
  for (const std::string& name : names_in(path)) {
    if (name.ends_with(".gguf")) {
      return input_error("This is a GGUF file, made for running only.", (path / name).string(),
                         "Get the transformers checkpoint that it was made from.");
    }
  }
  return input_error("There is no " + std::string(file) + ".", path.string(), what_it_is);
}

}  // namespace

std::optional<fs::path> cached_snapshot(const std::string& repository) {
  if (!check_repository(repository)) return {};
  const fs::path folder = hub_settings().cache / hub_folder_name(repository);
  const auto snapshot = [&](const std::string& commit) -> std::optional<fs::path> {
    const fs::path path = folder / "snapshots" / commit;
    if (commit.size() < 7 || !is_hex(commit, commit.size()) || !is_folder(path)) return {};
    return path;
  };
  if (const auto text = read_file(folder / "refs" / "main", 256)) {
    if (auto found = snapshot(text->substr(0, text->find_first_of(" \t\r\n")))) return found;
  }
  for (const std::string& name : names_in(folder / "snapshots")) {
    if (auto found = snapshot(name)) return found;
  }
  return {};
}

Status check_model_folder(const fs::path& path) {
  if (!is_there(path)) return missing(path, kModelIs);
  if (!is_folder(path)) return file_instead(path, kModelIs);
  switch (const Kind kind = kind_of(path)) {
    case Kind::Model: return check_no_pointers(path);
    case Kind::Adapter:
      return input_error("This is an adapter, not a whole model.", path.string(),
                         adapter_as_model_hint(path));
    case Kind::Run:
      return input_error("This is a run's folder, not a model.", path.string(),
                         result_of(path, true));
    case Kind::RunCheckpoint:
      return input_error("This is a checkpoint of a run, not a model.", path.string(),
                         result_of(run_of_checkpoint(path), true));
    case Kind::Empty:
    case Kind::Other: return nothing_here(path, kind, "config.json", kModelIs);
  }
  return {};
}

Status check_adapter_folder(const fs::path& path) {
  if (!is_there(path)) return missing(path, kAdapterIs);
  if (!is_folder(path)) return file_instead(path, kAdapterIs);
  if (is_there(path / "adapter_config.json")) return check_no_pointers(path);
  switch (const Kind kind = kind_of(path)) {
    case Kind::Model:
      return input_error("This is a whole model, not an adapter.", path.string(),
                         std::string("Give it as the model. ") + kAdapterIs);
    case Kind::Run:
      return input_error("This is a run's folder, not an adapter.", path.string(),
                         result_of(path, false));
    case Kind::RunCheckpoint: {
      const std::string hint =
          is_there(path / "adapter" / "adapter_config.json")
              ? "Its adapter is " + shown(path / "adapter") + "."
              : "It holds weights of a full or frozen run; the run's result is a model.";
      return input_error("This is a checkpoint of a run, not an adapter.", path.string(), hint);
    }
    case Kind::Adapter:
    case Kind::Empty:
    case Kind::Other: return nothing_here(path, kind, "adapter_config.json", kAdapterIs);
  }
  return {};
}

Status check_weights(const fs::path& folder, const Json& config,
                     const Result<CheckpointFiles>& files) {
  const std::string method = quantization_method(config);
  const WeightKind* meant = meant_weight_kind(quantization_settings(config));
  if (!files) {
    // A method's own types may be unknown to the reader; where they are not the file is at fault.
    if (!method.empty() && !meant)
      return quantized_error(method, (folder / "config.json").string() + ": quantization_config");
    if (const std::string part = unfinished(folder); !part.empty())
      return not_finished(folder, part);
    return files.error();
  }
  const auto tensor = quantized_tensor(*files, config);
  if (!tensor)
    return {};  // also where config.json says otherwise: some merged models keep the entry
  // Of a kind that is read, but not made in this way: what of it is not.
  if (meant)
    LUTHIER_CHECK(meant->check(quantization_settings(config),
                               (folder / "config.json").string() + ": quantization_config"));
  return quantized_error(method.empty() ? tensor->method : method,
                         folder.string() + ": " + shown(tensor->name));
}

}  // namespace luthier
