// SPDX-License-Identifier: GPL-3.0-or-later
// The linears are made without memory first and then given their places in what they share: what
// they stand in is allocated once, and filled by whoever loads or draws weights, tensor by tensor.
#include <numeric>

#include "engine/device/neighbours.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

std::vector<Linear> neighbouring_linears(std::int64_t in, const std::vector<std::int64_t>& out,
                                         bool bias, const torch::TensorOptions& options) {
  const std::int64_t rows = std::accumulate(out.begin(), out.end(), std::int64_t{0});
  const auto weights = parted_below(torch::empty({rows, in}, options), out);
  std::vector<torch::Tensor> biases;
  if (bias) biases = parted_below(torch::empty({rows}, options), out);
  std::vector<Linear> linears;
  for (std::size_t i = 0; i < out.size(); ++i) {
    Linear linear(in, out[i], bias, options.device(torch::kMeta));
    linear->place("weight", weights[i]);
    if (bias) linear->place("bias", biases[i]);
    linears.push_back(linear);
  }
  return linears;
}

}  // namespace luthier
