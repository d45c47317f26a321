// SPDX-License-Identifier: GPL-3.0-or-later
// The same pieces as a run: its rows, its batch, its objective, its gradients.
#include "engine/train/row_loss.h"

#include <numeric>

#include "engine/data/columns.h"
#include "engine/models/score_head.h"
#include "engine/models/stored_tensor.h"
#include "engine/train/asked_rows.h"
#include "engine/train/companion.h"
#include "engine/train/eva_rows.h"
#include "engine/train/step_runner.h"

namespace luthier {

namespace {

/// All rows as one micro-batch or, where samples are learned from, as one generation of one.
Result<Window> window_of(const RowReader& reader, bool generation) {
  Window window;
  window.batches.emplace_back();
  if (generation) window.generations.push_back({0, {}});
  MicroBatch& batch = generation ? window.generations.front().rows : window.batches.front();
  for (std::size_t row = 0; row < reader.dataset->size(); ++row) {
    LUTHIER_TRY(EncodedRow encoded, reader.read(static_cast<std::int64_t>(row)));
    batch.rows.push_back(static_cast<std::int64_t>(row));
    batch.encoded.push_back(std::move(encoded));
    batch.cached.emplace_back();
  }
  return window;
}

/// An adapter whose start goes by rows: by all of these at once.
Result<std::shared_ptr<Adapter>> made_by_all(LoadedModel& base, Recipe recipe,
                                             const RowReader& reader,
                                             const std::vector<std::int64_t>& rows) {
  recipe.training.per_device_train_batch_size = static_cast<std::int64_t>(rows.size());
  recipe.training.shuffle = false;
  return adapter_by_rows(base, recipe, reader, rows);
}

/// "grad.KEY", and "value_grad.KEY" of a value model.
std::string name_of_gradient(const std::string& name, const Companion* companion) {
  if (!companion || !name.starts_with(companion->plan.prefix())) return "grad." + name;
  return companion->plan.gradients + name.substr(companion->plan.prefix().size());
}

torch::Tensor one(double value) { return torch::full({1}, value, torch::kFloat32); }

}  // namespace

Result<NamedTensors> loss_of_rows(LoadedModel& base, const Recipe& recipe,
                                  const std::filesystem::path& file) {
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_CHECK(objective->fits(base));
  objective->take_rows_as_written();
  const ScoreHeadWhile head(base);
  LUTHIER_CHECK(set_score_head(base, objective->score_numbers(),
                               static_cast<std::uint64_t>(recipe.training.seed)));
  RowReader reader = row_reader(recipe, base, *objective);
  reader.skip_broken = false;
  const bool generation = static_cast<bool>(objective->generations());
  if (generation) reader.kind = &rollout_rows();
  LUTHIER_TRY(reader.dataset, open_rows(recipe, {file}));
  LUTHIER_TRY(Window window, window_of(reader, generation));
  std::vector<std::int64_t> rows(reader.dataset->size());
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  LUTHIER_TRY(auto made, made_by_all(base, recipe, reader, rows));
  LUTHIER_TRY(Trainables trainables, apply_strategy(base, recipe, {}, std::move(made)));
  LUTHIER_CHECK(add_companion(trainables, base, recipe, *objective));
  if (const std::string asked = objective->asked_file(); !asked.empty()) {
    AskedAbout about = asked_about(recipe, base, reader, rows, {}, {});
    LUTHIER_CHECK(objective->read_asked(asked, about));
  }
  LUTHIER_TRY(auto reference,
              make_reference(base, recipe, *objective, trainables.adapter != nullptr));
  StepRunner runner(base, *objective, trainables, nullptr, std::move(reference));
  runner.keep_rows();
  LUTHIER_TRY(const WindowOutcome outcome, runner.accumulate(window, reader.seed, 0));
  const Batch batch = runner.policy().batch(window.batches.front(), objective->row_kind().order(),
                                            BatchMaker::Pass::Training);
  NamedTensors tensors = objective->shown(runner.policy(), batch);
  tensors.emplace_back("loss", one(outcome.loss));
  for (const TrainedTensor& trained : trainables.tensors) {
    const torch::Tensor& gradient = trained.tensor.grad();
    const torch::Tensor known = gradient.defined()
                                    ? gradient.to(torch::kFloat32)
                                    : torch::zeros(trained.tensor.sizes(), torch::kFloat32);
    tensors.emplace_back(name_of_gradient(trained.name, trainables.companion.get()),
                         as_stored(*base.family, trained.name, known));
  }
  for (const auto& [name, value] : outcome.figures.means())
    tensors.emplace_back("metric." + name, one(value));
  if (trainables.adapter) trainables.adapter->deactivate();
  for (torch::Tensor& tensor : base.model->parameters()) {
    tensor.mutable_grad().reset();
    tensor.requires_grad_(false);
  }
  return tensors;
}

}  // namespace luthier
