// SPDX-License-Identifier: GPL-3.0-or-later
// An output head that something hangs on (a LoRA of it, say): what the plug computes is its own, so
// autograd goes through it, but for one chunk of rows at a time. A chunk's graph reaches back to
// the chunk's states and to the plug's tensors, is asked for its gradients, and is gone before the
// next chunk is made.
#pragma once

#include <vector>

#include "engine/nn/linear.h"
#include "engine/objectives/chunk_gradient.h"

#include <torch/csrc/autograd/edge.h>

namespace luthier {

/// The logits of some rows.
struct AdaptedChunk {
  torch::Tensor states;        ///< [n, hidden]: where this graph begins
  torch::Tensor logits;        ///< [n, vocab], outside the graph and to be overwritten
  torch::autograd::Edge root;  ///< where the logits' gradient goes in; of no function: no graph

  bool has_graph() const { return root.is_valid(); }
};

/// The tensors that the graphs of an adapted head's chunks end in, and sums of their gradients.
class HeadGradients {
 public:
  HeadGradients() = default;
  /// Those that are known already, in this order.
  explicit HeadGradients(std::vector<torch::Tensor> tensors);

  /// Notes the tensors of a chunk's graph.
  void find(const AdaptedChunk& chunk);
  /// Adds what comes back for d(loss)/d(logits) = `gradient` → that of the states, undefined where
  /// none is wanted.
  torch::Tensor add(const AdaptedChunk& chunk, const torch::Tensor& gradient);

  const std::vector<torch::Tensor>& tensors() const { return tensors_; }
  /// Of each in float32; undefined: nothing came.
  const std::vector<torch::Tensor>& sums() const { return sums_; }

 private:
  std::size_t place_of(const torch::Tensor& tensor);

  std::vector<torch::Tensor> tensors_, sums_;
};

/// Rows [begin, end) of hidden [rows, hidden] through the plug that hangs (or hung) on the head,
/// with a graph where gradients are on and something of it wants one.
AdaptedChunk adapted_chunk(const torch::Tensor& hidden, std::int64_t begin, std::int64_t end,
                           const Linear& head, const LinearPlug* plug);

/// As chunked_loss, of a head that a plug hangs on.
torch::Tensor adapted_loss(const torch::Tensor& hidden, const Linear& head, std::int64_t step,
                           const ChunkLoss& loss, const torch::Tensor& shares = {});

}  // namespace luthier
