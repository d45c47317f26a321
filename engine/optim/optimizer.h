// SPDX-License-Identifier: GPL-3.0-or-later
// What turns gradients into steps. All optimizers share what is written here once: which tensors
// they move and in which groups, a state that comes into being with a tensor's first gradient, its
// names in a checkpoint and the checks when it is read back. A kind of optimizer says only which
// tensors it keeps for a parameter (its layout) and how one group is moved.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/optimizer_state.h"
#include "engine/device/torch.h"

namespace luthier {

/// One tensor that training changes.
struct TrainedTensor {
  std::string name;      ///< in-memory name, or PEFT's key for an adapter's tensor
  std::string part;      ///< vision_tower | projector | language_model
  torch::Tensor tensor;  ///< a leaf that requires a gradient
  bool decay = true;
  double rate = 1;  ///< its learning rate is this many times the run's
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  const std::vector<TrainedTensor>& tensors() const { return tensors_; }
  /// Moves every tensor that has a gradient; the others are left alone (no decay either). Missing
  /// state is made before anything is changed, so that running out of memory there leaves every
  /// weight as it was.
  void step(double learning_rate);
  /// Frees the gradients (sets them to none).
  void clear_gradients();
  std::int64_t state_bytes() const;
  std::int64_t gradient_bytes() const;

  /// The kept tensors and the number of steps by name: "NAME.exp_avg" and the like, "NAME.step".
  /// Tensors that never had a gradient have none.
  std::map<std::string, torch::Tensor> state() const;
  /// Takes back what state() gave: tensors that nobody else holds as they are, others as copies.
  /// Input error for unknown names and shapes that do not fit; then nothing has changed.
  Status load_state(std::map<std::string, torch::Tensor> state, const std::string& where);

 protected:
  /// A tensor on its way through a step.
  struct Moved {
    torch::Tensor parameter, gradient;
    std::vector<torch::Tensor> state;  ///< in the layout's order
  };
  /// Tensors that share rate, decay and count, so that they can share a kernel launch.
  struct Group {
    double rate = 0, decay = 0;
    std::int64_t step = 0;  ///< steps that these tensors have taken, this one included
    std::vector<Moved> members;
  };

  /// `name`: its row's, which says what it keeps for a tensor.
  Optimizer(std::vector<TrainedTensor> tensors, const std::string& name, double weight_decay);
  Optimizer(std::vector<TrainedTensor> tensors, StateLayout layout, double weight_decay);
  /// One step of a group; called without autograd.
  virtual void update(const Group& group) = 0;

 private:
  struct Kept {
    std::int64_t step = 0;
    std::vector<torch::Tensor> tensors;  ///< empty until the first gradient
  };
  void make_missing_state();

  std::vector<TrainedTensor> tensors_;
  StateLayout layout_;
  double weight_decay_;
  std::vector<Kept> kept_;
};

/// Calls `change` with the parameter as float32: itself, or a copy that is then rounded back once.
template <class Change>
void change_in_float32(torch::Tensor parameter, const Change& change) {
  if (parameter.scalar_type() == torch::kFloat32) {
    change(parameter);
    return;
  }
  torch::Tensor value = parameter.to(torch::kFloat32);
  change(value);
  parameter.copy_(value);
}

}  // namespace luthier
