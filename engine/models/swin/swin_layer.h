// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Swin's: attention within the windows of a map, and an MLP, each behind a norm and
// beside what goes around it.
#pragma once

#include <functional>
#include <map>

#include "engine/models/swin/swin_body.h"
#include "engine/nn/linear.h"

namespace luthier {

/// A map of states while it is cut into windows.
struct WindowGrid {
  std::int64_t window = 0, shift = 0;  ///< a window's side; how far up and left the map is turned
  std::int64_t rows = 0, columns = 0;  ///< of the map with what fills the last windows

  /// Of a map of this size: one window where it is no larger than that, which nothing shifts.
  static WindowGrid over(std::int64_t rows, std::int64_t columns, std::int64_t window,
                         std::int64_t shift);
  std::int64_t windows() const { return rows / window * (columns / window); }
  std::int64_t area() const { return window * window; }
};

class SwinAttention : public torch::nn::Module {
 public:
  SwinAttention(const SwinOptions& o, std::size_t stage, const torch::TensorOptions& t);
  /// [maps · windows · area, width], map by map and window by window → the same.
  torch::Tensor forward(const torch::Tensor& x, const WindowGrid& grid) const;
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t maps, const WindowGrid& grid,
                           bool flows) const;

 private:
  class Bias;
  std::int64_t heads_;
  std::shared_ptr<Bias> bias_;
  Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, mixed_{nullptr};
};

class SwinLayer : public torch::nn::Module {
 public:
  SwinLayer(const SwinOptions& o, std::size_t stage, bool shifted, const torch::TensorOptions& t);
  /// [maps, rows, columns, width] → the same. `beside`: what becomes of the attention's result, of
  /// the same shape, before it is added.
  torch::Tensor forward(const torch::Tensor& x, const SwinBeside& beside = {}) const;
  /// `flows`: a gradient is wanted below; `joined`: one is of what becomes of the attention's
  /// result.
  LayerCost cost(const StepTerms& terms, std::int64_t maps, std::int64_t rows, std::int64_t columns,
                 bool flows, bool joined = false) const;

 private:
  std::int64_t window_, shift_;
  Activation activation_;
  LayerNorm before_{nullptr}, after_{nullptr};
  std::shared_ptr<SwinAttention> attention_;
  Linear wide_{nullptr}, narrow_{nullptr};
};

}  // namespace luthier
