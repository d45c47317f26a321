// SPDX-License-Identifier: GPL-3.0-or-later
// Host tensors to a device in one copy. Each copy of its own costs a launch and, from memory that
// is not pinned, a wait; a batch has a dozen small ones.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// Tensors by a name, made on the host beside what they belong to.
using NamedTensorMap = std::map<std::string, torch::Tensor>;

/// Puts each tensor that is defined and not there yet on `device`. Those that come from the host go
/// together, through pinned memory where CUDA is asked, and share one block there, which lives as
/// long as any of them.
void move_together(const std::vector<torch::Tensor*>& tensors, torch::Device device);

/// Places on a device for tensors of certain sizes and types, which are filled again and again:
/// those of the host in one copy. A recording (device/graph) reads them there.
class StandingBlock {
 public:
  /// Each defined, of one number at least. `room`: memory to lie in, of a block that is not used at
  /// the same time, where it is large enough; undefined: none.
  StandingBlock(const std::vector<torch::Tensor>& like, torch::Device device,
                const torch::Tensor& room);
  /// In their order, with what was filled in last.
  const std::vector<torch::Tensor>& tensors() const { return tensors_; }
  /// The memory that it lies in: [bytes] uint8.
  const torch::Tensor& room() const { return room_; }
  /// `from`: of the same sizes and types, those of the host first.
  void fill(const std::vector<torch::Tensor>& from);

 private:
  torch::Tensor room_;
  std::vector<torch::Tensor> tensors_;
};

}  // namespace luthier
