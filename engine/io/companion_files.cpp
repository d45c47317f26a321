// SPDX-License-Identifier: GPL-3.0-or-later
// A list of what stays behind, not of what is known: the next version of transformers may write a
// file that nobody here has heard of, and a result without it would not load there.
#include "engine/io/companion_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kLargestFile = 256u << 20;  // the largest tokenizer.json has a tenth of it
constexpr std::size_t kMostFiles = 2000;
constexpr int kDeepest = 4;

constexpr std::array kWeightsSuffixes{
    ".safetensors", ".bin",     ".pt",   ".pth",  ".ckpt",   ".pkl",
    ".pickle",      ".msgpack", ".h5",   ".hdf5", ".onnx",   ".onnx.data",
    ".onnx_data",   ".gguf",    ".ggml", ".npz",  ".npy",    ".tflite",
    ".mlmodel",     ".ot",      ".nemo", ".pb",   ".engine", ".joblib"};

/// Files at the top that would make the result something else than a whole model, or that the
/// writer makes itself.
constexpr std::array kNotOfAModel{"config.json", "adapter_config.json", "luthier.json",
                                  "manifest.json", "trainer_state.json"};
/// What makes a folder below a thing of its own; so does a configuration with weights beside it.
constexpr std::array kSignsOfItsOwn{"adapter_config.json", "run.json", "recipe.yaml",
                                    "trainer_state.json"};

bool is_of_its_own(const fs::path& folder) {
  std::error_code problem;
  const auto holds = [&](const char* name) { return fs::exists(folder / name, problem); };
  if (std::any_of(kSignsOfItsOwn.begin(), kSignsOfItsOwn.end(), holds)) return true;
  if (!holds("config.json")) return false;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    if (is_weights_file(walk->path().filename().string())) return true;
  }
  return false;
}

class Copy {
 public:
  Copy(const fs::path& from, const fs::path& to) : from_(from), to_(to) {
    std::error_code ignored;
    real_to_ = fs::weakly_canonical(to, ignored);
  }

  Status folder(const fs::path& relative, int depth) {
    std::error_code problem;
    std::vector<fs::path> names;
    fs::directory_iterator walk(from_ / relative, problem);
    for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
      names.push_back(walk->path().filename());
      if (names.size() > kMostFiles) return too_many();
    }
    if (problem) {
      return input_error("This folder cannot be read: " + problem.message() + ".",
                         (from_ / relative).string());
    }
    std::sort(names.begin(), names.end());
    for (const fs::path& name : names) LUTHIER_CHECK(entry(relative / name, depth));
    return {};
  }

 private:
  Error too_many() const {
    return input_error(
        "The folder holds more than " + std::to_string(kMostFiles) + " files beside its weights.",
        from_.string(), "Choose the folder of one checkpoint.");
  }
  void leave(const fs::path& relative, const std::string& why) const {
    log_warning((from_ / relative).string() + ": left out of the result: " + why);
  }

  Status entry(const fs::path& relative, int depth) {
    const std::string name = relative.filename().string();
    if (name.empty() || name.front() == '.') return {};
    std::error_code problem;
    const fs::file_status own = fs::symlink_status(from_ / relative, problem);
    if (fs::is_directory(own)) {
      // The result itself may lie below the folder that it is made from.
      if (fs::weakly_canonical(from_ / relative, problem) == real_to_ ||
          is_of_its_own(from_ / relative))
        return {};
      if (depth < kDeepest) return folder(relative, depth + 1);
      leave(relative, "it lies too deep.");
      return {};
    }
    if (is_weights_file(name)) return {};
    const bool at_top = !relative.has_parent_path();
    if (at_top && std::find(kNotOfAModel.begin(), kNotOfAModel.end(), name) != kNotOfAModel.end())
      return {};
    return file(relative);
  }

  Status file(const fs::path& relative) {
    const auto path = resolve_inside(from_, relative.generic_string());
    if (!path) {
      leave(relative, path.error().what);
      return {};
    }
    std::error_code problem;
    if (!fs::is_regular_file(*path, problem)) return {};  // a link to a folder, a pipe
    if (fs::file_size(*path, problem) > kLargestFile) {
      leave(relative, "it has more than " + std::to_string(kLargestFile >> 20) + " MiB.");
      return {};
    }
    if (++count_ > kMostFiles) return too_many();
    LUTHIER_TRY(const std::string contents, read_file(*path, kLargestFile));
    const fs::path target = to_ / relative;
    fs::create_directories(target.parent_path(), problem);
    if (problem)
      return machine_error("The folder cannot be made: " + problem.message() + ".",
                           target.parent_path().string());
    return write_file_atomically(target, contents);
  }

  const fs::path &from_, &to_;
  fs::path real_to_;
  std::size_t count_ = 0;
};

}  // namespace

bool is_weights_file(const std::string& name) {
  std::string plain = ascii_lower(name);
  if (plain.ends_with(".index.json")) {
    plain.resize(plain.size() -
                 std::string_view(".index.json").size());  // model.safetensors.index.json
  }
  return std::any_of(kWeightsSuffixes.begin(), kWeightsSuffixes.end(),
                     [&](const char* suffix) { return plain.ends_with(suffix); });
}

Status copy_companion_files(const fs::path& from, const fs::path& to) {
  return Copy(from, to).folder({}, 0);
}

}  // namespace luthier
