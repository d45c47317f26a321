// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/online.h"

#include <cmath>

#include "engine/objectives/completions.h"
#include "engine/objectives/reward_model.h"

namespace luthier {

using torch::Tensor;

namespace {

/// TRL's default, of all three; the recipe has no setting for it.
constexpr double kTemperature = 0.9;
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
      judge_field_(section + ".reward_model"),
      given_(!recipe.more.text(section + ".rollouts").empty()),
      beta_(recipe.more.number(section + ".beta")),
      missing_eos_penalty_(recipe.more.optional_number(section + ".missing_eos_penalty")),
      judges_(judging_folder(recipe.more.text(judge_field_)), judge_field_) {
  plan_.samples = 2;
  plan_.batches = recipe.training.gradient_accumulation_steps;
  plan_.given = given_;
  plan_.longest = recipe.more.integer(section + ".max_new_tokens");
  plan_.learned = both ? 2 : 1;
}

std::vector<std::string> Online::judging_folders() const {
  return given_ ? std::vector<std::string>() : judges_.folders();
}

Status Online::can_begin() const {
  LUTHIER_CHECK(Objective::can_begin());
  if (given_) return {};
  for (const std::string& folder : judges_.folders())
    LUTHIER_CHECK(check_judge(folder, judge_field_));
  return {};
}

Status Online::fits(const LoadedModel& base) const {
  LUTHIER_CHECK(Objective::fits(base));
  return given_ ? Status() : judges_.open(base);
}

Status Online::draw(Policy& policy, Generation& generation) {
  const torch::NoGradGuard no_grad;
  GenerationOptions options;
  options.max_new_tokens = plan_.longest;
  options.temperature = kTemperature;
  options.seed = generation.seed;
  LUTHIER_TRY(const std::vector<std::string> texts,
              draw_samples(policy.base(), generation, drawers(policy), options));
  return judges_.judge(policy.base(), generation, texts);
}

Status Online::check_given(const LoadedModel& base, const EncodedRow& row,
                           const EncodedRow& /*first*/) const {
  LUTHIER_CHECK(check_completions(base, row));
  if (row.samples.size() != 2)
    return input_error("The number of samples in the row is " + std::to_string(row.samples.size()) +
                           ", and two of each prompt are compared.",
                       where_of(row) + ": completion_ids", "Give each prompt two samples.");
  for (const RowSample& sample : row.samples)
    if (std::isnan(sum_of_rewards(sample)))
      return input_error("The row does not say what its samples are worth.",
                         where_of(row) + ": rewards", "Give a number for each.");
  return {};
}

Status Online::prepare(Policy& policy, Generation& generation) {
  if (generation.rows.empty()) return {};
  generation.learned = plan_.learned;
  if (generation.rows.encoded.front().samples.empty() && !given_)
    LUTHIER_CHECK(draw(policy, generation));
  for (EncodedRow& row : generation.rows.encoded) {
    LUTHIER_CHECK(check_given(policy.base(), row, row));
    for (std::size_t i = 0; i < 2; ++i) {
      double score = sum_of_rewards(row.samples[i]);
      const bool ended = holds_end(policy.base(), row.samples[i]);
      if (!ended) score -= missing_eos_penalty_.value_or(0);
      row.numbers[kScores[i]] = score;
      row.numbers[kEnded[i]] = ended ? 1 : 0;
    }
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

Drawer drawn_by_reference(Policy& policy) {
  return {1,
          [&policy](const std::vector<Example>& prompts, const GenerationOptions& options,
                    const GenerationProgress& go_on,
                    std::span<const std::uint64_t> draws) -> Drawer::Answers {
            std::vector<Generated> made;
            LUTHIER_CHECK(policy.as_reference([&](const LoadedModel& reference) -> Status {
              LUTHIER_TRY(made, generate(reference, prompts, options, go_on, draws));
              return {};
            }));
            return made;
          }};
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
