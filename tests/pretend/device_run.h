// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of a run over a model that was not read from a folder: the engine's own pieces, without
// files.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/objectives/objective.h"
#include "engine/optim/gradients.h"
#include "engine/optim/optimizers.h"
#include "engine/train/strategy.h"

namespace luthier::pretend {

/// A recipe of these settings over defaults; its files are not there.
inline Recipe recipe_of(const std::vector<std::string>& settings) {
  std::vector<std::string> all{"model=m", "dataset=d", "output_dir=o"};
  all.insert(all.end(), settings.begin(), settings.end());
  return parse_recipe("", "test", all).take();
}

/// Model, what trains of it, its loss and its optimizer.
class DeviceRun {
 public:
  DeviceRun(LoadedModel base, const Recipe& recipe) : base_(std::move(base)), recipe_(recipe) {
    base_.drawn = true;  // no file has its weights
    trainables_ = apply_strategy(base_, recipe_).take();
    objective_ = make_objective(recipe_).take();
    optimizer_ = make_optimizer(trainables_.tensors, recipe_);
    base_.model->set_gradient_checkpointing(recipe_.training.gradient_checkpointing == "true");
    policy_ =
        std::make_unique<Policy>(base_, trainables_.adapter, trainables_.tower_fixed, nullptr);
  }

  /// Forward and backward → the loss. `last`: of its step.
  double micro_batch(const ModelInput& rows, bool last = true) {
    if (trainables_.adapter) trainables_.adapter->set_training(true, 3);
    Batch batch;
    batch.input = for_model(*base_.model, rows);
    if (trainables_.tower_fixed && batch.input.pixel_values.defined()) {
      const torch::NoGradGuard no_grad;
      batch.input.tower_features = base_.model->picture_tower()->tower(batch.input);
      batch.input.pixel_values = torch::Tensor();
    }
    const LossSum loss = objective_->loss(*policy_, batch);
    const torch::Tensor share = loss.sum / static_cast<double>(loss.count);
    const double value = share.item<double>();
    share.backward();
    if (!last) widen_gradients(trainables_.tensors);
    return value;
  }
  /// Clipping and the optimizer's step → the gradients' norm.
  double step() {
    const double norm = gradient_norm(trainables_.tensors);
    clip_gradients(trainables_.tensors, norm, 1.0);
    optimizer_->step(1e-3);
    optimizer_->clear_gradients();
    return norm;
  }

  Model& model() { return *base_.model; }
  const Recipe& recipe() const { return recipe_; }
  const Trainables& trainables() const { return trainables_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  /// From here on what plugs drop is not dropped.
  void rest() {
    if (trainables_.adapter) trainables_.adapter->set_training(false, 0);
  }

 private:
  LoadedModel base_;
  Recipe recipe_;
  Trainables trainables_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Policy> policy_;
};

}  // namespace luthier::pretend
