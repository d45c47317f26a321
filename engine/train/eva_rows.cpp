// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/eva_rows.h"

#include <algorithm>

#include "engine/train/row_check.h"

namespace luthier {

namespace {

/// The rows of a micro-batch of the first epoch. One with a broken picture is left out where the
/// recipe says so.
Result<MicroBatch> read_batch(const RowReader& reader, const std::vector<std::int64_t>& rows) {
  MicroBatch batch;
  for (const std::int64_t row : rows) {
    RowFault fault = RowFault::BadRow;
    auto encoded = reader.read(row, 0, &fault);
    if (!encoded && reader.skip_broken && is_picture_fault(fault)) continue;
    if (!encoded) return encoded.error();
    batch.rows.push_back(row);
    batch.encoded.push_back(encoded.take());
    batch.cached.emplace_back();
  }
  return batch;
}

/// Each token of a text by itself is what the start tells apart.
Status check_eva_model(LoadedModel& base) {
  if (base.model->output_head() && (base.model->causal() || base.model->encoder())) return {};
  return input_error("eva's start is not made for a model without a head, or of two texts.",
                     "adapter.init_lora_weights", "Start otherwise.");
}

}  // namespace

RowReader row_reader(const Recipe& recipe, const LoadedModel& base, const Objective& objective) {
  RowReader reader;
  reader.processor = base.processor;
  reader.kind = &objective.row_kind();
  reader.seed = static_cast<std::uint64_t>(recipe.training.seed);
  reader.loss_on = loss_on_from_name(recipe.training.loss_on);
  reader.max_length = recipe.training.max_length;
  reader.skip_broken = recipe.image.on_error == "skip";
  return reader;
}

Result<std::shared_ptr<Adapter>> adapter_by_rows(LoadedModel& base, const Recipe& recipe,
                                                 const RowReader& reader,
                                                 const std::vector<std::int64_t>& usable,
                                                 const std::function<bool(std::int64_t)>& done) {
  if (!starts_by_eva(recipe.strategy, recipe.adapter)) return std::shared_ptr<Adapter>();
  LUTHIER_CHECK(check_eva_model(base));
  const TrainingSettings& training = recipe.training;
  const auto progress = [&](std::size_t, std::size_t) { return !done || done(0); };
  LUTHIER_TRY(const auto rule, make_row_order(recipe, reader, usable, progress));
  LUTHIER_TRY(
      const StepPlan plan,
      plan_steps(rule ? rule->places() : static_cast<std::int64_t>(usable.size()), training));
  std::vector<std::int64_t> order;
  if (rule) {
    for (const PlacedRow& placed : rule->epoch(plan, /*epoch=*/0)) order.push_back(placed.row);
  } else {
    order = epoch_order(plan.rows, training.seed, /*epoch=*/0, training.shuffle);
  }
  const BatchMaker maker(base, /*tower_fixed=*/false, nullptr);
  std::int64_t passes = 0;
  EvaBatches batches;
  batches.count = plan.batches_per_epoch;
  batches.pass = [&](std::int64_t number, const EvaBatches::Told& told) -> Status {
    if (done && !done(passes++)) return interrupted_error();
    std::vector<std::int64_t> rows;
    const std::int64_t first = number * plan.batch_size,
                       last = std::min(plan.rows, first + plan.batch_size);
    for (std::int64_t i = first; i < last; ++i)
      rows.push_back(usable[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
    LUTHIER_TRY(const MicroBatch batch, read_batch(reader, rows));
    if (batch.empty()) return {};
    const Batch made = maker.make(batch, reader.kind->order(), BatchMaker::Pass::Evaluation);
    const torch::Tensor labels =
        made.input.labels.defined() ? made.input.labels : torch::zeros_like(made.input.input_ids);
    told(eva_tokens(labels, recipe.adapter));
    const torch::Tensor states = states_before_head(*base.model, made.input);
    if (base.model->output_head()->plug) base.model->output_head()->forward(states);
    return {};
  };
  return create_eva_adapter(base, recipe.adapter, static_cast<std::uint64_t>(training.seed),
                            batches);
}

Result<std::shared_ptr<Adapter>> adapter_by_rows(LoadedModel& base, const Recipe& recipe,
                                                 const std::function<bool(std::int64_t)>& done) {
  if (!starts_by_eva(recipe.strategy, recipe.adapter)) return std::shared_ptr<Adapter>();
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_CHECK(objective->fits(base));
  RowReader reader = row_reader(recipe, base, *objective);
  LUTHIER_TRY(reader.dataset, open_training_data(recipe));
  LUTHIER_TRY(const UsableRows rows,
              check_rows(reader, recipe.image.on_error, "dataset",
                         [&](std::size_t, std::size_t) { return !done || done(0); }));
  return adapter_by_rows(base, recipe, reader, rows.rows, done);
}

}  // namespace luthier
