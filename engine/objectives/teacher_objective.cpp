// SPDX-License-Identifier: GPL-3.0-or-later
// The teacher answers first: its pass keeps nothing, and what the model's own pass keeps for the
// backward is not there yet.
#include "engine/objectives/teacher_objective.h"

#include <algorithm>

#include "engine/models/cost.h"

namespace luthier {

TeacherObjective::TeacherObjective(const Recipe& recipe, const std::string& section,
                                   double temperature, bool tells_entropy)
    : field_(section + ".teacher_model_name_or_path"),
      teacher_(recipe.more.text(field_)),
      divergence_{recipe.more.number(section + ".beta"), temperature},
      tells_entropy_(tells_entropy) {}

LossSum TeacherObjective::loss(Policy& policy, const Batch& batch) {
  const TeacherStates teacher = policy.reference_states(batch);
  const LabelledStates states = labelled_states(policy.model(), batch.input);
  const HeadDivergence distance = chunked_divergence(states.hidden, policy.model().head(), teacher,
                                                     divergence_, tells_entropy_);
  LossSum loss;
  loss.count = states.target.size(0);
  loss.sum = distance.sum;
  if (tells_entropy_)
    loss.figures["entropy"] =
        distance.entropy.sum() / static_cast<double>(std::max<std::int64_t>(1, loss.count));
  return loss;
}

LossCost TeacherObjective::cost(const Pass& pass, const HeadCost& head) const {
  const auto teacher = summarize_model(teacher_);  // a broken one is refused when it is loaded
  return divergence_cost(pass, head, teacher ? teacher->geometry.hidden_size : head.width);
}

NamedTensors TeacherObjective::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  return padded(policy.log_probs(batch, divergence_.temperature), batch);
}

}  // namespace luthier
