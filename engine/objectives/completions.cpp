// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/completions.h"

#include <algorithm>
#include <cmath>

namespace luthier {

std::string where_of(const EncodedRow& row) {
  return row.written ? row.written->where : "rollouts";
}

bool has_ended(const LoadedModel& base, const RowSample& sample) {
  const TokenId last = sample.ids.back();
  const SpecialTokens& special = base.processor->tokenizer().special();
  return std::find(base.eos_ids.begin(), base.eos_ids.end(), last) != base.eos_ids.end() ||
         last == special.eos || last == special.pad;
}

bool holds_end(const LoadedModel& base, const RowSample& sample) {
  return std::any_of(sample.ids.begin(), sample.ids.end(), [&](TokenId id) {
    return std::find(base.eos_ids.begin(), base.eos_ids.end(), id) != base.eos_ids.end();
  });
}

double sum_of_rewards(const RowSample& sample) {
  double sum = 0, count = 0;
  for (const double reward : sample.rewards)
    if (!std::isnan(reward)) sum += reward, ++count;
  return count > 0 ? sum : std::nan("");
}

Status check_completions(const LoadedModel& base, const EncodedRow& row) {
  const std::int64_t vocabulary = base.model->head()->out_features();
  if (row.samples.empty())
    return input_error("The row has no samples.", where_of(row) + ": completion_ids");
  for (const RowSample& sample : row.samples)
    for (const TokenId id : sample.ids)
      if (id >= vocabulary)
        return input_error("A sample holds the token " + std::to_string(id) +
                               ", and the model has " + std::to_string(vocabulary) + ".",
                           where_of(row) + ": completion_ids",
                           "Samples must be of a model with this tokenizer.");
  return {};
}

Status check_completions(const LoadedModel& base, const Generation& generation) {
  for (const EncodedRow& row : generation.rows.encoded) LUTHIER_CHECK(check_completions(base, row));
  return {};
}

void tell_completions(const LoadedModel& base, Generation& generation) {
  double sum = 0, least = 0, most = 0, cut = 0, count = 0;
  for (const EncodedRow& row : generation.rows.encoded) {
    for (const RowSample& sample : row.samples) {
      const auto length = static_cast<double>(sample.ids.size());
      least = count == 0 ? length : std::min(least, length);
      most = std::max(most, length);
      sum += length;
      cut += has_ended(base, sample) ? 0 : 1;
      ++count;
    }
  }
  generation.figures["completions/mean_length"] = sum / count;
  generation.figures["completions/min_length"] = least;
  generation.figures["completions/max_length"] = most;
  generation.figures["completions/clipped_ratio"] = cut / count;
}

}  // namespace luthier
