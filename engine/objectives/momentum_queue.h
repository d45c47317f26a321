// SPDX-License-Identifier: GPL-3.0-or-later
// The contrast of BLIP's pretraining (Li et al. 2022; ALBEF, Li et al. 2021): pictures and texts go
// against what momentum copies make of the window and made of windows before it, which a queue
// holds; what the copies find alike is part of the target. As the authors' models/blip_pretrain.py.
#pragma once

#include <cstdint>

#include "engine/device/torch.h"

namespace luthier {

/// Unit vectors of pictures and texts, float32.
struct PairPoints {
  torch::Tensor images, texts;  ///< [rows, width]
};

/// A ring of the newest vectors, which begins as drawn ones.
class FeatureQueue {
 public:
  /// `size` vectors a side, drawn by the seed; 0: it stays empty.
  FeatureQueue(std::int64_t size, std::int64_t width, std::uint64_t seed, torch::Device device);

  /// The newest take the places of the oldest; of more than there is room for, the last ones.
  void add(const PairPoints& newest);
  /// As it was before the newest were added, once; nothing where none were.
  void take_back();

  torch::Tensor images, texts;  ///< [size, width] float32
  torch::Tensor next;           ///< [] int64, on the host: the place that is filled next

 private:
  PairPoints replaced_;   ///< what stood where the newest are
  torch::Tensor places_;  ///< where; undefined: none were added, or they were taken back
  std::int64_t next_before_ = 0;
};

/// Likenesses of a window's rows with all that stands beside them: [rows, rows + queue], scaled.
struct MomentumLogits {
  torch::Tensor pictures, texts;  ///< of each picture among texts, of each text among pictures
};
/// `points` against the copies' points and the queue.
MomentumLogits momentum_logits(const PairPoints& points, const PairPoints& copies,
                               const FeatureQueue& queue, const torch::Tensor& scale);
/// The mean over rows and both ways of −Σ target·log softmax(logits), the target of a row being
/// alpha·softmax of the copies' logits + (1 − alpha) of its own pair.
torch::Tensor momentum_loss(const MomentumLogits& logits, const MomentumLogits& of_copies,
                            double alpha);

}  // namespace luthier
