// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW (Loshchilov & Hutter 2019), step for step what torch.optim.AdamW does: decoupled decay,
// bias correction, a step count of its own for each tensor, and tensors without a gradient left
// alone (no decay either). Moments are float32 whatever the parameter's dtype. State comes into
// being with a tensor's first gradient, before anything is changed, so that running out of memory
// there leaves every weight as it was.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

/// One tensor that training changes.
struct TrainedTensor {
  std::string name;      ///< in-memory name, or PEFT's key for an adapter's tensor
  std::string part;      ///< vision_tower | projector | language_model
  torch::Tensor tensor;  ///< a leaf that requires a gradient
  bool decay = true;
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
};

class AdamW {
 public:
  AdamW(std::vector<TrainedTensor> tensors, const AdamWOptions& options)
      : tensors_(std::move(tensors)), options_(options), states_(tensors_.size()) {}

  const std::vector<TrainedTensor>& tensors() const { return tensors_; }
  void step(double learning_rate);
  /// Frees the gradients (sets them to none).
  void clear_gradients();
  std::int64_t state_bytes() const;
  std::int64_t gradient_bytes() const;

  /// Moments and step counts by name: "NAME.exp_avg", "NAME.exp_avg_sq", "NAME.step". Tensors that
  /// never had a gradient have none.
  std::map<std::string, torch::Tensor> state() const;
  /// Takes back what state() gave: tensors that nobody else holds as they are, others as copies.
  /// Input error for unknown names and shapes that do not fit.
  Status load_state(std::map<std::string, torch::Tensor> state, const std::string& where);

 private:
  struct State {
    std::int64_t step = 0;
    torch::Tensor exp_avg, exp_avg_sq;  ///< float32, the parameter's shape
  };
  void make_states();
  void step_fused(const std::vector<std::size_t>& group, double learning_rate, double decay);
  void step_rounded(std::size_t index, double learning_rate, double decay);

  std::vector<TrainedTensor> tensors_;
  AdamWOptions options_;
  std::vector<State> states_;
};

/// The 2-norm of all gradients together, as torch.nn.utils.clip_grad_norm_ has it: the norm of the
/// tensors' float32 norms.
double gradient_norm(const std::vector<TrainedTensor>& tensors);
/// Multiplies every gradient with min(1, max_norm / (norm + 1e-6)); nothing when max_norm <= 0.
void clip_gradients(const std::vector<TrainedTensor>& tensors, double norm, double max_norm);

}  // namespace luthier
