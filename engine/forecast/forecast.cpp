// SPDX-License-Identifier: GPL-3.0-or-later
// The parts put together, the decision about checkpointing, and what the data's rows come to.
#include "engine/forecast/forecast.h"

#include <algorithm>
#include <cmath>

#include "engine/config/kinds.h"
#include "engine/data/dataset.h"
#include "engine/data/processor.h"
#include "engine/device/memory.h"
#include "engine/forecast/trained.h"
#include "engine/methods/adapter.h"
#include "engine/models/vlm.h"
#include "engine/train/row_cache.h"

namespace luthier {
namespace {

/// What a fixed tower gave for each row's pictures, which the run keeps in the machine's memory
/// (train/row_cache) within the bounds that it sets itself.
std::int64_t kept_features(const ModelSummary& model, const BatchShape& batch,
                           const std::vector<TrainedModule>& trained, const StepTerms& terms,
                           std::int64_t weights) {
  if (!terms.cpu || batch.visited_rows == 0 || !model.cost) return 0;
  const bool fixed = std::none_of(trained.begin(), trained.end(), [](const TrainedModule& each) {
    return each.module->part == "vision_tower";
  });
  if (!fixed) return 0;
  const std::int64_t of_a_row = model.cost->feature_numbers(batch.visited) / batch.visited_rows;
  const std::int64_t free = available_memory(torch::kCPU) + memory_use(torch::kCPU).allocated;
  return std::min(batch.visited_rows * terms.block(of_a_row),
                  most_kept_features(std::max<std::int64_t>(0, free - weights)));
}

/// From the outlines: rows of [patches, numbers] are patches, rows of [frames, 3, height, width]
/// frames.
PictureLoad picture_load(const Example& example, TokenId image_token) {
  PictureLoad load;
  load.images = static_cast<std::int64_t>(example.images.size());
  for (const PixelValues& image : example.images) {
    if (image.shape.empty()) continue;
    (image.shape.size() == 2 ? load.patches : load.frames) += image.shape.front();
    std::int64_t numbers = 1;
    for (const std::int64_t side : image.shape) numbers *= side;
    load.numbers += numbers;
  }
  load.tokens = std::count(example.input_ids.begin(), example.input_ids.end(), image_token);
  return load;
}

}  // namespace

Result<Estimate> estimate(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch,
                          const StepTerms& asked) {
  LUTHIER_TRY(const std::vector<TrainedModule> trained, list_trained(model, recipe));
  const bool plugs = method_kind(recipe.strategy).hangs_adapter();
  StepTerms terms = asked;
  terms.gradient_element = plugs ? 4 : terms.element;
  std::int64_t parameters = 0, adapter = 0;
  for (const TrainedModule& each : trained) {
    parameters += each.share.parameters;
    adapter += each.share.parameters * (!each.share.whole ? 4 : terms.element);
  }
  PassCost cost;
  LossCost loss;
  if (model.cost) {
    const Pass pass = lay_out(batch, terms);
    cost = model.cost->of(pass, shares(trained));
    loss = cross_entropy_cost(pass, cost.head);
  }
  const std::int64_t reached = parameters - cost.unreached;
  Estimate result;
  MemoryParts& parts = result.parts;
  for (const auto& [name, count] : model.parts) {
    result.weights_by_part.emplace_back(name, count * terms.element);
    parts.weights += count * terms.element;
  }
  parts.adapter = plugs ? adapter : 0;
  parts.gradients = reached * terms.gradient_element;
  // Where no gradient arrives there is no state either.
  const double arrived =
      static_cast<double>(reached) / static_cast<double>(std::max<std::int64_t>(1, parameters));
  parts.optimizer = std::llround(static_cast<double>(optimizer_bytes(trained, recipe)) * arrived);
  const std::int64_t standing =
      recipe.training.gradient_accumulation_steps > 1 ? parts.gradients : 0;
  const StepBytes step = peak_of(cost, loss, parts.gradients, standing,
                                 terms.gradient_element < 4 ? loss.gradient : 0);
  parts.activations = step.kept + kept_features(model, batch, trained, terms, parts.weights);
  parts.workspace = step.workspace;
  return result;
}

Result<MemoryForecast> forecast_memory(const ModelSummary& model, const Recipe& asked,
                                       const BatchShape& batch) {
  Recipe recipe = asked;
  LUTHIER_TRY(recipe.adapter, settings_to_train(asked));
  LUTHIER_TRY(const torch::Device device, choose_device(recipe.training.device));
  LUTHIER_TRY(const torch::ScalarType dtype, choose_dtype(recipe.training.dtype, device));
  MemoryForecast forecast;
  forecast.device = device.str();
  forecast.dtype = dtype == torch::kBFloat16 ? "bfloat16" : "float32";
  forecast.batch_tokens = batch.tokens;
  // What this process's tensors hold is taken over by the run (a loaded model) or given back before
  // it.
  forecast.available = available_memory(device) + memory_use(device).allocated;
  StepTerms terms;
  terms.element = dtype == torch::kBFloat16 ? 2 : 4;
  terms.checkpointing = recipe.training.gradient_checkpointing == "true";
  terms.cpu = device.is_cpu();
  LUTHIER_TRY(Estimate made, estimate(model, recipe, batch, terms));
  if (recipe.training.gradient_checkpointing == "auto" &&
      made.parts.total() > forecast.available / 10 * 8) {
    terms.checkpointing = true;
    LUTHIER_TRY(made, estimate(model, recipe, batch, terms));
  }
  forecast.parts = made.parts;
  forecast.weights_by_part = std::move(made.weights_by_part);
  forecast.gradient_checkpointing = terms.checkpointing;
  if (!forecast.fits())
    forecast.advice = advise(model, recipe, batch, terms, forecast.parts.total());
  return forecast;
}

Json to_json(const MemoryForecast& forecast) {
  const MemoryParts& parts = forecast.parts;
  Json weights = Json::object();
  for (const auto& [name, bytes] : forecast.weights_by_part) weights[name] = bytes;
  return {{"parts",
           {{"weights", parts.weights},
            {"adapter", parts.adapter},
            {"gradients", parts.gradients},
            {"optimizer", parts.optimizer},
            {"activations", parts.activations},
            {"workspace", parts.workspace}}},
          {"total", parts.total()},
          {"available", forecast.available},
          {"fits", forecast.fits()},
          {"device", forecast.device},
          {"dtype", forecast.dtype},
          {"gradient_checkpointing", forecast.gradient_checkpointing},
          {"batch_tokens", forecast.batch_tokens},
          {"weights_by_part", weights},
          {"advice", forecast.advice}};
}

Result<std::vector<RowShape>> measure_rows(
    const Dataset& dataset, const ChatProcessor& processor, const std::string& loss_on,
    std::size_t max_rows, const std::function<bool(std::size_t, std::size_t)>& go_on) {
  const LossOn counted = loss_on == "assistant" ? LossOn::Assistant
                         : loss_on == "all"     ? LossOn::All
                                                : LossOn::Completion;
  std::vector<RowShape> rows;
  const std::size_t total = dataset.size(),
                    stride = std::max<std::size_t>(
                        1, (total + max_rows - 1) / std::max<std::size_t>(1, max_rows));
  for (std::size_t row = 0; row < total; row += stride) {
    if (go_on && !go_on(row, total)) return interrupted_error();
    const auto conversation = dataset.read(row);
    if (!conversation) continue;
    const auto example = processor.measure_training(*conversation, counted, 0, dataset.where(row));
    if (!example) continue;
    RowShape shape{row, static_cast<std::int64_t>(example->input_ids.size()), 0,
                   picture_load(*example, processor.image_token_id()),
                   static_cast<std::int64_t>(std::min(stride, total - row))};
    shape.labels = std::count_if(example->labels.begin(), example->labels.end(),
                                 [](std::int64_t label) { return label != kIgnoreLabel; });
    rows.push_back(shape);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const RowShape& a, const RowShape& b) { return a.tokens > b.tokens; });
  return rows;
}

Result<BatchShape> batch_shape(const std::vector<RowShape>& rows, const Recipe& recipe) {
  if (rows.empty())
    return input_error("No row of the data can be read.", "dataset",
                       "`luthier-cli data check` says what is wrong with each.");
  BatchShape shape;
  shape.batch_size = std::min<std::int64_t>(recipe.training.per_device_train_batch_size,
                                            static_cast<std::int64_t>(rows.size()));
  const TrainingSettings& training = recipe.training;
  const std::int64_t most = training.max_length > 0 ? training.max_length : rows[0].tokens;
  for (std::size_t i = 0; i < static_cast<std::size_t>(shape.batch_size); ++i) {
    shape.tokens += std::min(rows[i].tokens, most);
    shape.labels += std::min(rows[i].labels, most);
    shape.lengths.push_back(std::min(rows[i].tokens, most));
    shape.pictures += rows[i].pictures;
  }
  // Every row is seen once before any is seen again, in an order that knows no size.
  double rows_in_all = 0;
  PictureLoad all;
  for (const RowShape& row : rows) {
    rows_in_all += static_cast<double>(row.stands_for);
    for (std::int64_t i = 0; i < row.stands_for; ++i) all += row.pictures;
  }
  double share = training.num_train_epochs;
  if (training.max_steps > 0) {
    share = static_cast<double>(training.max_steps) *
            static_cast<double>(training.per_device_train_batch_size) *
            static_cast<double>(training.gradient_accumulation_steps) / rows_in_all;
  }
  share = std::min(1.0, share);
  const auto part = [share](auto count) {
    return static_cast<std::int64_t>(std::llround(share * static_cast<double>(count)));
  };
  shape.visited_rows = part(rows_in_all);
  shape.visited = {part(all.images), part(all.frames), part(all.patches), part(all.numbers),
                   part(all.tokens)};
  return shape;
}

}  // namespace luthier
