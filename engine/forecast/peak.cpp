// SPDX-License-Identifier: GPL-3.0-or-later
// The sums. The loss is made while everything is kept; then the backward goes through the stages
// from the last to the first, what is kept shrinks, and gradients grow.
#include <algorithm>
#include <numeric>

#include "engine/batches/filler.h"
#include "engine/batches/filler_rows.h"
#include "engine/batches/parts.h"
#include "engine/batches/shared_beginnings.h"
#include "engine/forecast/trained.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

std::int64_t sum_of(const std::vector<std::int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

/// As batches/shared_beginnings lays sequences out: `lengths` become those of the rows, and of each
/// the row that it goes on from is returned; nothing where it does not.
std::vector<std::int64_t> fork_rows(const std::vector<AlikeBeginning>& beginnings,
                                    std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> rows, forks, trunks, of_forks;
  std::int64_t saved = 0;
  std::size_t sequence = 0;
  for (const AlikeBeginning& each : beginnings) {
    if (each.tokens == 0) return {};
    rows.push_back(each.tokens);
    trunks.push_back(-1);
    saved += each.tokens * (each.sequences - 1);
    for (std::int64_t i = 0; i < each.sequences && sequence < lengths.size(); ++i, ++sequence) {
      forks.push_back(std::max<std::int64_t>(0, lengths[sequence] - each.tokens));
      of_forks.push_back(std::ssize(rows) - 1);
    }
  }
  if (sequence < lengths.size() || saved == 0 || !worth_forking(saved, sum_of(lengths))) return {};
  rows.insert(rows.end(), forks.begin(), forks.end());
  trunks.insert(trunks.end(), of_forks.begin(), of_forks.end());
  lengths = std::move(rows);
  return trunks;
}

}  // namespace

Pass lay_out(const BatchShape& batch, const StepTerms& terms, const Objective& objective,
             const std::vector<std::size_t>& part_of) {
  Pass pass;
  pass.terms = terms;
  pass.pictures = batch.pictures;
  pass.pictures_together = objective.reads_pixels();
  pass.terms.frames = std::max({std::int64_t{1}, batch.pictures.frames, batch.pictures.images});
  const auto sequences = static_cast<std::int64_t>(batch.lengths.size());
  pass.labels = objective.states_used(
      std::min(batch.labels, batch.tokens),
      sequences > 0 ? sequences : std::max<std::int64_t>(1, batch.batch_size));
  std::vector<std::int64_t> lengths = batch.lengths;
  if (lengths.empty()) {
    const std::int64_t rows = std::max<std::int64_t>(1, batch.batch_size);
    lengths.assign(static_cast<std::size_t>(rows), batch.tokens / rows);
  }
  RowLengths used = batch.source_lengths.empty() ? objective.lengths_used(lengths, batch.labels)
                                                 : RowLengths{lengths, batch.source_lengths};
  lengths = std::move(used.own);
  std::int64_t tokens = batch.tokens;
  if (used.labels >= 0) pass.labels = used.labels, tokens = sum_of(lengths);
  std::int64_t filler = terms.cpu ? filler_tokens(tokens) : 0;
  if (!used.source.empty()) {
    tokens = sum_of(lengths);
    if (batch.source_lengths.empty()) pass.labels = tokens;
    filler = terms.cpu ? filler_tokens(tokens) : 0;
    std::int64_t unread = terms.cpu ? filler_tokens(sum_of(used.source)) : 0;
    if (filler > 0 || unread > 0) {
      filler = filler_of_both(filler), unread = filler_of_both(unread);
      used.source.push_back(unread);
    }
    pass.source_lengths = std::move(used.source);
  }
  std::vector<std::int64_t> trunks;
  if (!batch.beginnings.empty() && part_of.empty() && pass.source_lengths.empty())
    trunks = fork_rows(batch.beginnings, lengths);
  if (!trunks.empty()) {
    tokens = sum_of(lengths);
    filler = filler_tokens(tokens);
    if (filler > 0) {  // it stands behind the trunks
      const auto first = std::count(trunks.begin(), trunks.end(), -1);
      const std::vector<std::int64_t> before(lengths.begin(), lengths.begin() + first),
          rows = filler_lengths(filler, filler_rows(filler, before));
      lengths.insert(lengths.begin() + first, rows.begin(), rows.end());
      trunks.insert(trunks.begin() + first, rows.size(), -1);
    }
    pass.forks = true;
  } else if (!part_of.empty()) {
    std::vector<std::int64_t> sums(count_parts(part_of));
    for (std::size_t row = 0; row < part_of.size(); ++row) sums[part_of[row]] += lengths[row];
    filler = 0;
    for (const std::int64_t sum : sums) {
      filler += filler_tokens(sum);
      lengths.push_back(filler_tokens(sum));
    }
    std::erase(lengths, 0);
  } else {
    if (terms.recorded) {
      const RecordedSizes sizes = recorded_sizes(tokens, static_cast<std::int64_t>(lengths.size()),
                                                 std::max<std::int64_t>(1, pass.labels));
      filler = sizes.tokens - tokens;
      pass.labels = sizes.labels;
    }
    if (filler > 0)
      for (const std::int64_t row : filler_lengths(filler, filler_rows(filler, lengths)))
        lengths.push_back(row);
  }
  pass.tokens = tokens + filler;
  // As objectives ask for them (labelled_states), in each part.
  const auto parts = static_cast<std::int64_t>(count_parts(part_of));
  const std::int64_t each = (pass.labels + parts - 1) / parts;
  pass.asked = parts * (each + (terms.cpu ? filler_tokens(each) : 0));
  pass.rows = pass.forks ? forked_shape(lengths, trunks) : rows_shape(lengths, /*causal=*/true);
  pass.lengths = std::move(lengths);
  return pass;
}

StepBytes peak_of(const PassCost& cost, const LossCost& loss, const GradientBytes& gradients,
                  std::int64_t dense) {
  StepBytes peak;
  std::int64_t most = -1;
  const auto consider = [&](std::int64_t grown, std::int64_t kept, std::int64_t work) {
    // Parts add theirs to what stands when all of them are made.
    const std::int64_t there = gradients.parts > 1 || gradients.apart
                                   ? gradients.standing + grown * gradients.parts
                                   : std::max(gradients.standing, grown);
    if (there + kept + work <= most) return;
    most = there + kept + work;
    // Gradients are counted as a part of their own. Those that have not come yet leave their room
    // to what is kept, and where that is less, to temporaries.
    const std::int64_t beside = kept + there - gradients.all;
    peak.kept = std::max<std::int64_t>(0, beside);
    peak.workspace = work + std::min<std::int64_t>(0, beside);
  };
  std::int64_t kept = 0;
  for (const Stage& stage : cost.stages) kept += stage.kept;
  consider(0, kept, loss.work);
  std::int64_t grown = loss.gradient;
  for (auto stage = cost.stages.rbegin(); stage != cost.stages.rend(); ++stage) {
    kept -= stage->kept;
    const std::int64_t adding = std::min(gradients.adding, stage->gradients);
    for (const Stage::Moment& moment : stage->moments)
      consider(grown, kept + moment.left, std::max(moment.work + dense, adding));
    grown += stage->gradients;
  }
  consider(gradients.all, 0, std::max(gradients.adding, gradients.stepping));
  return peak;
}

}  // namespace luthier
