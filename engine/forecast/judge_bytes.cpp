// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/forecast/judge_bytes.h"

#include <algorithm>

#include "engine/device/device.h"
#include "engine/forecast/trained.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_folder.h"
#include "engine/models/packing.h"
#include "engine/objectives/reward_model.h"

namespace luthier {

namespace {

/// Of an adapter's tensors, which stand in float32; 0: the folder is a whole checkpoint.
std::int64_t adapter_numbers(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / Adapter::kConfigFile, ignored)) return 0;
  const auto opened = open_adapter_folder(folder);
  std::int64_t numbers = 0;
  if (opened)
    for (const auto& [name, info] : opened->file.header().tensors) numbers += info.elements();
  return numbers;
}

/// So many of the answers as it looks at together, each with its prompt's pictures.
BatchShape looked_at(const BatchShape& batch) {
  const std::int64_t rows =
      std::min<std::int64_t>(RewardModel::kAnswersAtOnce, batch.drawn_answers);
  BatchShape shape;
  shape.batch_size = shape.labels = rows;
  shape.lengths.assign(static_cast<std::size_t>(rows), batch.drawn_length);
  shape.tokens = rows * batch.drawn_length;
  for (std::int64_t i = 0; i < rows; ++i) shape.pictures += batch.drawn_pictures;
  return shape;
}

}  // namespace

std::int64_t height_of_pass(const ModelSummary& other, Pass pass) {
  if (!other.cost) return 0;
  pass.terms.checkpointing = false;
  std::vector<std::pair<std::string, TrainedShare>> all;
  for (const ModuleSummary& module : other.modules) {
    if (module.type != "Linear") continue;
    TrainedShare share;
    share.trains = true;
    all.emplace_back(module.name, share);
  }
  std::int64_t most = 0;
  for (const Stage& stage : other.cost->of(std::move(pass), all).stages)
    most = std::max(most, stage.kept);
  return most;
}

Result<JudgeBytes> judge_bytes(const ModelSummary& model, const Recipe& recipe,
                               const Objective& objective, const BatchShape& batch,
                               const StepTerms& terms) {
  JudgeBytes bytes;
  const std::vector<std::string> folders = objective.judging_folders();
  // A teacher of pictures (visual_alignment) looks at them within the loss, whose cost says so.
  const bool looks = objective.reads_pixels();
  if (folders.empty() || (batch.drawn_rows == 0 && !looks)) return bytes;
  // As objectives/judges loads them.
  LUTHIER_TRY(const torch::Device device, choose_device(recipe.training.device));
  LUTHIER_TRY(const torch::ScalarType dtype, choose_dtype("auto", device));
  StepTerms own = terms;
  own.element = dtype == torch::kBFloat16 ? 2 : 4;
  own.recorded = false;
  for (const std::string& folder : folders) {
    const std::int64_t adapter = adapter_numbers(folder);
    const auto whole = adapter > 0 ? Result<ModelSummary>(model) : summarize_model(folder);
    if (!whole) continue;
    LUTHIER_TRY(const auto parts, bytes_by_part(*whole, own.element, Json()));
    for (const auto& [name, size] : parts) bytes.weights += size;
    if (looks) continue;
    bytes.weights += 4 * adapter + own.element * whole->geometry.hidden_size;
    bytes.pass =
        std::max(bytes.pass, height_of_pass(*whole, lay_out(looked_at(batch), own, objective)));
  }
  return bytes;
}

}  // namespace luthier
