// SPDX-License-Identifier: GPL-3.0-or-later
// How models of two towers are taught which picture goes with which text. CLIP's pick one another
// by softmax (Radford et al. 2021), SigLIP's judge each pair by itself (Zhai et al. 2023: those
// whose likenesses have a bias), ALIGN's pick with smoothed labels (Jia et al. 2021).
#pragma once

#include "engine/models/model.h"

namespace luthier {

/// Beside TwoTowers, of models whose labels are smoothed.
class SmoothedPairs {
 public:
  virtual ~SmoothedPairs() = default;
  /// The share of a label that is spread over all rows.
  virtual double label_smoothing() const = 0;
};

/// texts [rows, width] and images [pictures, width], scaled and shifted: [rows, pictures] float32.
/// images [pictures, points, width]: of a picture's points the likest counts (BLIP-2).
/// `scale` and `bias`: the towers' own, or what stands for them in a window.
torch::Tensor likeness(const torch::Tensor& texts, const torch::Tensor& images,
                       const torch::Tensor& scale, const torch::Tensor& bias);
/// The loss of likenesses [rows, rows] whose pairs stand on the diagonal, summed over the rows.
torch::Tensor pair_loss(TwoTowers& towers, const torch::Tensor& logits_per_text);
/// What likenesses [rows, pictures] say of each picture: the shares of the texts among all, or of
/// each the probability that it belongs to it: [pictures, rows].
torch::Tensor picture_probabilities(TwoTowers& towers, const torch::Tensor& logits_per_text);

}  // namespace luthier
