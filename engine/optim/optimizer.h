// SPDX-License-Identifier: GPL-3.0-or-later
// What turns gradients into steps. All optimizers share what is written here once: which tensors
// they move and in which groups, a state that comes into being with a tensor's first gradient, its
// names in a checkpoint and the checks when it is read back, float32 masters of tensors that are
// narrower, and that a step is whole or told as broken. A kind of optimizer says only which tensors
// it keeps for a parameter (its layout) and how one group is moved.
//
// A bfloat16 weight has eight bits of mantissa: most steps of training are smaller than half of its
// last one and would be rounded away. So each trained tensor that is not float32 has a float32
// master here; steps move the master and the tensor becomes its rounding. This is what
// mixed-precision training computes that keeps float32 weights and casts them for each product
// (Micikevicius et al. 2018; transformers' bf16: true over a model that was loaded in float32).
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
  double rate = 1;            ///< its learning rate is this many times the run's
  torch::Tensor master = {};  ///< its value in float32, where more of it is known than `tensor`
                              ///< holds; undefined: `tensor`'s own value
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  const std::vector<TrainedTensor>& tensors() const { return tensors_; }
  /// Moves every tensor that has a gradient; the others are left alone (no decay either). Missing
  /// state is made before anything is changed, so that running out of memory there leaves every
  /// weight as it was. What LibTorch throws passes through.
  void step(double learning_rate);
  /// False once a step broke off after the first weight had moved: weights and state are then
  /// neither those before it nor those after it, and must not be kept.
  bool is_whole() const { return whole_; }
  /// Frees the gradients (sets them to none).
  void clear_gradients();
  std::int64_t state_bytes() const;  ///< with the masters
  std::int64_t gradient_bytes() const;

  /// The float32 masters by their tensors' names.
  std::map<std::string, torch::Tensor> masters() const;

  /// The kept tensors and the number of steps by name: "NAME.exp_avg" and the like, "NAME.master"
  /// where there is one, "NAME.step". Tensors that never had a gradient have none.
  std::map<std::string, torch::Tensor> state() const;
  /// Takes back what state() gave: tensors that nobody else holds as they are, others as copies.
  /// A master that is missing (checkpoints of before had none) is made of its tensor. Input error
  /// for unknown names and shapes that do not fit; then nothing has changed.
  Status load_state(std::map<std::string, torch::Tensor> state, const std::string& where);

 protected:
  /// A tensor on its way through a step.
  struct Moved {
    torch::Tensor parameter;           ///< float32: the trained tensor itself or its master
    torch::Tensor gradient;            ///< of the trained tensor's own type, or float32
    std::vector<torch::Tensor> state;  ///< in the layout's order
    torch::Tensor rounded;             ///< the trained tensor where `parameter` is its master
  };
  /// Tensors that share rate, decay, count and types, so that they can share a kernel launch.
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
  /// The same where a device's own kernel can, which leaves the roundings in place too: how many
  /// members, from the first on, it has moved. The others are update()'s.
  virtual std::size_t update_with_kernels(const Group& group);

 private:
  struct Kept {
    std::int64_t step = 0;
    std::vector<torch::Tensor> tensors;  ///< empty until the first gradient
    torch::Tensor master;                ///< undefined where the trained tensor is float32
  };
  void make_missing_state();

  std::vector<TrainedTensor> tensors_;
  StateLayout layout_;
  double weight_decay_;
  std::vector<Kept> kept_;
  bool whole_ = true;
};

}  // namespace luthier
