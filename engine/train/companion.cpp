// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/companion.h"

#include "engine/io/files.h"
#include "engine/methods/adapter_notes.h"
#include "engine/models/score_head.h"
#include "engine/models/shared_tables.h"
#include "engine/objectives/joint_model.h"
#include "engine/objectives/reward_model.h"
#include "engine/train/trainer.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

LoadOptions options_like(const LoadedModel& policy, const CompanionStart& start) {
  LoadOptions options;
  options.device = policy.model->device().str();
  options.dtype = policy.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  options.pixels = policy.pixels;
  options.seed = static_cast<std::uint64_t>(start.recipe.training.seed);
  if (start.adapter) {
    options.quantization = policy.quantization;
    options.random_weights = policy.drawn;
  }
  return options;
}

/// It reads the policy's tokens, and the pictures that were made for it.
Status check_alike(const LoadedModel& own, const LoadedModel& policy, const std::string& where) {
  if (own.family == policy.family &&
      own.model->head()->out_features() == policy.model->head()->out_features())
    return {};
  return input_error(
      "The value model is of another family or vocabulary than the model that is trained.", where,
      "Name what a run with objective: reward has left of the same base.");
}

/// The model with its head.
Status load_scored(Companion& made, const LoadedModel& policy, const CompanionStart& start) {
  const std::string where = made.plan.field + ": " + made.plan.folder;
  const LoadOptions options = options_like(policy, start);
  LUTHIER_TRY(made.base, load_model(start.adapter ? policy.folder : start.base, options));
  LUTHIER_CHECK(check_alike(made.base, policy, where));
  return set_score_head(made.base, 1, options.seed);
}

/// A whole model beside the policy, which has some of its tensors together with it. Drawn where the
/// policy is, by another seed.
Status load_joint(Companion& made, const LoadedModel& policy, const CompanionStart& start,
                  JointModel& joint) {
  LoadOptions options = options_like(policy, start);
  options.random_weights = policy.drawn;
  ++options.seed;
  LUTHIER_TRY(made.base, load_model(start.base, options));
  return joint.join(made.base, policy);
}

/// What trains of the policy is what stands in its places after it was joined.
void take_places(const LoadedModel& policy, Trainables& trainables) {
  const auto named = policy.model->named_parameters();
  for (TrainedTensor& trained : trainables.tensors) {
    const torch::Tensor* now = named.find(trained.name);
    if (!now || now->is_same(trained.tensor)) continue;
    trained.tensor = *now;
    trained.tensor.requires_grad_(true);
    trained.master.reset();  // was made of what stood there
  }
}

}  // namespace

Status add_companion(Trainables& trainables, const LoadedModel& policy, const Recipe& recipe,
                     Objective& objective, const fs::path& checkpoint) {
  const CompanionPlan plan = objective.companion();
  if (!plan) return {};
  auto* joint = dynamic_cast<JointModel*>(&objective);
  LUTHIER_TRY(CompanionStart start,
              joint ? joint->companion_begins() : companion_start(plan, recipe));
  auto made = std::make_shared<Companion>();
  made->plan = plan;
  LUTHIER_CHECK(joint ? load_joint(*made, policy, start, *joint)
                      : load_scored(*made, policy, start));
  take_places(policy, trainables);
  std::optional<fs::path> folder;
  if (start.adapter) folder = checkpoint.empty() ? fs::path(plan.folder) : checkpoint / plan.name;
  LUTHIER_TRY(Trainables own, apply_strategy(made->base, start.recipe, folder));
  made->adapter = own.adapter;
  if (made->adapter && made->adapter->course())
    return input_error(
        "The value model's adapter is one that changes in training besides by its "
        "gradients (adalora), which a value model's cannot.",
        plan.field + ": " + plan.folder, "Name a reward model of another strategy, such as lora.");
  made->policy = std::make_unique<Policy>(made->base, made->adapter, own.tower_fixed, nullptr);
  const auto common = tensors_in_common(*policy.model, *made->base.model);
  for (TrainedTensor& tensor : own.tensors) {
    if (common.contains(tensor.name)) continue;  // it trains as the policy's
    tensor.name = plan.prefix() + tensor.name;
    trainables.tensors.push_back(std::move(tensor));
  }
  trainables.companion = made;
  objective.take_companion(std::move(made));
  return {};
}

Status save_companion(const fs::path& run, const Companion& companion, const LoadedModel& policy,
                      const Recipe& recipe, const std::map<std::string, torch::Tensor>& masters) {
  const std::string prefix = companion.plan.prefix();
  std::map<std::string, torch::Tensor> own;
  for (const auto& [name, master] : masters)
    if (name.starts_with(prefix)) own.emplace(name.substr(prefix.size()), master);
  for (const auto& [name, of_policy] : tensors_in_common(*policy.model, *companion.base.model))
    if (const auto master = masters.find(of_policy); master != masters.end())
      own.emplace(name, master->second);
  LUTHIER_TRY(FolderWriter writer,
              FolderWriter::begin(run / companion.plan.name, FolderReplace::Whole));
  if (companion.adapter) {
    LUTHIER_CHECK(companion.adapter->save(writer.path(), recipe.model, own));
    LUTHIER_CHECK(write_adapter_notes(writer.path(), companion.base.pixels));
  } else {
    LUTHIER_CHECK(
        save_model(companion.base, writer.path(), result_dtype(companion.base, recipe), own));
  }
  return writer.commit();
}

}  // namespace luthier
