// SPDX-License-Identifier: GPL-3.0-or-later
// The files of a checkpoint. They are written into a folder that becomes visible only when all of
// it is on the disk (io/files.h).
#include "engine/train/checkpoint.h"

#include "engine/io/files.h"
#include "engine/methods/adapter_notes.h"
#include "engine/models/stored_tensor.h"
#include "engine/models/tensor_file.h"
#include "engine/objectives/companion.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {
constexpr int kStateVersion = 1;
constexpr const char *kMethodFile = "method.safetensors", *kTrainedFile = "trained.safetensors",
                     *kReferenceFile = "reference.safetensors",
                     *kStatisticsFile = "statistics.safetensors";

/// None where the field is missing: older checkpoints have fewer.
Result<std::vector<std::int64_t>> row_numbers(const Json& json, const char* key,
                                              const std::string& where) {
  std::vector<std::int64_t> rows;
  if (!json.contains(key) || !json[key].is_array()) return rows;
  for (const Json& row : json[key]) {
    if (!row.is_number_integer())
      return input_error("A row number is not a number.", where + ": " + key);
    rows.push_back(row.get<std::int64_t>());
  }
  return rows;
}

Result<FigureSums> figure_sums(const Json& json, const std::string& where) {
  FigureSums figures;
  const char* key = "logged_figures";
  if (!json.contains(key)) return figures;
  for (const auto& [name, pair] : json[key].items()) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() ||
        !pair[1].is_number_integer())
      return input_error("A figure is no pair of sum and count.", where + ": " + key + "." + name);
    figures.sums[name] = {pair[0].get<double>(), pair[1].get<std::int64_t>()};
  }
  return figures;
}

/// Numbers by name, where there are any.
Status read_named_numbers(const Json& json, const char* key, const std::string& where,
                          std::map<std::string, double>& into) {
  if (!json.contains(key)) return {};
  if (!json[key].is_object())
    return input_error("This must be numbers by name.", where + ": " + key);
  for (const auto& [name, value] : json[key].items()) {
    if (!value.is_number())
      return input_error("This must be a number.", where + ": " + key + "." + name);
    into[name] = value.get<double>();
  }
  return {};
}

/// Into the tensors, so that weights never stand in memory twice. The file holds these and no
/// others.
Status read_in_place(const fs::path& path, const NamedTensors& tensors) {
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  if (file.header().tensors.size() != tensors.size())
    return input_error("The checkpoint holds other tensors than this run trains.", path.string());
  for (const auto& [name, tensor] : tensors) {
    const std::string where = path.string() + ": " + name;
    const auto found = file.find(name);
    if (!found || found->info.shape != tensor.sizes().vec() ||
        scalar_type(found->info.dtype) != tensor.scalar_type())
      return input_error("The checkpoint's tensor is missing or has another shape or type.", where);
    LUTHIER_CHECK(read_stored(*found, tensor, where));
  }
  return file.check_unchanged();
}

/// An adapter's tensors that train, from where a checkpoint has them, into their places.
Status read_adapter_in_place(const fs::path& folder, const Adapter& adapter) {
  std::vector<SafetensorsFile> files;
  std::error_code ignored;
  for (const char* name : {Adapter::kTensorFile, Adapter::kEncoderFile}) {
    if (!fs::exists(folder / name, ignored)) continue;
    LUTHIER_TRY(SafetensorsFile file, SafetensorsFile::open(folder / name));
    files.push_back(std::move(file));
  }
  for (const auto& [name, tensor] : adapter.tensors()) {
    const std::string where = folder.string() + ": " + name;
    bool read = false;
    // What trains stands in the last file that has it.
    for (auto file = files.rbegin(); file != files.rend() && !read; ++file) {
      const auto found = file->find(name);
      if (!found || found->info.shape != tensor.sizes().vec() ||
          scalar_type(found->info.dtype) != tensor.scalar_type())
        continue;
      LUTHIER_CHECK(read_stored(*found, tensor, where));
      read = true;
    }
    if (!read)
      return input_error("The checkpoint's tensor is missing or has another shape or type.", where);
  }
  for (const SafetensorsFile& file : files) LUTHIER_CHECK(file.check_unchanged());
  return {};
}

Status make_folder(const fs::path& folder) {
  std::error_code problem;
  fs::create_directory(folder, problem);
  if (!problem) return {};
  return machine_error("The folder cannot be made: " + problem.message() + ".", folder.string());
}

/// Its adapter or its weights, in a folder of its name.
Status write_companion(const fs::path& checkpoint, const Trainables& trainables,
                       const std::string& base_name) {
  const Companion& companion = *trainables.companion;
  const fs::path folder = checkpoint / companion.plan.name;
  LUTHIER_CHECK(make_folder(folder));
  if (!companion.adapter)
    return write_tensor_file(folder / kTrainedFile, trainables.named_of_companion());
  LUTHIER_CHECK(companion.adapter->save(folder, base_name, {}, /*finished=*/false));
  return write_adapter_notes(folder, companion.base.pixels);
}

}  // namespace

Json to_json(const TrainerState& state) {
  Json json = {{"version", kStateVersion},
               {"step", state.step},
               {"total_steps", state.total_steps},
               {"tokens", state.tokens},
               {"logged_loss", state.logged_loss},
               {"logged_steps", state.logged_steps},
               {"logged_tokens", state.logged_tokens},
               {"logged_seconds", state.logged_seconds},
               {"unlogged", state.unlogged},
               {"last_norm", state.last_norm},
               {"last_rate", state.last_rate}};
  // Where only the rate was changed, as checkpoints of before have it.
  const auto rate = state.edited.find("learning_rate");
  json["learning_rate"] = rate == state.edited.end() ? Json(nullptr) : Json(rate->second);
  if (!state.edited.empty()) json["edited"] = state.edited;
  if (state.best.metric)
    json["best"] = {
        {"metric", *state.best.metric}, {"step", state.best.step}, {"waited", state.best.waited}};
  if (!state.probe.empty()) json["probe"] = state.probe;
  json["best_eval_loss"] = state.best_eval_loss ? Json(*state.best_eval_loss) : Json(nullptr);
  json["skipped_rows"] = state.skipped_rows;
  json["broken_rows"] = state.broken_rows;
  if (!state.logged_figures.sums.empty()) {
    Json figures = Json::object();
    for (const auto& [name, sum] : state.logged_figures.sums) figures[name] = {sum.sum, sum.count};
    json["logged_figures"] = std::move(figures);
  }
  if (!state.objective.is_null()) json["objective"] = state.objective;
  if (state.fork)
    json["fork"] = {{"fresh_optimizer", state.fork->fresh_optimizer},
                    {"other_rows", state.fork->other_rows}};
  return json;
}

Result<TrainerState> read_trainer_state(const fs::path& checkpoint) {
  const fs::path path = checkpoint / "trainer_state.json";
  const std::string where = path.string();
  LUTHIER_TRY(const Json json, read_json_file(path));
  LUTHIER_TRY(const std::int64_t version, json_int(json, "version", where));
  if (version != kStateVersion)
    return input_error("This checkpoint was written by another version of the program.",
                       where + ": version");
  TrainerState state;
  LUTHIER_TRY(state.step, json_int(json, "step", where));
  LUTHIER_TRY(state.total_steps, json_int(json, "total_steps", where));
  LUTHIER_TRY(state.tokens, json_int(json, "tokens", where));
  LUTHIER_TRY(state.logged_loss, json_number(json, "logged_loss", where, 0));
  LUTHIER_TRY(state.logged_steps, json_int(json, "logged_steps", where));
  LUTHIER_TRY(state.logged_tokens, json_int(json, "logged_tokens", where));
  LUTHIER_TRY(state.logged_seconds, json_number(json, "logged_seconds", where, 0));
  LUTHIER_TRY(state.unlogged, json_bool(json, "unlogged", where, false));
  LUTHIER_TRY(state.last_norm, json_number(json, "last_norm", where, 0));
  LUTHIER_TRY(state.last_rate, json_number(json, "last_rate", where, 0));
  if (json.contains("learning_rate") && json["learning_rate"].is_number())
    state.edited["learning_rate"] = json["learning_rate"].get<double>();
  LUTHIER_CHECK(read_named_numbers(json, "edited", where, state.edited));
  LUTHIER_CHECK(read_named_numbers(json, "probe", where, state.probe));
  if (json.contains("best") && json["best"].is_object()) {
    const Json& best = json["best"];
    const std::string at = where + ": best";
    LUTHIER_TRY(state.best.metric, json_number(best, "metric", at, 0));
    LUTHIER_TRY(state.best.step, json_int(best, "step", at));
    LUTHIER_TRY(state.best.waited, json_int(best, "waited", at));
  }
  if (json.contains("best_eval_loss") && json["best_eval_loss"].is_number())
    state.best_eval_loss = json["best_eval_loss"].get<double>();
  LUTHIER_TRY(state.skipped_rows, row_numbers(json, "skipped_rows", where));
  LUTHIER_TRY(state.broken_rows, row_numbers(json, "broken_rows", where));
  LUTHIER_TRY(state.logged_figures, figure_sums(json, where));
  if (json.contains("objective")) state.objective = json["objective"];
  if (json.contains("fork")) {
    ForkStart fork;
    const std::string at = where + ": fork";
    LUTHIER_TRY(fork.fresh_optimizer, json_bool(json["fork"], "fresh_optimizer", at, false));
    LUTHIER_TRY(fork.other_rows, json_bool(json["fork"], "other_rows", at, false));
    state.fork = fork;
  }
  if (state.step < 0 || state.step > state.total_steps)
    return input_error("The step is outside of the run.", where + ": step");
  return state;
}

Status write_checkpoint(const fs::path& folder, const TrainerState& state,
                        const Trainables& trainables,
                        const std::vector<TensorToMake>& optimizer_state,
                        const std::string& base_name) {
  if (trainables.adapter) {
    LUTHIER_CHECK(make_folder(folder / "adapter"));
    LUTHIER_CHECK(trainables.adapter->save(folder / "adapter", base_name, {}, /*finished=*/false));
    if (const AdapterCourse* course = trainables.adapter->course()) {
      const auto kept = course->state();
      LUTHIER_CHECK(
          write_tensor_file(folder / kMethodFile, NamedTensors(kept.begin(), kept.end())));
    }
  } else {
    LUTHIER_CHECK(write_tensor_file(folder / kTrainedFile, trainables.named()));
  }
  if (!trainables.statistics.empty())
    LUTHIER_CHECK(write_tensor_file(folder / kStatisticsFile, trainables.statistics));
  if (trainables.companion) LUTHIER_CHECK(write_companion(folder, trainables, base_name));
  LUTHIER_CHECK(write_tensor_file(folder / "optimizer.safetensors", optimizer_state));
  return write_file_atomically(folder / "trainer_state.json", to_json(state).dump(2) + "\n");
}

Status write_reference(const fs::path& folder, const NamedTensors& reference) {
  return write_tensor_file(folder / kReferenceFile, reference);
}

Status read_reference(const fs::path& folder, const NamedTensors& reference) {
  const torch::NoGradGuard no_grad;
  return read_in_place(folder / kReferenceFile, reference);
}

Status read_weights(const fs::path& folder, const Trainables& trainables) {
  const torch::NoGradGuard no_grad;
  if (!trainables.adapter) LUTHIER_CHECK(read_in_place(folder / kTrainedFile, trainables.named()));
  if (!trainables.statistics.empty())
    LUTHIER_CHECK(read_in_place(folder / kStatisticsFile, trainables.statistics));
  if (const Companion* companion = trainables.companion.get(); companion && !companion->adapter)
    LUTHIER_CHECK(read_in_place(folder / companion->plan.name / kTrainedFile,
                                trainables.named_of_companion()));
  return {};
}

Status read_moments(const fs::path& folder, const Trainables& trainables, Optimizer& optimizer,
                    const std::function<bool(const std::string&)>& own) {
  const torch::NoGradGuard no_grad;
  if (AdapterCourse* course = trainables.adapter ? trainables.adapter->course() : nullptr) {
    LUTHIER_TRY(const auto kept, read_tensor_file(folder / kMethodFile, torch::kCPU));
    LUTHIER_CHECK(course->load_state(kept, (folder / kMethodFile).string()));
  }
  const fs::path path = folder / "optimizer.safetensors";
  const auto& moved = optimizer.tensors();
  const torch::Device device =
      moved.empty() || optimizer.pages() ? torch::kCPU : moved.front().tensor.device();
  {
    LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
    optimizer.make_room_for([&](const std::string& name) {
      return (!own || own(name)) && file.find(name).has_value();
    });
  }
  LUTHIER_TRY(auto state, read_tensor_file(path, device, own));
  return optimizer.load_state(std::move(state), path.string());
}

Status go_back_to(const fs::path& folder, const Trainables& trainables, Optimizer& optimizer) {
  const torch::NoGradGuard no_grad;
  if (trainables.adapter)
    LUTHIER_CHECK(read_adapter_in_place(folder / "adapter", *trainables.adapter));
  if (const Companion* companion = trainables.companion.get(); companion && companion->adapter)
    LUTHIER_CHECK(read_adapter_in_place(folder / companion->plan.name, *companion->adapter));
  LUTHIER_CHECK(read_weights(folder, trainables));
  return read_moments(folder, trainables, optimizer);
}

}  // namespace luthier
