// SPDX-License-Identifier: GPL-3.0-or-later
// A linear's weight, asked for products, its sizes and its dense form, so that nobody outside knows
// how its numbers stand in memory. Dense: one tensor, which may be trained and which an adapter's
// modules_to_save swaps. Packed: numbers of a few bits (packed_weight.h), made dense for some rows
// at a time, never trained.
#pragma once

#include "engine/nn/packed_weight.h"

namespace luthier {

/// Numbers of a packed weight that are made dense at a time: 16 MiB of float32.
inline constexpr std::int64_t kDenseRun = 1 << 22;

class Weight {
 public:
  Weight() = default;
  explicit Weight(torch::Tensor dense);
  explicit Weight(PackedPointer packed);

  std::int64_t rows() const;        ///< out_features
  std::int64_t cols() const;        ///< in_features
  std::int64_t bytes() const;       ///< in memory
  torch::ScalarType dtype() const;  ///< of the dense form
  torch::Device device() const;
  bool packed() const { return static_cast<bool>(packed_); }
  /// Whether a strategy may train it at all, and whether one does.
  bool can_train() const { return !packed(); }
  bool trained() const { return !packed() && dense_.requires_grad(); }
  /// Whether its product with a row goes by that row alone.
  bool row_by_row() const { return !packed() || packed_->row_by_row(); }

  /// x [..., in] · Wᵀ + bias → [..., out], bias [out] or undefined. Differentiable in x, in bias
  /// and, where it is dense and trained, in the weight.
  torch::Tensor product(const torch::Tensor& x, const torch::Tensor& bias) const;
  /// gradient [n, out] · W → [n, in], outside autograd.
  torch::Tensor product_back(const torch::Tensor& gradient) const;
  /// [out, in]: the tensor itself where it is dense, else a new one of dtype(), or of the one asked
  /// for without having been rounded to dtype().
  torch::Tensor dense() const;
  torch::Tensor dense(torch::ScalarType dtype) const;
  /// Other numbers of the same shape, rounded once to dtype(). A dense weight only: merging makes
  /// a model dense first (LinearImpl::unpack).
  void assign(const torch::Tensor& values);
  /// Whether it is this very tensor: a tied head's is the embedding's.
  bool shares(const torch::Tensor& tensor) const;

  // For autograd functions that have a product inside: what autograd knows of the weight (an empty
  // tensor stands for a packed one), what else the context must keep (context->saved_data), and the
  // weight again from both.
  torch::Tensor leaf() const;
  c10::IValue kept() const;
  Weight(const torch::Tensor& leaf, const c10::IValue& kept);

  /// For the module that holds the weight, which registers the tensor and names it as a slot.
  torch::Tensor& slot() { return dense_; }
  const PackedPointer& packing() const { return packed_; }  ///< null: dense

 private:
  torch::Tensor dense_;
  PackedPointer packed_;
};

}  // namespace luthier
