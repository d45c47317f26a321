// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/check/tuning.h"

#include <ATen/CPUGeneratorImpl.h>

#include "engine/optim/gradients.h"

namespace luthier {

Result<Recipe> recipe_without_files(const std::vector<std::string>& settings) {
  std::vector<std::string> all{"model=none", "dataset=none", "output_dir=none"};
  all.insert(all.end(), settings.begin(), settings.end());
  return parse_recipe("", "gpu-check", all);
}

Result<std::unique_ptr<Tuning>> Tuning::begin(LoadedModel base, const Recipe& recipe) {
  std::unique_ptr<Tuning> tuning(new Tuning(std::move(base), recipe));
  LUTHIER_TRY(tuning->trainables_, apply_strategy(tuning->base_, recipe));
  LUTHIER_TRY(tuning->objective_, make_objective(recipe));
  tuning->optimizer_ = make_optimizer(tuning->trainables_.tensors, recipe);
  for (TrainedTensor& trained : tuning->trainables_.tensors) trained.master.reset();
  tuning->runner_ = std::make_unique<StepRunner>(tuning->base_, *tuning->objective_,
                                                 tuning->trainables_, nullptr);
  tuning->base_.model->set_gradient_checkpointing(recipe.training.gradient_checkpointing == "true");
  return tuning;
}

double Tuning::micro_batch(const MicroBatch& rows, std::uint64_t seed) {
  norm_.reset();
  trainables_.set_training(objective_->dropout(), seed);
  Policy& policy = runner_->policy();
  const Batch batch =
      policy.batch(rows, objective_->row_kind().order(), BatchMaker::Pass::Training);
  const LossSum loss = objective_->loss(policy, batch);
  const torch::Tensor share = loss.sum / static_cast<double>(loss.count);
  const double value = share.item<double>();
  share.backward();
  return value;
}

Result<double> Tuning::window(const std::vector<MicroBatch>& batches, std::uint64_t seed) {
  Window window;
  window.batches = batches;
  LUTHIER_TRY(const WindowOutcome outcome, runner_->accumulate(window, seed, 0));
  norm_ = outcome.norm;
  return outcome.loss;
}

bool Tuning::fill_up(bool records) {
  if (!can_record(base_, *objective_)) return false;
  runner_->fill_up(recipe_.training.gradient_accumulation_steps, records);
  return true;
}

std::size_t Tuning::recordings() const {
  return runner_->recorded() ? runner_->recorded()->recordings() : 0;
}

double Tuning::step(double rate) {
  const double norm = norm_ ? *norm_ : gradient_norm(trainables_.tensors);
  clip_gradients(trainables_.tensors, norm, recipe_.training.max_grad_norm);
  optimizer_->step(rate);
  clear_gradients();
  return norm;
}

void Tuning::clear_gradients() {
  norm_.reset();
  optimizer_->clear_gradients();
}

void Tuning::draw_adapter(torch::ScalarType rounding) {
  if (!trainables_.adapter) return;
  constexpr std::uint64_t kSeed = 11;
  constexpr double kSpread = 0.05;
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(kSeed);
  for (TrainedTensor& trained : trainables_.tensors) {
    const torch::Tensor values =
        torch::empty(trained.tensor.sizes(), torch::kFloat32).normal_(0, kSpread, generator);
    trained.tensor.copy_(values.to(rounding).to(trained.tensor.scalar_type()));
  }
}

void Tuning::rest() { trainables_.set_training(false, 0); }

}  // namespace luthier
