// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/online.h"

#include <cmath>

#include "engine/objectives/completions.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kScores[] = {"scores/first", "scores/second"};
constexpr const char* kEnded[] = {"ended/first", "ended/second"};

/// [rows, 2] float32.
Tensor of_rows(const Batch& batch, const char* const (&names)[2], const Tensor& like) {
  std::vector<float> numbers;
  for (const EncodedRow& row : batch.rows->encoded)
    for (const char* name : names) numbers.push_back(static_cast<float>(row.numbers.at(name)));
  return torch::tensor(numbers).view({-1, 2}).to(like.device());
}

}  // namespace

Online::Online(const Recipe& recipe, const std::string& section, bool both)
    : reference_(recipe.more.text("ref_model")),
      beta_(recipe.more.number(section + ".beta")),
      missing_eos_penalty_(recipe.more.optional_number(section + ".missing_eos_penalty")) {
  plan_.samples = 2;
  plan_.batches = recipe.training.gradient_accumulation_steps;
  plan_.given = true;
  plan_.learned = both ? 2 : 1;
}

Status Online::prepare(Policy& policy, Generation& generation) {
  if (generation.rows.empty()) return {};
  LUTHIER_CHECK(check_completions(policy.base(), generation));
  for (EncodedRow& row : generation.rows.encoded) {
    if (row.samples.size() != 2)
      return input_error("The row has " + std::to_string(row.samples.size()) +
                             " samples, and two of each prompt are compared.",
                         where_of(row) + ": completion_ids", "Give each prompt two samples.");
    for (std::size_t i = 0; i < 2; ++i) {
      double score = sum_of_rewards(row.samples[i]);
      if (std::isnan(score))
        return input_error("The row does not say what its samples are worth.",
                           where_of(row) + ": rewards", "Give a number for each.");
      const bool ended = holds_end(policy.base(), row.samples[i]);
      if (!ended) score -= missing_eos_penalty_.value_or(0);
      row.numbers[kScores[i]] = score;
      row.numbers[kEnded[i]] = ended ? 1 : 0;
    }
    const auto learned = static_cast<std::size_t>(plan_.learned);
    row.samples.resize(learned);
    row.sequences.resize(learned);
  }
  return {};
}

JudgedAnswers Online::judged(Policy& policy, const Batch& batch) const {
  JudgedAnswers found;
  const LogProbs before = policy.reference_log_probs(batch);
  found.now = policy.log_probs(batch);
  found.before = before.values.log_probs;
  const Tensor& own = found.now.values.log_probs;
  found.sums = found.now.summed(own).view({-1, plan_.learned});
  found.before_sums = found.now.summed(found.before).view({-1, plan_.learned});
  found.scores = of_rows(batch, kScores, own);
  found.ended = of_rows(batch, kEnded, own);
  return found;
}

NamedTensors Online::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  const JudgedAnswers found = judged(policy, batch);
  NamedTensors tensors = padded(found.now, batch);
  tensors.emplace_back("ref_logps", found.before_sums.flatten().cpu());
  return tensors;
}

Tensor pair_loss(const Tensor& margins, double beta, bool ipo) {
  return ipo ? (margins - 1 / (2 * beta)).square() : -at::log_sigmoid(beta * margins);
}

Tensor ChosenAnswers::chosen(const Tensor& both) const {
  return at::where(first, both.select(1, 0), both.select(1, 1));
}

Tensor ChosenAnswers::rejected(const Tensor& both) const {
  return at::where(first, both.select(1, 1), both.select(1, 0));
}

ChosenAnswers chosen_answers(const Tensor& scores) {
  return {scores.select(1, 0) >= scores.select(1, 1)};
}

}  // namespace luthier
