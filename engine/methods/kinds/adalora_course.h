// SPDX-License-Identifier: GPL-3.0-or-later
// What AdaLoRA does while it trains (Zhang et al. 2023), as PEFT does it: a term of the loss keeps
// the vectors orthogonal, each step smooths how much each number matters, and a budget that falls
// as a cube says how many singular values of all modules may stay. Those that do not are set to
// zero; a finished file leaves their vectors out.
#pragma once

#include "engine/config/recipe.h"
#include "engine/methods/adapter_course.h"

namespace luthier {

/// What stands before B · (A ∘ E): alpha over the rank at the start, whatever was pruned since.
double adalora_scale(const AdapterSettings& settings);

class AdaloraCourse : public AdapterCourse {
 public:
  /// `trained`: A, B and E of each module, one module after the other.
  AdaloraCourse(const Named& trained, const AdapterSettings& settings);

  Status begin(std::int64_t total_steps) override;
  torch::Tensor loss_term() const override;
  void after_step(std::int64_t step) override;
  std::map<std::string, torch::Tensor> state() const override;
  Status load_state(const std::map<std::string, torch::Tensor>& state,
                    const std::string& where) override;
  Named finished(Named trained) const override;
  Json facts(bool finished) const override;

  /// How many singular values may stay after a step, of a schedule of `total` steps.
  std::int64_t budget(std::int64_t step, std::int64_t total) const;

 private:
  /// One trained tensor: its importance and how much that varies, smoothed; made at the first step.
  struct Watched {
    std::string key;
    torch::Tensor tensor, importance, uncertainty;
  };
  /// A module's triplets.
  struct Module {
    Watched a, b, e;     ///< [r, in], [out, r], [r, 1]
    torch::Tensor kept;  ///< [r] bool, since the last pruning; undefined: there was none
  };

  template <class Do>
  void each(Do&& act);
  void weigh();
  void prune(std::int64_t budget);
  void keep_pruned();

  std::vector<Module> modules_;
  std::int64_t all_ = 0, target_ = 0;  ///< singular values at first and at last
  std::int64_t init_r_, tinit_, tfinal_, interval_, total_ = 0;
  double beta1_, beta2_, orthogonality_;
};

}  // namespace luthier
