// SPDX-License-Identifier: GPL-3.0-or-later
// A generation is looked at as a whole before its first micro-batch: what was cut off, who drew,
// how far the reference is from it, and what each sample is worth beside the others.
#include "engine/objectives/sampled.h"

#include <algorithm>
#include <cmath>

#include "engine/objectives/asked_samples.h"
#include "engine/objectives/completions.h"
#include "engine/objectives/drawn_answers.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr const char* kTokensOfSlice = "generation/tokens";

}  // namespace

Sampled::Sampled(const Recipe& recipe, const std::string& section)
    : section_(section),
      reference_(recipe.more.text("ref_model")),
      routers_(recipe, section + ".router_aux_loss_coef"),
      given_(!recipe.more.text(section + ".rollouts").empty()),
      beta_(recipe.more.number(section + ".beta")),
      temperature_(recipe.more.number(section + ".temperature")),
      top_p_(recipe.more.number(section + ".top_p")),
      top_k_(recipe.more.integer(section + ".top_k")),
      longest_(recipe.more.integer(section + ".max_completion_length")),
      leaves_out_cut_(recipe.more.flag(section + ".mask_truncated_completions")),
      reward_funcs_(recipe.more.names(section + ".reward_funcs")),
      weights_(recipe.more.names(section + ".reward_weights")),
      judges_(reward_funcs_, section + ".reward_funcs") {
  plan_.samples = recipe.more.integer(section + ".num_generations");
  plan_.batches = recipe.more.optional_integer(section + ".steps_per_generation")
                      .value_or(recipe.training.gradient_accumulation_steps);
  plan_.iterations = recipe.more.integer(section + ".num_iterations");
  plan_.given = given_;
  plan_.longest = longest_;
}

Status Sampled::can_begin() const {
  LUTHIER_CHECK(Objective::can_begin());
  return given_ ? Status() : judges_.check();
}

Status Sampled::fits(const LoadedModel& base) const {
  LUTHIER_CHECK(Objective::fits(base));
  LUTHIER_CHECK(routers_.fits(base));
  return given_ ? Status() : judges_.open(base);
}

std::vector<std::string> Sampled::judging_folders() const {
  return given_ ? std::vector<std::string>() : judges_.folders();
}

Status Sampled::check_given(const LoadedModel& base, const EncodedRow& row,
                            const EncodedRow& first) const {
  LUTHIER_CHECK(check_completions(base, row));
  if (row.reward_names.empty())
    return input_error("The row does not say what its samples are worth.",
                       where_of(row) + ": rewards",
                       "Give a number for each, or null where there is none.");
  if (row.reward_names != first.reward_names)
    return input_error("The row's rewards have other names than those of " + where_of(first) + ".",
                       where_of(row) + ": rewards");
  return check_weights(row.reward_names.size());
}

Status Sampled::check_weights(std::size_t rewards) const {
  if (weights_.empty() || weights_.size() == rewards) return {};
  return input_error("The number of weights is " + std::to_string(weights_.size()) +
                         ", and that of the rows' rewards " + std::to_string(rewards) + ".",
                     section_ + ".reward_weights", "Give one weight a reward, or null.");
}

Status Sampled::take_rewards(const Generation& generation, advantages::Rewards& rewards,
                             std::vector<std::string>& names) const {
  names = generation.rows.encoded.front().reward_names;
  std::vector<std::size_t> order(names.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  // Weights go by the recipe's order where it names the same rewards.
  if (reward_funcs_.size() == names.size() &&
      std::is_permutation(names.begin(), names.end(), reward_funcs_.begin())) {
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = static_cast<std::size_t>(std::find(names.begin(), names.end(), reward_funcs_[i]) -
                                          names.begin());
    names = reward_funcs_;
  }
  LUTHIER_CHECK(check_weights(names.size()));
  std::vector<float> each, weights;
  for (const EncodedRow& row : generation.rows.encoded) {
    rewards.groups.push_back(static_cast<std::int64_t>(row.samples.size()));
    for (const RowSample& sample : row.samples)
      for (const std::size_t place : order)
        each.push_back(static_cast<float>(sample.rewards[place]));
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    weights.push_back(weights_.empty() ? 1.f : std::stof(weights_[i]));
  rewards.each = torch::tensor(each).view({-1, static_cast<std::int64_t>(names.size())});
  rewards.weights = torch::tensor(weights);
  return {};
}

void Sampled::leave_out_cut(Policy& policy, Generation& generation) const {
  if (!leaves_out_cut_) return;
  each_sample(generation, [&](const EncodedRow&, const RowSample& sample, Example& example) {
    if (has_ended(policy.base(), sample)) return;
    const std::size_t prompt = example.input_ids.size() - sample.ids.size();
    example.input_ids.resize(prompt);
    example.labels.resize(prompt);
  });
}

Status Sampled::ask_old(Policy& policy, Generation& generation) const {
  bool known = true;
  each_sample(generation, [&](const EncodedRow&, const RowSample& sample, const Example& example) {
    known = known && (!sample.old_log_probs.empty() || count_labels(example) == 0);
  });
  if (known) return {};
  return ask_slices(
      policy, generation,
      [&](const Batch& batch) { return of_each(policy.log_probs(batch, temperature_)); },
      [&](const SamplePlace& place, const Tensor& found) {
        std::vector<float>& old =
            generation.rows.encoded[place.row].samples[place.sample].old_log_probs;
        if (old.empty())
          old.assign(found.const_data_ptr<float>(), found.const_data_ptr<float>() + found.numel());
      });
}

Result<Sampled::Distance> Sampled::distance_from_reference(Policy& policy,
                                                           Generation& generation) const {
  std::vector<std::vector<float>> sums;
  for (const EncodedRow& row : generation.rows.encoded) sums.emplace_back(row.samples.size(), 0.f);
  double all = 0;
  std::int64_t tokens = 0;
  LUTHIER_CHECK(ask_slices(
      policy, generation,
      [&](const Batch& batch) { return of_each(policy.reference_log_probs(batch, temperature_)); },
      [&](const SamplePlace& place, const Tensor& reference) {
        const RowSample& sample = generation.rows.encoded[place.row].samples[place.sample];
        const Tensor old = torch::tensor(sample.old_log_probs);
        if (reference.numel() == 0) return;  // cut off, and left out
        const Tensor apart = old - reference;
        sums[place.row][place.sample] = apart.sum().item<float>();
        all += apart.sum().item<double>();
        tokens += reference.numel();
      }));
  std::vector<float> flat;
  for (const std::vector<float>& row : sums) flat.insert(flat.end(), row.begin(), row.end());
  return Distance{torch::tensor(flat),
                  all / static_cast<double>(std::max<std::int64_t>(1, tokens))};
}

void Sampled::tell(Policy& policy, Generation& generation, const advantages::Rewards& rewards,
                   const std::vector<std::string>& names, const advantages::Judged& judged) const {
  const auto say = [&](const std::string& name, double value) {
    if (std::isfinite(value)) generation.figures[name] = value;
  };
  const std::vector<Tensor> columns = rewards.each.unbind(1);
  for (std::size_t i = 0; i < names.size(); ++i) {
    say("rewards/" + names[i] + "/mean", at::nanmean(columns[i]).item<double>());
    say("rewards/" + names[i] + "/std", advantages::deviation(columns[i]).item<double>());
  }
  const Tensor sums = advantages::summed(rewards);
  say("reward", at::nanmean(sums).item<double>());
  say("reward_std", advantages::deviation(sums).item<double>());
  say("frac_reward_zero_std", judged.alike.to(torch::kFloat32).mean().item<double>());
  tell_completions(policy.base(), generation);
}

Status Sampled::draw(Policy& policy, Generation& generation) {
  const torch::NoGradGuard no_grad;
  GenerationOptions options;
  options.max_new_tokens = longest_;
  options.temperature = temperature_;
  options.top_p = top_p_;
  options.top_k = top_k_;
  options.seed = generation.seed;
  LUTHIER_TRY(const std::vector<std::string> texts,
              draw_samples(policy.base(), generation, plan_.samples, options));
  return judges_.judge(policy.base(), generation, texts);
}

Status Sampled::prepare(Policy& policy, Generation& generation) {
  if (generation.rows.empty()) return {};
  const torch::NoGradGuard no_grad;
  if (generation.rows.encoded.front().samples.empty()) LUTHIER_CHECK(draw(policy, generation));
  for (const EncodedRow& row : generation.rows.encoded)
    LUTHIER_CHECK(check_given(policy.base(), row, generation.rows.encoded.front()));
  advantages::Rewards rewards;
  std::vector<std::string> names;
  LUTHIER_CHECK(take_rewards(generation, rewards, names));
  leave_out_cut(policy, generation);
  if (!generation.fresh) LUTHIER_CHECK(ask_old(policy, generation));
  LUTHIER_TRY(const advantages::Judged worth, judged(policy, generation, rewards));
  tell(policy, generation, rewards, names, worth);
  std::int64_t at = 0, tokens = 0;
  each_sample(generation, [&](const EncodedRow&, RowSample& sample, const Example& example) {
    sample.advantage = worth.advantages[at++].item<double>();
    tokens += count_labels(example);
  });
  for (EncodedRow& row : generation.rows.encoded)
    row.numbers[kTokensOfSlice] = static_cast<double>(std::max<std::int64_t>(1, tokens)) /
                                  static_cast<double>(generation.slices);
  return {};
}

double Sampled::share_of_tokens(const Batch& batch) {
  return batch.rows->encoded.front().numbers.at(kTokensOfSlice);
}

SampledBatch Sampled::sampled(const LogProbs& now, const Batch& batch) const {
  const torch::NoGradGuard no_grad;
  std::vector<float> worth, old;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const auto& [row, number] = batch.sequences[i];
    const RowSample& sample = batch.rows->encoded[row].samples[number];
    worth.push_back(static_cast<float>(sample.advantage));
    if (now.counts[i] == 0) continue;
    if (sample.old_log_probs.empty())
      old.insert(old.end(), static_cast<std::size_t>(now.counts[i]), NAN);
    else
      old.insert(old.end(), sample.old_log_probs.begin(), sample.old_log_probs.end());
  }
  const Tensor &own = now.values.log_probs, known = torch::tensor(old).to(own.device());
  SampledBatch result;
  result.advantages = torch::tensor(worth).to(own.device());
  result.lengths = now.lengths();
  // Where nobody was asked, who learns is who drew.
  result.old = at::where(at::isnan(known), own.detach(), known);
  return result;
}

NamedTensors Sampled::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  const LogProbs now = policy.log_probs(batch, temperature_);
  NamedTensors tensors = padded(now, batch);
  if (needs_reference()) {
    const LogProbs before = policy.reference_log_probs(batch, temperature_);
    tensors.emplace_back("ref_logps", before.summed(before.values.log_probs).cpu());
  }
  tensors.emplace_back("advantages", sampled(now, batch).advantages.cpu());
  return tensors;
}

Tensor mean_of_labels(const Tensor& values) {
  return values.numel() > 0 ? values.mean() : torch::zeros({}, values.options());
}

Tensor mean_of_samples(const LogProbs& now, const Tensor& values) {
  return now.summed(values) / now.lengths().clamp_min(1);
}

}  // namespace luthier
