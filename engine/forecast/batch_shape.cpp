// SPDX-License-Identifier: GPL-3.0-or-later
// Rows measured by the texts and the pictures' sizes alone, and the largest micro-batch that they
// can come to.
#include <algorithm>
#include <map>

#include "engine/batches/order.h"
#include "engine/batches/shared_beginnings.h"
#include "engine/config/order_fields.h"
#include "engine/data/dataset.h"
#include "engine/data/processor.h"
#include "engine/data/whole_row.h"
#include "engine/forecast/forecast.h"
#include "engine/forecast/sampled_shape.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

/// From the outlines: rows of [patches, numbers] are patches, rows of [frames, 3, height, width]
/// frames; where all numbers lie flat the grid tells tiles and whole.
PictureLoad picture_load(const Example& example, const ChatProcessor& processor) {
  PictureLoad load;
  load.images = static_cast<std::int64_t>(example.images.size());
  for (const PixelValues& image : example.images) {
    if (image.shape.empty()) continue;
    if (image.shape.size() == 1) {
      const std::int64_t tiles = image.grid.at(0) * image.grid.at(1);
      load.frames += tiles + 1;
      load.tile_numbers += 3 * tiles * image.grid.at(2) * image.grid.at(2);
    } else {
      (image.shape.size() == 2 ? load.patches : load.frames) += image.shape.front();
    }
    std::int64_t numbers = 1;
    for (const std::int64_t side : image.shape) numbers *= side;
    load.numbers += numbers;
  }
  for (const auto* ids : {&example.input_ids, &example.source_ids})
    load.tokens += std::count_if(ids->begin(), ids->end(),
                                 [&processor](TokenId id) { return processor.shows(id); });
  return load;
}

}  // namespace

Result<std::vector<RowShape>> measure_rows(
    const Dataset& dataset, const ChatProcessor& processor, const Recipe& recipe,
    std::size_t max_rows, const std::function<bool(std::size_t, std::size_t)>& go_on) {
  RowEncoding how;
  how.loss_on = loss_on_from_name(recipe.training.loss_on);
  how.outline = true;
  const RowKind& kind = row_kind_of(recipe);
  std::vector<RowShape> rows;
  const std::size_t total = dataset.size(),
                    stride = std::max<std::size_t>(
                        1, (total + max_rows - 1) / std::max<std::size_t>(1, max_rows));
  for (std::size_t row = 0; row < total; row += stride) {
    if (go_on && !go_on(row, total)) return interrupted_error();
    const auto conversation = read_row(dataset, row, kind);
    if (!conversation) continue;
    const auto encoded = encode_whole(kind, *conversation, processor, how,
                                      recipe.training.max_length, dataset.where(row));
    if (!encoded) continue;
    RowShape shape;
    shape.row = row;
    shape.file = dataset.file_of(row);
    shape.stands_for = static_cast<std::int64_t>(std::min(stride, total - row));
    for (const Example& example : encoded->sequences) {
      shape.lengths.push_back(static_cast<std::int64_t>(example.input_ids.size()));
      shape.tokens += shape.lengths.back();
      if (!example.source_ids.empty()) {
        shape.source_lengths.push_back(static_cast<std::int64_t>(example.source_ids.size()));
        shape.tokens += shape.source_lengths.back();
      }
      shape.labels += std::count_if(example.labels.begin(), example.labels.end(),
                                    [](std::int64_t label) { return label != kIgnoreLabel; });
      PictureLoad load = picture_load(example, processor);
      shape.pictures += load;
    }
    shape.beginning = shared_beginning(*encoded, processor);
    rows.push_back(shape);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const RowShape& a, const RowShape& b) { return a.tokens > b.tokens; });
  return rows;
}

namespace {

/// The rows that can come together in so many places, longest first. A mixture goes through a
/// file's rows again and again, each time in another order, so that one may stand at the end of a
/// time and at the beginning of the next; a course draws any row at any place.
std::vector<RowShape> most_together(const std::vector<RowShape>& rows, const Recipe& recipe,
                                    std::int64_t places) {
  if (!order_repeats(recipe)) return rows;
  const bool course = !recipe.more.text("curriculum.by").empty();
  const std::vector<double> weights = mixture_weights(recipe);
  std::map<std::size_t, std::int64_t> in_file;
  for (const RowShape& row : rows) in_file[row.file] += row.stands_for;
  std::vector<RowShape> found;
  for (const RowShape& row : rows) {
    if (row.file < weights.size() && weights[row.file] == 0) continue;  // never comes
    const std::int64_t each = in_file.at(row.file), left = places - std::ssize(found);
    std::int64_t times =
        recipe.training.shuffle && places > 1 ? (places - 2) / each + 2 : (places - 1) / each + 1;
    if (course) times = places;
    for (std::int64_t i = 0; i < std::min(times, left); ++i) found.push_back(row);
  }
  return found.empty() ? rows : found;
}

/// Tokens of a row where those that its sequences begin with go once.
std::int64_t laid_tokens(const RowShape& row) {
  const std::int64_t saved = row.beginning * (std::ssize(row.lengths) - 1);
  return saved > 0 && worth_forking(saved, row.tokens) ? row.tokens - saved : row.tokens;
}

/// Of the first of these.
Result<BatchShape> shape_of_first(const std::vector<RowShape>& measured, const Recipe& recipe) {
  LUTHIER_TRY(const std::unique_ptr<Objective> objective, make_objective(recipe));
  const TrainingSettings& training = recipe.training;
  const GenerationPlan generations = objective->generations();
  const std::int64_t together =
      std::max(rows_at_once(*objective, training),
               generations ? generations.prompts(step_size(training, generations).batch_size) : 0);
  const std::vector<RowShape> rows = most_together(measured, recipe, together);
  BatchShape shape;
  shape.batch_size =
      std::min(rows_at_once(*objective, training), static_cast<std::int64_t>(rows.size()));
  if (generations) shape = sampled_shape(rows, generations, recipe);
  const std::int64_t most = training.max_length > 0 ? training.max_length : rows[0].tokens;
  for (std::size_t i = 0; !generations && i < static_cast<std::size_t>(shape.batch_size); ++i) {
    std::int64_t tokens = 0;
    for (std::size_t j = 0; j < rows[i].lengths.size(); ++j) {
      // What an encoder reads is never cut.
      const std::int64_t read = rows[i].source_lengths.empty() ? 0 : rows[i].source_lengths.at(j);
      if (read > 0) shape.source_lengths.push_back(read);
      shape.lengths.push_back(
          std::min(rows[i].lengths[j], read > 0 ? std::max<std::int64_t>(1, most - read) : most));
      tokens += read + shape.lengths.back();
    }
    shape.beginnings.push_back({std::min(rows[i].beginning, most), std::ssize(rows[i].lengths)});
    shape.tokens += tokens;
    shape.labels += std::min(rows[i].labels, tokens);
    shape.pictures += rows[i].pictures;
  }
  // What a fixed tower gives is kept where rows come again, and then all have come.
  std::int64_t rows_in_all = 0;
  PictureLoad all;
  for (const RowShape& row : measured) {
    rows_in_all += row.stands_for;
    for (std::int64_t i = 0; i < row.stands_for; ++i) all += row.pictures;
  }
  LUTHIER_TRY(const StepPlan plan, plan_steps(rows_in_all, training, generations));
  shape.micro_batches = std::min(plan.accumulation, plan.batches_per_epoch);
  if (plan.total_steps <= plan.steps_per_epoch && !order_repeats(recipe)) return shape;
  shape.visited_rows = rows_in_all;
  shape.visited = all;
  return shape;
}

}  // namespace

Result<BatchShape> batch_shape(const std::vector<RowShape>& rows, const Recipe& recipe) {
  if (rows.empty())
    return input_error("No row of the data can be read.", "dataset",
                       "`luthier-cli data check` says what is wrong with each.");
  LUTHIER_TRY(BatchShape shape, shape_of_first(rows, recipe));
  const bool forks =
      std::all_of(rows.begin(), rows.end(), [](const RowShape& row) { return row.beginning > 0; });
  if (!forks) {  // one of the others is enough for a batch to stay whole
    shape.beginnings.clear();
    return shape;
  }
  std::vector<RowShape> laid = rows;
  std::stable_sort(laid.begin(), laid.end(), [](const RowShape& a, const RowShape& b) {
    return laid_tokens(a) > laid_tokens(b);
  });
  if (laid.front().row == rows.front().row) return shape;
  LUTHIER_TRY(BatchShape other, shape_of_first(laid, recipe));
  shape.others.push_back(std::move(other));
  return shape;
}

}  // namespace luthier
