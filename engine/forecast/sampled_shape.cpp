// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/forecast/sampled_shape.h"

#include <algorithm>

#include "engine/generate/generate.h"

namespace luthier {

BatchShape sampled_shape(const std::vector<RowShape>& rows, const GenerationPlan& plan,
                         const Recipe& recipe) {
  const std::int64_t batch = step_size(recipe.training, plan).batch_size,
                     each = plan.learned > 0 ? plan.learned : plan.samples,
                     size = plan.learned > 0 ? batch * plan.learned : batch,
                     longest = plan.given ? 0 : plan.longest;
  const auto count = static_cast<std::int64_t>(rows.size());
  BatchShape shape;
  shape.batch_size = size;
  for (std::int64_t i = 0; i < size; ++i) {
    const RowShape& row = rows[static_cast<std::size_t>(std::min(i / each, count - 1))];
    // A prompt is measured with an answer of few tokens behind it.
    const std::size_t place =
        static_cast<std::size_t>(i % each) % std::max<std::size_t>(1, row.lengths.size());
    const std::int64_t length = row.lengths.at(place) + (plan.given ? 0 : longest);
    shape.lengths.push_back(length);
    shape.tokens += length;
    shape.labels +=
        plan.given ? row.labels / static_cast<std::int64_t>(row.lengths.size()) + 1 : longest;
  }
  // Whole groups where nothing is shuffled, else any samples of the generation.
  const bool apart = recipe.training.shuffle && plan.learned == 0;
  const std::int64_t shown = apart ? std::min(size, plan.prompts(batch)) : (size + each - 1) / each;
  std::int64_t left = size - shown;  // of the samples, when each prompt has one
  for (std::int64_t i = 0; i < shown; ++i) {
    const RowShape& row = rows[static_cast<std::size_t>(std::min(i, count - 1))];
    if (i < count) shape.pictures += row.pictures;
    // However they are spread, as many prompts as there are go once.
    const std::int64_t more = std::min(each - 1, left);
    left -= more;
    shape.beginnings.push_back({row.beginning, 1 + more});
  }
  if (plan.given) return shape;
  const std::int64_t drawn = plan.drawn > 0 ? plan.drawn : plan.samples;
  shape.drawn_rows = std::min(plan.prompts(batch) * drawn, answers_at_once(drawn)) * plan.caches;
  shape.drawn_answers = plan.prompts(batch) * plan.samples;
  shape.drawn_length = rows.front().lengths.front() + longest;
  shape.drawn_pictures = rows.front().pictures;
  return shape;
}

std::int64_t drawing_bytes(const ModelSummary& model, const BatchShape& batch,
                           std::int64_t element) {
  const ModelGeometry& geometry = model.geometry;
  return batch.drawn_rows * batch.drawn_length * geometry.num_hidden_layers * 2 *
         geometry.num_key_value_heads * geometry.head_dim * element;
}

}  // namespace luthier
