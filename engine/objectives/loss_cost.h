// SPDX-License-Identifier: GPL-3.0-or-later
// What a loss needs while it is made of the last states. No LibTorch.
#pragma once

#include <cstdint>

namespace luthier {

struct HeadCost;
struct Pass;
struct StepTerms;

/// Logits exist for so many rows at a time: 16 MiB of float32, which a processor's caches hold in
/// part, or 256 MiB on a device, which reads the whole head once for each chunk.
inline std::int64_t loss_chunk(std::int64_t vocabulary, bool cpu) {
  const std::int64_t numbers = std::int64_t{1} << (cpu ? 22 : 26);
  return vocabulary < numbers ? numbers / vocabulary : 1;
}

struct LossCost {
  std::int64_t work = 0;      ///< at its peak
  std::int64_t gradient = 0;  ///< of the head's weight, in float32; 0: it gets none
};

/// While the logits of a chunk of so many rows become their gradient and this goes back through the
/// head, whatever hangs on it. `copied`: narrow logits are copied in float32 for it.
std::int64_t chunk_bytes(const StepTerms& terms, const HeadCost& head, std::int64_t rows,
                         bool copied);

/// Of the gradients of the head's own weight and of what hangs on it.
struct WeightGradient {
  std::int64_t sum = 0;        ///< of the weight's, in float32
  std::int64_t growing = 0;    ///< that sum with a chunk's share of it
  std::int64_t handed_on = 0;  ///< and with what autograd gets of it
};
WeightGradient weight_gradient(const StepTerms& terms, const HeadCost& head);

/// Of the last states, those with a label among them and the gradient of these.
std::int64_t last_state_bytes(const Pass& pass, const HeadCost& head);

/// Of cross-entropy at the labels (chunked_cross_entropy), the chosen states' gather included.
LossCost cross_entropy_cost(const Pass& pass, const HeadCost& head);
/// Of the labels' log-probabilities (token_values), which make each chunk's logits twice.
LossCost token_values_cost(const Pass& pass, const HeadCost& head);
/// Of the distance from a teacher (chunked_divergence), whose states of so many numbers stand
/// beside.
LossCost divergence_cost(const Pass& pass, const HeadCost& head, std::int64_t teacher_width);

}  // namespace luthier
