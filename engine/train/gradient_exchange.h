// SPDX-License-Identifier: GPL-3.0-or-later
// The gradients of a window whose micro-batches several ranks went through. Each trained tensor has
// an owner among the ranks: after a round, in which every rank has one micro-batch behind it, they
// send the owner their gradients of it, and the owner adds them in the order of the micro-batches,
// in float32. That is the order and the type in which one process adds them, so that the sums are
// the same to the bit, however many ranks there are; a ring's are not. What goes over the line is
// as much as with a ring for one round a window, and half of that more for each further one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/optim/optimizer.h"
#include "engine/ranks/ranks.h"

namespace luthier {

class GradientExchange {
 public:
  GradientExchange(const std::vector<TrainedTensor>& tensors, std::shared_ptr<Ranks> ranks);

  /// Forgets the sums of a window that was not finished.
  void begin();
  /// A letter for each tensor, of the gradients that stand: '0' none, '1' of the tensor's type, '2'
  /// in float32.
  std::string standing() const;
  /// Adds the gradients of a round, and takes them off the tensors. `standing`: every rank's, in
  /// their order.
  Status add(const std::vector<std::string>& standing);
  /// The sums as every rank's gradients; sharded, as their owners' alone. `one`: of a single
  /// micro-batch, which has its tensors' types.
  Status finish(bool one);

  /// Gradients stay with their owners, whose optimizer moves what is theirs; the others are sent
  /// the moved weights (ZeRO's first stage, Rajbhandari et al. 2020). Called before the first
  /// window.
  void shard() { sharded_ = true; }
  bool sharded() const { return sharded_; }
  bool owns(std::size_t tensor) const { return owners_[tensor] == ranks_->rank(); }
  /// Of all gradients, as gradient_norm_there has it of one process's: [] float32, undefined where
  /// there are none. Behind finish().
  Result<torch::Tensor> norm() const;
  /// The owners' weights, in all ranks' tensors.
  Status spread() const;

 private:
  struct Piece {
    std::size_t tensor = 0;
    std::int64_t first = 0, count = 0;
  };
  using Bucket = std::vector<Piece>;
  torch::ScalarType type_of(std::size_t tensor, char standing) const;
  std::int64_t bytes_of(const Bucket& bucket, const std::string& standing) const;
  /// What each owner has of its tensors, bytes of them, at all ranks: `from` reads a piece where it
  /// is owned (of a tensor that `is_there`), `into` writes one where it is not or is.
  Status owners_to_all(const std::function<bool(std::size_t)>& is_there,
                       const std::function<torch::ScalarType(std::size_t)>& type,
                       const std::function<torch::Tensor(const Piece&)>& from,
                       const std::function<void(const Piece&, const torch::Tensor&)>& into) const;
  void give_back(bool one);
  /// Of bytes that are to be sent: where the ranks' line takes them.
  torch::TensorOptions bytes_there() const;

  const std::vector<TrainedTensor>& tensors_;
  const std::shared_ptr<Ranks> ranks_;
  std::vector<int> owners_;                   ///< of each tensor
  std::vector<std::vector<Bucket>> buckets_;  ///< of each owner
  std::size_t most_buckets_ = 0;
  std::vector<torch::Tensor> sums_;  ///< of what this rank owns: [numbers] float32
  std::vector<bool> summed_;         ///< which tensors have a sum, on whatever rank
  bool sharded_ = false;
};

}  // namespace luthier
