// SPDX-License-Identifier: GPL-3.0-or-later
// Gradients that stay in their place from window to window: a recorded step (device/graph) adds to
// them there. They are zeroed and not dropped; yet a tensor that no gradient has reached must have
// none at a window's end, because the optimizer moves whatever has one.
#pragma once

#include <functional>
#include <vector>

#include "engine/optim/optimizer.h"

namespace luthier {

class StandingGradients {
 public:
  /// `wide`: they are float32, which windows of several micro-batches need; else of the tensors'
  /// own types.
  StandingGradients(const std::vector<TrainedTensor>& tensors, bool wide)
      : tensors_(tensors), wide_(wide) {}

  /// Gives every tensor its standing gradient, at 0.
  void begin();
  /// Does work whose backward may reach any of the tensors: its gradients are made by themselves,
  /// and then added. → which tensors they are of. What the work throws passes through, and nothing
  /// of it was added.
  std::vector<bool> apart(const std::function<void()>& work);
  /// Work has added to those of these tensors where they stand.
  void reach(const std::vector<bool>& tensors);
  /// Takes the standing gradients from tensors that nothing has reached since begin().
  void end();

 private:
  void attach(bool on);

  const std::vector<TrainedTensor>& tensors_;
  const bool wide_;
  std::vector<torch::Tensor> standing_;  ///< of each tensor
  std::vector<bool> reached_;
};

}  // namespace luthier
