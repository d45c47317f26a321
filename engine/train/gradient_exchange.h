// SPDX-License-Identifier: GPL-3.0-or-later
// The gradients of a window whose micro-batches several ranks went through. Each trained tensor has
// an owner among the ranks: after a round, in which every rank has one micro-batch behind it, they
// send the owner their gradients of it, and the owner adds them in the order of the micro-batches,
// in float32. That is the order and the type in which one process adds them, so that the sums are
// the same to the bit, however many ranks there are; a ring's are not. What goes over the line is as
// much as with a ring for one round a window, and half of that more for each further one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/optim/optimizer.h"
#include "engine/ranks/ranks.h"

namespace luthier {

/// Whose each tensor is: the largest first, to whom has least.
std::vector<int> gradient_owners(const std::vector<std::int64_t>& numbers, int ranks);

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
  /// The sums as every rank's gradients. `one`: of a single micro-batch, which has its tensors'
  /// types.
  Status finish(bool one);

 private:
  struct Piece {
    std::size_t tensor = 0;
    std::int64_t first = 0, count = 0;
  };
  using Bucket = std::vector<Piece>;
  torch::ScalarType type_of(std::size_t tensor, char standing) const;
  std::int64_t bytes_of(const Bucket& bucket, const std::string& standing) const;

  const std::vector<TrainedTensor>& tensors_;
  const std::shared_ptr<Ranks> ranks_;
  std::vector<std::vector<Bucket>> buckets_;  ///< of each owner
  std::size_t most_buckets_ = 0;
  std::vector<torch::Tensor> sums_;  ///< of what this rank owns: [numbers] float32
  std::vector<bool> summed_;         ///< which tensors have a sum, on whatever rank
};

}  // namespace luthier
