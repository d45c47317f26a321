// SPDX-License-Identifier: GPL-3.0-or-later
// The parts put together, the decision about checkpointing, and what to change when it will not
// fit.
#include "engine/forecast/forecast.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

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

struct Estimate {
  MemoryParts parts;
  std::vector<std::pair<std::string, std::int64_t>> weights_by_part;
};

/// What a fixed tower gave for each row's pictures, which the run keeps in the machine's memory
/// (train/row_cache) within the bounds that it sets itself.
std::int64_t kept_features(const ModelSummary& model, const BatchShape& batch,
                           const std::vector<TrainedModule>& trained, const TensorSizes& sizes,
                           std::int64_t weights) {
  if (!sizes.cpu || batch.visited_rows == 0) return 0;
  const bool fixed = std::none_of(trained.begin(), trained.end(), [](const TrainedModule& each) {
    return each.module->part == "vision_tower";
  });
  if (!fixed) return 0;
  const std::int64_t of_a_row = feature_numbers(model.geometry, batch.visited) / batch.visited_rows;
  const std::int64_t free = available_memory(torch::kCPU) + memory_use(torch::kCPU).allocated;
  return std::min(batch.visited_rows * sizes.block(of_a_row),
                  most_kept_features(std::max<std::int64_t>(0, free - weights)));
}

Result<Estimate> estimate(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch,
                          const TensorSizes& sizes) {
  LUTHIER_TRY(const std::vector<TrainedModule> trained, list_trained(model, recipe));
  const bool plugs = method_kind(recipe.strategy).hangs_adapter();
  std::int64_t parameters = 0, reached = 0, adapter = 0;
  for (const TrainedModule& each : trained) {
    parameters += each.parameters;
    if (!never_reached(*each.module, model.geometry)) reached += each.parameters;
    adapter += each.parameters * (each.plugged ? 4 : sizes.element);
  }
  Estimate result;
  MemoryParts& parts = result.parts;
  for (const auto& [name, count] : model.parts) {
    result.weights_by_part.emplace_back(name, count * sizes.element);
    parts.weights += count * sizes.element;
  }
  parts.adapter = plugs ? adapter : 0;
  parts.gradients = reached * (plugs ? 4 : sizes.element);
  parts.optimizer = reached * 8;
  const StepBytes step = step_bytes(model, recipe, batch, trained, sizes, parts.gradients);
  parts.activations = step.kept + kept_features(model, batch, trained, sizes, parts.weights);
  parts.workspace = step.workspace;
  return result;
}

std::string size_text(std::int64_t bytes) {
  char text[32];
  if (bytes >= (1 << 30))
    std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  else
    std::snprintf(text, sizeof text, "%.0f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

/// Single changes that would lower the total, the most effective first.
std::vector<std::string> advise(const ModelSummary& model, const Recipe& recipe,
                                const BatchShape& batch, const TensorSizes& sizes,
                                std::int64_t total) {
  std::vector<std::pair<std::int64_t, std::string>> options;
  const auto consider = [&](const std::string& what, const Recipe& changed, const BatchShape& shape,
                            const TensorSizes& tensors) {
    const auto made = estimate(model, changed, shape, tensors);
    if (made && made->parts.total() < total * 97 / 100)
      options.emplace_back(made->parts.total(), what + ": " + size_text(made->parts.total()));
  };
  if (!sizes.checkpointing) {
    TensorSizes changed = sizes;
    changed.checkpointing = true;
    consider("training.gradient_checkpointing: true", recipe, batch, changed);
  }
  if (batch.batch_size > 1) {
    BatchShape smaller = batch;
    smaller.batch_size = 1;
    smaller.lengths.clear();
    smaller.visited_rows = batch.visited_rows, smaller.visited = batch.visited;
    PictureLoad& pictures = smaller.pictures;
    for (std::int64_t* part : {&smaller.tokens, &smaller.labels, &pictures.images, &pictures.frames,
                               &pictures.patches, &pictures.numbers, &pictures.tokens}) {
      *part = (*part + batch.batch_size - 1) / batch.batch_size;
    }
    consider("training.per_device_train_batch_size: 1 (with gradient_accumulation_steps " +
                 std::to_string(recipe.training.gradient_accumulation_steps * batch.batch_size) +
                 ")",
             recipe, smaller, sizes);
  }
  if (const std::int64_t row = batch.tokens / std::max<std::int64_t>(1, batch.batch_size);
      row > 256) {
    BatchShape shorter = batch;  // never inside the pictures
    const std::int64_t length = std::max<std::int64_t>(
        row / 2, batch.pictures.tokens / std::max<std::int64_t>(1, batch.batch_size) + 64);
    shorter.tokens = length * batch.batch_size;
    shorter.lengths.clear();
    shorter.labels = std::min(batch.labels, shorter.tokens);
    if (length < row)
      consider("training.max_length: " + std::to_string(length), recipe, shorter, sizes);
  }
  if (sizes.element == 4) {
    TensorSizes changed = sizes;
    changed.element = 2;
    consider("training.dtype: bfloat16", recipe, batch, changed);
  }
  Recipe changed = recipe;
  if (!method_kind(recipe.strategy).hangs_adapter()) {
    const auto hangs = [](const MethodKind& kind) { return kind.hangs_adapter(); };
    const auto first = std::find_if(method_kinds().begin(), method_kinds().end(), hangs);
    changed.strategy = first->name;
    consider("strategy: " + changed.strategy, changed, batch, sizes);
  }
  if (has_setting(recipe, "adapter.r")) {
    changed.adapter.r = std::max<std::int64_t>(1, recipe.adapter.r / 4);
    consider("adapter.r: " + std::to_string(changed.adapter.r), changed, batch, sizes);
  }
  if (has_setting(recipe, "adapter.exclude_modules") &&
      recipe.adapter.exclude_modules.kind == ModuleSelector::Kind::None) {
    changed = recipe;
    changed.adapter.exclude_modules = {ModuleSelector::Kind::Regex, {}, ".*vision_tower.*"};
    consider("adapter.exclude_modules: '.*vision_tower.*'", changed, batch, sizes);
  }
  std::sort(options.begin(), options.end());
  std::vector<std::string> advice;
  for (const auto& [bytes, text] : options) advice.push_back(text);
  return advice;
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
  TensorSizes sizes{dtype == torch::kBFloat16 ? 2 : 4,
                    recipe.training.gradient_checkpointing == "true", device.is_cpu()};
  LUTHIER_TRY(Estimate made, estimate(model, recipe, batch, sizes));
  if (recipe.training.gradient_checkpointing == "auto" &&
      made.parts.total() > forecast.available / 10 * 8) {
    sizes.checkpointing = true;
    LUTHIER_TRY(made, estimate(model, recipe, batch, sizes));
  }
  forecast.parts = made.parts;
  forecast.weights_by_part = std::move(made.weights_by_part);
  forecast.gradient_checkpointing = sizes.checkpointing;
  if (!forecast.fits())
    forecast.advice = advise(model, recipe, batch, sizes, forecast.parts.total());
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

PictureLoad& PictureLoad::operator+=(const PictureLoad& other) {
  images += other.images, frames += other.frames, patches += other.patches,
      numbers += other.numbers, tokens += other.tokens;
  return *this;
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
