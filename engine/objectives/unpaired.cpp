// SPDX-License-Identifier: GPL-3.0-or-later
// The reference answers first: its passes keep nothing, and what the policy's pass keeps for the
// backward is not there yet.
#include "engine/objectives/unpaired.h"

#include "engine/objectives/preference_losses.h"

namespace luthier {

namespace {

using torch::Tensor;

std::vector<bool> good_ones(const Batch& batch) {
  std::vector<bool> good;
  for (const Batch::Sequence& place : batch.sequences)
    good.push_back(batch.rows->encoded[place.row].numbers.at("label") != 0);
  return good;
}

/// [n] float32: 1 of a good answer, `other` of a bad one.
Tensor as_numbers(const std::vector<bool>& good, float other) {
  std::vector<float> numbers;
  for (const bool each : good) numbers.push_back(each ? 1.f : other);
  return torch::tensor(numbers);
}

}  // namespace

Unpaired::Unpaired(const Recipe& recipe, const std::string& section)
    : PreferenceObjective(recipe, section),
      beta_(recipe.more.number(section + ".beta")),
      reference_(recipe.more.text("ref_model")) {}

LogProbs Unpaired::ask_reference(Policy& policy, const Batch& batch) {
  return policy.reference_log_probs(batch);
}

LossSum Unpaired::loss(Policy& policy, const Batch& batch) {
  const bool trains = policy.trains();
  const LogProbs before = ask_reference(policy, batch);
  const auto notes = routers().notes(policy.model(), batch);
  const LogProbs now = policy.log_probs(batch, /*temperature=*/1, notes);
  const std::vector<bool> good = good_ones(batch);
  const Tensor said = now.summed(now.values.log_probs),
               ratios = said - before.summed(before.values.log_probs);
  LossSum result;
  result.count = ratios.size(0);
  result.sum = terms(ratios, as_numbers(good, -1).to(ratios.device()), trains).sum();
  result.figures = preference::single_figures(beta_ * ratios.detach(), said.detach(), good);
  const torch::NoGradGuard no_grad;
  add_figures(now, good, result);
  routers().join(result, policy.model(), notes);
  return result;
}

NamedTensors Unpaired::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  NamedTensors tensors = padded(policy.log_probs(batch), batch);
  const LogProbs before = policy.reference_log_probs(batch);
  tensors.emplace_back("ref_logps", before.summed(before.values.log_probs).cpu());
  tensors.emplace_back("label", as_numbers(good_ones(batch), 0).to(torch::kInt64));
  return tensors;
}

}  // namespace luthier
