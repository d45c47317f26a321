// SPDX-License-Identifier: GPL-3.0-or-later
// Schedule-free AdamW (Defazio et al. 2024) as schedulefree's AdamWScheduleFree computes it. Three
// points: z takes the steps, x is its average, gradients are taken at y between the two. The
// trained tensors hold y, z stands beside them, and x is where the line from z through y leads.
// Counts and weights of the average go for all tensors alike, whenever each had its first gradient.
#include <algorithm>
#include <cmath>

#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

using torch::Tensor;

constexpr const char* kAverage = "schedule_free";  // of the state: steps, sum of weights, top rate

class ScheduleFreeAdamW : public Optimizer {
 public:
  ScheduleFreeAdamW(std::vector<TrainedTensor> tensors, const Recipe& recipe)
      : Optimizer(std::move(tensors), recipe),
        beta1_(recipe.training.adam_beta1),
        beta2_(recipe.training.adam_beta2),
        epsilon_(recipe.training.adam_epsilon) {}

  void set_warmup(std::int64_t steps) override { warmup_ = steps; }
  bool has_averages() const override { return true; }

 protected:
  void begin_step(double learning_rate) override {
    next_ = done_;
    ++next_.steps;
    rise_ = next_.steps <= warmup_ ? static_cast<double>(next_.steps) / static_cast<double>(warmup_)
                                   : 1;
    next_.top_rate = std::max(next_.top_rate, learning_rate * rise_);
    const double weight = next_.top_rate * next_.top_rate;
    next_.weights += weight;
    share_ = next_.weights > 0 ? weight / next_.weights : 0;
  }

  void update(const Group& group) override {
    const double rate = group.rate * rise_,
                 correction = 1 - std::pow(beta2_, static_cast<double>(next_.steps));
    for (const Moved& moved : group.members) {
      Tensor y = moved.parameter, squares = moved.state[0], z = moved.state[1];
      if (group.step == 1) z.copy_(y);
      const Tensor gradient = moved.gradient.to(torch::kFloat32);
      squares.mul_(beta2_).addcmul_(gradient, gradient, 1 - beta2_);
      Tensor change = squares.div(correction).sqrt_().add_(epsilon_);
      change = gradient.div(change);
      if (group.decay != 0) change.add_(y, group.decay);
      y.lerp_(z, share_).add_(change, rate * (beta1_ * (1 - share_) - 1));
      z.sub_(change, rate);
    }
  }

  void end_step() override { done_ = next_; }

  Tensor average_of(const Tensor& trained, const std::vector<Tensor>& state) const override {
    return trained.lerp(state[1], 1 - 1 / beta1_);
  }

  std::map<std::string, Tensor> more_state() const override {
    if (done_.steps == 0) return {};
    return {
        {kAverage, torch::tensor({static_cast<double>(done_.steps), done_.weights, done_.top_rate},
                                 torch::kFloat64)}};
  }

  Status take_more(const std::map<std::string, Tensor>& rest, bool any,
                   const std::string& where) override {
    if (!any) {
      LUTHIER_CHECK(Optimizer::take_more(rest, any, where));
      done_ = {};
      return {};
    }
    const auto found = rest.find(kAverage);
    if (found == rest.end() || found->second.scalar_type() != torch::kFloat64 ||
        found->second.numel() != 3)
      return input_error("The optimizer's state is not whole.", where + ": " + kAverage);
    if (rest.size() > 1) return Optimizer::take_more(rest, any, where);
    const Tensor numbers = found->second.cpu().contiguous();
    const double* read = numbers.const_data_ptr<double>();
    done_ = {static_cast<std::int64_t>(read[0]), read[1], read[2]};
    return {};
  }

 private:
  /// Of the average.
  struct Average {
    std::int64_t steps = 0;
    double weights = 0, top_rate = 0;
  };

  double beta1_, beta2_, epsilon_;
  std::int64_t warmup_ = 0;
  Average done_, next_;  ///< of the steps that are done; with the one that is being taken
  double rise_ = 1,
         share_ = 0;  ///< of that one: what the warmup leaves of the rate, z's share in x
};

}  // namespace

std::unique_ptr<Optimizer> schedule_free_adamw_optimizer(std::vector<TrainedTensor> tensors,
                                                         const Recipe& recipe) {
  return std::make_unique<ScheduleFreeAdamW>(std::move(tensors), recipe);
}

/// The root of the squares, and the change that is made of it.
StepRoom schedule_free_adamw_step_room(const TrainedShape& shape, const Recipe&) {
  return {2 * shape.numbers()};
}

}  // namespace luthier
