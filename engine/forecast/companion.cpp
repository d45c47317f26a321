// SPDX-License-Identifier: GPL-3.0-or-later
// What a second model that learns beside the policy adds to a step: its weights, what trains in it,
// and a pass of its own whose backward comes while all of the policy's is still kept.
#include <algorithm>

#include "engine/config/quantization_fields.h"
#include "engine/forecast/trained.h"
#include "engine/methods/adapter.h"
#include "engine/methods/method.h"
#include "engine/models/packing.h"
#include "engine/objectives/joint_model.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

/// A plug on a linear that keeps its input and numbers of its own besides makes products with its
/// tensors, in copies of the products' type (nn/narrow_copy.h).
bool makes_products(const TrainedModule& each) {
  return !each.share.whole && each.share.keeps_input && each.share.row_numbers > 0 &&
         each.branch.empty() && each.module->type == "Linear";
}

}  // namespace

Result<std::int64_t> adapter_bytes(const std::vector<TrainedModule>& trained,
                                   const ModelSummary& model, const Recipe& recipe,
                                   std::int64_t element) {
  std::int64_t bytes = 0;
  for (const TrainedModule& each : trained) {
    bytes += each.share.parameters * (!each.share.whole ? 4 : element);
    bytes += each.share.fixed_numbers * element + each.share.fixed_bytes;
    // What a product keeps of them each time has no copy that stands.
    if (element < 4 && makes_products(each))
      bytes += (each.share.parameters - each.share.kept_numbers) * element;
  }
  LUTHIER_TRY(const std::int64_t shared, shared_bytes(model, recipe));
  return bytes + shared;
}

Result<std::unique_ptr<CompanionSummary>> companion_of(const Objective& objective,
                                                       const Recipe& recipe, std::int64_t element) {
  const CompanionPlan plan = objective.companion();
  if (!plan) return std::unique_ptr<CompanionSummary>();
  const auto* joint = dynamic_cast<const JointModel*>(&objective);
  LUTHIER_TRY(CompanionStart start,
              joint ? joint->companion_begins() : companion_start(plan, recipe));
  auto found = std::make_unique<CompanionSummary>();
  found->name = plan.name;
  LUTHIER_TRY(const ModelSummary bare, summarize_model(start.base));
  LUTHIER_TRY(start.recipe.adapter, settings_to_train(start.recipe));
  LUTHIER_TRY(const std::optional<ModelSummary> scored, with_score_head(bare, start.recipe));
  found->model = scored ? *scored : bare;
  found->joint = joint != nullptr;
  if (joint)
    found->own_pass = [joint, geometry = found->model.geometry](const Pass& policy) {
      return joint->companion_pass(policy, geometry);
    };
  LUTHIER_TRY(found->trained, list_trained(found->model, start.recipe));
  const Json packing = start.adapter ? quantization_settings(recipe) : Json();
  LUTHIER_TRY(const auto by_part, bytes_by_part(found->model, element, packing));
  for (const auto& [name, bytes] : by_part) found->weights += bytes;
  for (TrainedModule& each : found->trained) {
    if (joint && joint->keeps_before(each.module->name) && each.module->type == "Embedding")
      found->weights += each.module->parameters * element;
    if (!joint || !joint->shares(each.module->name)) continue;
    found->weights -= each.module->parameters * element;
    each.share.parameters = 0, each.shapes.clear();  // trains, and is counted as the policy's
  }
  if (start.adapter) {
    LUTHIER_TRY(found->adapter, adapter_bytes(found->trained, found->model, start.recipe, element));
  }
  return found;
}

void CompanionSummary::join(const Pass& policy, bool dropout, PassCost& cost,
                            LossCost& loss) const {
  if (!model.cost) return;
  const Pass pass = own_pass ? own_pass(policy) : policy;
  const PassCost own = model.cost->of(pass, shares(trained, dropout));
  cost.unreached += own.unreached;
  if (joint) {
    // Its loss is made before the policy reads what it says, and the head's gradient with it.
    const LossCost said = cross_entropy_cost(pass, own.head);
    std::vector<Stage> stages = own.stages;
    stages.push_back({last_state_bytes(pass, own.head) + said.gradient, {}, 0});
    cost.stages.insert(cost.stages.begin(), stages.begin(), stages.end());
    return;
  }
  cost.stages.insert(cost.stages.end(), own.stages.begin(), own.stages.end());
  // The states and their gradient while a few numbers of each are made.
  loss.work = std::max(loss.work, last_state_bytes(pass, own.head));
}

}  // namespace luthier
