// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/score_head.h"

#include <ATen/CPUGeneratorImpl.h>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/hub/folder_kind.h"
#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_parameter.h"

namespace luthier {

namespace {

constexpr const char* kScoreWeight = "score.weight";

struct OpenedScores {
  CheckpointFiles files;
  std::map<std::string, std::string> names;

  std::int64_t numbers() const {
    const auto found = names.find(kScoreWeight);
    if (found == names.end()) return 0;
    const std::vector<std::int64_t>& shape = files.tensors().at(found->second).shape;
    return shape.empty() ? 0 : shape.front();
  }
};

Result<OpenedScores> open_scores(const std::filesystem::path& folder, const Json& config,
                                 const Family& family, const Model& shapes) {
  LUTHIER_TRY(CheckpointFiles files, open_weights(folder, config, family, shapes));
  LUTHIER_TRY(auto names, stored_names(family, files, PackingPlan{}, folder.string()));
  return OpenedScores{std::move(files), {names.begin(), names.end()}};
}

Status draw_head(LinearImpl& head, const LoadedModel& loaded, std::uint64_t seed) {
  LUTHIER_TRY(const Plan plan, loaded.family->read(loaded.config, loaded.folder));
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const torch::Tensor drawn =
      torch::empty({head.out_features(), head.in_features()}, torch::kFloat32)
          .normal_(0, plan.initializer_range, generator);
  head.weight.slot().copy_(drawn);
  if (head.bias.defined()) head.bias.zero_();
  return {};
}

/// The checkpoint's own head, where it has one of this size → whether it has.
Result<bool> read_own_head(LinearImpl& head, const LoadedModel& loaded) {
  if (loaded.drawn) return false;
  LUTHIER_TRY(const OpenedScores opened,
              open_scores(loaded.folder, loaded.config, *loaded.family, *loaded.model));
  const std::int64_t there = opened.numbers();
  if (there == 0) return false;
  if (there != head.out_features()) {
    log_warning(loaded.folder.string() + ": its score head gives " + std::to_string(there) +
                " numbers where " + std::to_string(head.out_features()) +
                " are needed, so a new one is drawn.");
    return false;
  }
  for (const auto& item : head.named_parameters()) {
    const std::string name = std::string(kScoreHead) + "." + item.key();
    LUTHIER_TRY(
        const StoredParameter stored,
        StoredParameter::find({*loaded.family, opened.files, opened.names, loaded.folder.string()},
                              name, item.value().sizes()));
    LUTHIER_CHECK(stored.read(item.value()));
  }
  LUTHIER_CHECK(opened.files.check_unchanged());
  return true;
}

}  // namespace

Linear score_head(const Model& model) {
  for (const auto& item : model.named_children())
    if (item.key() == kScoreHead)
      return Linear(std::dynamic_pointer_cast<LinearImpl>(item.value()));
  return nullptr;
}

bool is_of_score_head(std::string_view name) {
  return name == kScoreHead || name.starts_with(std::string(kScoreHead) + ".");
}

Status set_score_head(LoadedModel& loaded, std::int64_t numbers, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  Model& model = *loaded.model;
  if (score_head(model)) model.unregister_module(kScoreHead);
  if (numbers == 0) return {};
  const std::int64_t width = model.geometry().hidden_size;
  const auto tensors = torch::TensorOptions().device(model.device()).dtype(model.dtype());
  Linear head(width, numbers, /*bias=*/numbers > 1, tensors);
  LUTHIER_TRY(const bool there, read_own_head(*head, loaded));
  if (!there) LUTHIER_CHECK(draw_head(*head, loaded, seed));
  model.register_module(kScoreHead, head.ptr());
  return {};
}

ScoreHeadWhile::~ScoreHeadWhile() {
  if (score_head(*loaded_.model)) loaded_.model->unregister_module(kScoreHead);
}

Result<std::int64_t> stored_score_numbers(const std::filesystem::path& folder) try {
  LUTHIER_CHECK(check_model_folder(folder));
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(folder / "config.json"));
  LUTHIER_TRY(const Family* family, find_family(config, where));
  LUTHIER_TRY(const Plan plan, family->read(config, folder));
  const auto shapes = plan.made(torch::TensorOptions().device(torch::kMeta));
  LUTHIER_TRY(const OpenedScores opened, open_scores(folder, config, *family, *shapes));
  return opened.numbers();
} catch (const std::exception& problem) {
  return input_error("The model cannot be described: " + first_line(problem.what()),
                     folder.string());
}

}  // namespace luthier
