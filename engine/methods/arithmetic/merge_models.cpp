// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/merge_models.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/base/text.h"
#include "engine/device/device.h"
#include "engine/device/failure.h"
#include "engine/hub/folder_kind.h"
#include "engine/hub/quantized.h"
#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/models/families.h"
#include "engine/models/open_weights.h"
#include "engine/models/stored_tensor.h"
#include "engine/models/tensor_file.h"
#include "engine/models/unlike_settings.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr double kOneDirection = 0.9995;

struct ModelMerge {
  const char* name;
  bool over_base, slerps;
  TaskArithmetic arithmetic;
};

const std::vector<ModelMerge>& merge_table() {
  const auto of = [](Pruning pruning, bool elects) {
    TaskArithmetic arithmetic;
    arithmetic.pruning = pruning;
    arithmetic.elects_signs = elects;
    return arithmetic;
  };
  static const std::vector<ModelMerge> table{
      {"linear", false, false, {}},
      {"slerp", false, true, {}},
      {"task_arithmetic", true, false, {}},
      {"ties", true, false, of(Pruning::Magnitude, true)},
      {"dare_linear", true, false, of(Pruning::Random, false)},
      {"dare_ties", true, false, of(Pruning::Random, true)}};
  return table;
}

Result<ModelMerge> find_merge(const MergeModelsOptions& how, std::size_t models) {
  std::string known;
  for (const ModelMerge& each : merge_table()) {
    known += (known.empty() ? "" : ", ") + std::string(each.name);
    if (how.method != each.name) continue;
    ModelMerge found = each;
    found.arithmetic.majority = how.majority;
    if (found.over_base == how.base.empty())
      return found.over_base
                 ? input_error(how.method + " adds to a base, and none is given.", "--base",
                               "Name the checkpoint that the models were tuned from.")
                 : input_error(how.method + " takes no base.", "--base",
                               "task_arithmetic, ties and dare add to one.");
    if (found.slerps && (models != 2 || std::abs(how.weights[0] + how.weights[1] - 1) > 1e-9))
      return input_error("slerp goes from one model to another by weights that come to 1.",
                         "--weights", "Give two models and, for the middle between them, 0.5,0.5.");
    if (found.arithmetic.pruning == Pruning::None) return found;
    const bool draws = found.arithmetic.pruning == Pruning::Random;
    if (!how.density || !(*how.density >= 0) || (draws && *how.density == 0))
      return input_error("How much " + how.method + " leaves is not said.", "--density",
                         "Give the share of the numbers that stay: 0.5 leaves half of them.");
    found.arithmetic.density = *how.density;
    return found;
  }
  return input_error("There is no way to merge models named \"" + how.method + "\".", "--method",
                     "Known: " + known + ".");
}

/// A checkpoint's tensors by names that its generations have in common.
struct Checkpoint {
  fs::path folder;
  Json config;
  const Family* family = nullptr;  ///< null: one that is not known here
  CheckpointFiles files;
  std::string model_type;
  std::map<std::string, std::string> stored;  ///< common name → the file's

  std::string place(const std::string& common) const {
    return folder.string() + ": " + stored.at(common);
  }
  /// In float32.
  Result<Tensor> read(const std::string& common) const {
    const auto view = files.find(stored.at(common));
    Tensor tensor = at::empty(view->info.shape, torch::kFloat32);
    LUTHIER_CHECK(read_stored(*view, tensor, place(common)));
    return tensor;
  }
};

Result<Checkpoint> open_checkpoint(const fs::path& folder) {
  LUTHIER_CHECK(check_model_folder(folder));
  Checkpoint checkpoint;
  checkpoint.folder = folder;
  const Json& config = checkpoint.config;
  LUTHIER_TRY(checkpoint.config, read_json_file(folder / "config.json"));
  const std::string where = (folder / "config.json").string();
  // Codes are no numbers to take a mean of, and scales belong to their codes.
  if (!quantization_method(config).empty())
    return input_error("The model's weights are packed; packed weights have no mean.",
                       where + ": quantization_config",
                       "Give the checkpoint that it was packed from.");
  LUTHIER_TRY(checkpoint.model_type, json_string(config, "model_type", where));
  if (const auto known = find_family(config, where)) checkpoint.family = *known;
  const Family* family = checkpoint.family;
  if (family) {
    LUTHIER_TRY(const Plan plan, family->read(config, folder));
    const auto shapes = plan.made(torch::TensorOptions().device(torch::kMeta));
    LUTHIER_TRY(checkpoint.files, open_weights(folder, config, *family, *shapes));
  } else {  // only the tensors are known
    auto files = CheckpointFiles::open(folder);
    LUTHIER_CHECK(check_weights(folder, config, files));
    checkpoint.files = files.take();
  }
  for (const auto& [name, info] : checkpoint.files.tensors()) {
    const std::string common = family ? family->stored_name(family->memory_name(name)) : name;
    if (!checkpoint.stored.emplace(common, name).second)
      return input_error("Two tensors stand for " + common + ".", folder.string(),
                         "Names of two releases of transformers are mixed in the files.");
  }
  return checkpoint;
}

bool is_number(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F64;
}

/// Of models whose tensors are unlike: the settings that say so, else what is said of the tensor.
Error unlike_models(const Checkpoint& first, const Checkpoint& other, Error of_tensor) {
  constexpr std::size_t kLongestValue = 40;
  if (!first.family) return of_tensor;
  const auto settings = unlike_settings(*first.family, first.config, other.config);
  if (settings.empty()) return of_tensor;
  std::string fields;
  for (const std::string& each : settings) fields += (fields.empty() ? "" : ", ") + each;
  const std::string mine = setting_text(first.config, settings.front()),
                    theirs = setting_text(other.config, settings.front());
  const bool shown = settings.size() == 1 && !mine.empty() && mine.size() <= kLongestValue &&
                     !theirs.empty() && theirs.size() <= kLongestValue;
  return input_error(
      shown ? "The setting is " + theirs + ", in " + first.folder.string() + " it is " + mine + "."
            : "The settings are others than in " + first.folder.string() + ".",
      (other.folder / "config.json").string() + ": " + fields,
      "The models are of unlike architectures.");
}

/// That `other` has what `first` has, in the same shapes; what is no number has to be the same.
Status check_alike(const Checkpoint& first, const Checkpoint& other) {
  if (other.model_type != first.model_type)
    return input_error("The model_type is " + other.model_type + ", that of " +
                           first.folder.string() + " is " + first.model_type + ".",
                       (other.folder / "config.json").string(),
                       "Only models of one architecture can be merged.");
  for (const auto& [common, stored] : first.stored) {
    const auto found = other.stored.find(common);
    if (found == other.stored.end())
      return unlike_models(
          first, other,
          input_error(
              "The tensor " + common + " is missing, which " + first.folder.string() + " has.",
              other.folder.string(), "The models are of unlike architectures."));
    const TensorInfo &mine = first.files.tensors().at(stored),
                     &theirs = other.files.tensors().at(found->second);
    if (mine.shape != theirs.shape)
      return unlike_models(
          first, other,
          input_error("The shape is " + shape_text(theirs.shape) + ", in " + first.folder.string() +
                          " it is " + shape_text(mine.shape) + ".",
                      other.place(common), "The models are of unlike architectures."));
    if (is_number(mine.dtype) && is_number(theirs.dtype)) continue;
    LUTHIER_TRY(const bool same,
                same_tensor(*first.files.find(stored), *other.files.find(found->second)));
    if (!same)
      return input_error("The tensor holds no floating numbers and is another than in " +
                             first.folder.string() + ".",
                         other.place(common), "There is no mean of the two.");
  }
  for (const auto& [common, stored] : other.stored) {
    if (!first.stored.contains(common))
      return unlike_models(
          first, other,
          input_error(
              "The tensor " + common + " is missing, which " + other.folder.string() + " has.",
              first.folder.string(), "The models are of unlike architectures."));
  }
  return {};
}

Result<Tensor> merged_tensor(const std::vector<Checkpoint>& models,
                             const std::optional<Checkpoint>& base, const ModelMerge& merge,
                             const MergeModelsOptions& how, const std::string& name) {
  std::vector<Tensor> tensors;
  for (const Checkpoint& model : models) {
    LUTHIER_TRY(Tensor tensor, model.read(name));
    tensors.push_back(std::move(tensor));
  }
  if (merge.slerps) return slerp(tensors[0], tensors[1], how.weights[1]);
  if (!merge.over_base) {
    Tensor sum = tensors.front() * how.weights.front();
    for (std::size_t i = 1; i < tensors.size(); ++i) sum.add_(tensors[i] * how.weights[i]);
    return sum;
  }
  LUTHIER_TRY(const Tensor start, base->read(name));
  for (Tensor& tensor : tensors) tensor.sub_(start);
  return combined_tasks(std::move(tensors), how.weights, merge.arithmetic,
                        draw_place(how.seed, name))
      .add_(start);
}

/// Rounded once; no tensor that is not finite is written.
Result<Tensor> finite_as(Tensor tensor, torch::ScalarType dtype, const std::string& place) {
  tensor = tensor.to(dtype);
  if (at::isfinite(tensor).all().item<bool>()) return tensor;
  return input_error("The merged tensor is not finite as it is stored.", place,
                     "Smaller weights, or models that are finite, keep it so.");
}

Result<MergeModelsReport> merge_folders(const std::vector<fs::path>& folders,
                                        const MergeModelsOptions& how, const fs::path& out) {
  if (folders.size() < 2 && how.base.empty())
    return input_error("One model alone is no merge.", "--model", "Name another one.");
  if (how.weights.size() != folders.size())
    return input_error(std::to_string(how.weights.size()) + " weights stand for " +
                           std::to_string(folders.size()) + " models.",
                       "--weights", "Give one for each model, in their order: 0.5,0.5.");
  for (const double weight : how.weights) {
    if (!std::isfinite(weight)) return input_error("A weight is not finite.", "--weights");
  }
  LUTHIER_TRY(const ModelMerge merge, find_merge(how, folders.size()));
  std::vector<Checkpoint> models;
  for (const fs::path& folder : folders) {
    LUTHIER_TRY(Checkpoint opened, open_checkpoint(folder));
    if (!models.empty()) LUTHIER_CHECK(check_alike(models.front(), opened));
    models.push_back(std::move(opened));
  }
  std::optional<Checkpoint> base;
  if (merge.over_base) {
    LUTHIER_TRY(base, open_checkpoint(how.base));
    LUTHIER_CHECK(check_alike(models.front(), *base));
  }
  MergeModelsReport report;
  double sum = 0;
  for (const double weight : how.weights) sum += weight;
  if (!merge.over_base && std::abs(sum - 1) > 1e-6)
    report.notes.push_back(
        "The weights do not come to 1: all weights of the model are scaled by their sum.");
  std::vector<TensorToMake> tensors;
  std::int64_t done = 0;
  for (const auto& [common, stored] : models.front().stored) {
    const TensorInfo& info = models.front().files.tensors().at(stored);
    ++report.tensors;
    report.parameters += info.elements();
    tensors.push_back(
        {stored, scalar_type(info.dtype), info.shape,
         [&, name = common, file_name = stored, dtype = info.dtype,
          count = info.elements()]() -> Result<Tensor> {
           done += count;
           if (how.go_on &&
               !how.go_on(static_cast<double>(done) / static_cast<double>(report.parameters)))
             return interrupted_error();
           if (!is_number(dtype))
             return read_stored(*models.front().files.find(file_name), models.front().place(name));
           LUTHIER_TRY(Tensor made, merged_tensor(models, base, merge, how, name));
           return finite_as(std::move(made), scalar_type(dtype), models.front().place(name));
         }});
  }
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LUTHIER_CHECK(write_tensor_file(writer.path() / "model.safetensors", tensors));
  for (const Checkpoint& model : models) LUTHIER_CHECK(model.files.check_unchanged());
  LUTHIER_TRY(const std::string config,
              read_file(models.front().folder / "config.json", kLargestConfig));
  LUTHIER_CHECK(write_file_atomically(writer.path() / "config.json", config));
  LUTHIER_CHECK(copy_companion_files(models.front().folder, writer.path()));
  LUTHIER_CHECK(writer.commit());
  return report;
}

}  // namespace

const std::vector<std::string>& model_merges() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const ModelMerge& each : merge_table()) all.emplace_back(each.name);
    return all;
  }();
  return names;
}

Tensor slerp(const Tensor& one, const Tensor& other, double t) {
  const Tensor a = one.flatten().to(torch::kFloat64), b = other.flatten().to(torch::kFloat64);
  const double lengths = a.norm().item<double>() * b.norm().item<double>();
  const double cosine =
      lengths > 0 ? std::clamp(a.dot(b).item<double>() / lengths, -1.0, 1.0) : 1.0;
  double of_a = 1 - t, of_b = t;
  if (std::abs(cosine) <= kOneDirection) {
    const double angle = std::acos(cosine);
    of_a = std::sin((1 - t) * angle) / std::sin(angle);
    of_b = std::sin(t * angle) / std::sin(angle);
  }
  return (a * of_a + b * of_b).to(torch::kFloat32).view(one.sizes());
}

Result<MergeModelsReport> merge_models(const std::vector<fs::path>& models,
                                       const MergeModelsOptions& how, const fs::path& out) try {
  return merge_folders(models, how, out);
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("There is not enough memory to merge the models.", out.string(),
                    "It takes the largest tensor of each model in float32, some times over."),
      machine_error("Merging failed: " + first_line(problem.what()), out.string()));
}

Json to_json(const MergeModelsReport& report) {
  return {{"tensors", report.tensors}, {"parameters", report.parameters}, {"notes", report.notes}};
}

}  // namespace luthier
