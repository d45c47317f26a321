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
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/optimizer_state.h"
#include "engine/config/recipe.h"
#include "engine/device/torch.h"

namespace luthier {

/// One tensor that training changes.
struct TrainedTensor {
  std::string name;      ///< in-memory name, or PEFT's key for an adapter's tensor
  std::string part;      ///< vision_tower | projector | language_model
  torch::Tensor tensor;  ///< a leaf that requires a gradient
  bool decay = true;
  double rate = 1;            ///< its learning rate is this many times the run's
  std::int64_t from_step = 0;  ///< it takes no gradient in the steps before
  torch::Tensor master = {};  ///< its value in float32, where more of it is known than `tensor`
                              ///< holds; undefined: `tensor`'s own value
  TensorUse use = TensorUse::Other;
  bool plug = false;  ///< of an adapter's plug, not of a module that trains whole

  TrainedShape shape() const { return {tensor.sizes().vec(), use}; }
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
  std::int64_t state_bytes() const;  ///< where the tensors are, with the masters
  std::int64_t paged_bytes() const;  ///< in the machine's memory, of tensors on a device
  std::int64_t gradient_bytes() const;
  /// Whether state may lie in the machine's memory.
  bool pages() const { return pages_; }

  /// The float32 masters by their tensors' names; of what is shown.
  std::map<std::string, torch::Tensor> masters() const;

  /// Steps in which the rate rises from 0, for an optimizer that sees to it itself.
  virtual void set_warmup(std::int64_t) {}
  /// Whether what is evaluated, answered with and saved is another point than the one that trains.
  virtual bool has_averages() const { return false; }
  /// Puts that point into the trained tensors, and back what trains, to the bit. Calls may be
  /// nested; no step is taken in between. What LibTorch throws passes through, and then nothing has
  /// changed.
  void show_averages();
  void show_trained();

  /// The kept tensors and the number of steps by name: "NAME.exp_avg" and the like, "NAME.master"
  /// where there is one, "NAME.step". Tensors that never had a gradient have none.
  std::map<std::string, torch::Tensor> state() const;
  /// Before a state is read from a file that stores tensors of these names: lets go of each master
  /// that it has another for, so that the two never stand in memory at once. What follows is
  /// load_state; without it those masters are their tensors' roundings.
  void make_room_for(const std::function<bool(const std::string&)>& stores);
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
  /// Tensors that share rate, decay, count and types, and of which as many tensors are kept, so
  /// that they can share a kernel launch.
  struct Group {
    double rate = 0, decay = 0;
    std::int64_t step = 0;  ///< steps that these tensors have taken, this one included
    std::vector<Moved> members;
  };

  /// What the recipe's optimizer keeps for a tensor, its row says.
  Optimizer(std::vector<TrainedTensor> tensors, const Recipe& recipe);
  Optimizer(std::vector<TrainedTensor> tensors, const StateLayout& layout, double weight_decay);
  /// One step of a group; called without autograd.
  virtual void update(const Group& group) = 0;
  /// The same where a device's own kernel can, which leaves the roundings in place too: how many
  /// members, from the first on, it has moved. The others are update()'s.
  virtual std::size_t update_with_kernels(const Group& group);

  /// Around the updates of a step: what goes for all tensors, of which nothing may last until the
  /// step is done.
  virtual void begin_step(double /*learning_rate*/) {}
  virtual void end_step() {}
  /// With has_averages(): the point to show, from the one that trains and its state.
  virtual torch::Tensor average_of(const torch::Tensor& trained,
                                   const std::vector<torch::Tensor>& state) const;
  /// What is kept besides the tensors' own state, by name.
  virtual std::map<std::string, torch::Tensor> more_state() const { return {}; }
  /// Takes it back: `rest` is what of a state belongs to no tensor, `any`: some tensor has one.
  /// Input error where it is not what more_state() gives; then nothing has changed.
  virtual Status take_more(const std::map<std::string, torch::Tensor>& rest, bool any,
                           const std::string& where);

 private:
  struct Kept {
    std::vector<StateTensor> layout;  ///< of `tensors`
    std::int64_t step = 0;
    bool made = false;                   ///< with the first gradient
    std::vector<torch::Tensor> tensors;  ///< in the layout's order
    torch::Tensor master;                ///< undefined where the trained tensor is float32
    torch::Tensor trained;               ///< while an average is shown in the tensor: what trains
  };
  void make_missing_state();
  torch::Tensor room_for_pages() const;
  void move(Group& group, const torch::Tensor& room);
  void move_here(Group& group);
  const torch::Tensor& point_of(std::size_t i) const;
  Status read_tensor(std::size_t i, const std::map<std::string, torch::Tensor>& state,
                     const std::string& where, Kept& read, torch::Tensor& point,
                     std::set<std::string>& used) const;

  std::vector<TrainedTensor> tensors_;
  double weight_decay_;
  std::vector<Kept> kept_;
  bool whole_ = true, pages_ = false;
  int shown_ = 0;  ///< calls of show_averages() that wait for theirs of show_trained()
};

/// While it lives, what is to be evaluated and saved is shown.
class AveragesShown {
 public:
  explicit AveragesShown(Optimizer& optimizer) : optimizer_(optimizer) {
    optimizer_.show_averages();
  }
  ~AveragesShown() { optimizer_.show_trained(); }
  AveragesShown(const AveragesShown&) = delete;
  AveragesShown& operator=(const AveragesShown&) = delete;

 private:
  Optimizer& optimizer_;
};

}  // namespace luthier
