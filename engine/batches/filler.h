// SPDX-License-Identifier: GPL-3.0-or-later
// On the CPU a batch is rounded up with a few filler tokens, so that batches of nearly one size
// share the kernels that oneDNN makes a shape. Training lays them and the forecast counts them.
#pragma once

#include <cstdint>

namespace luthier {

/// How many tokens of filler round a micro-batch of so many up on the CPU.
inline std::int64_t filler_tokens(std::int64_t tokens) {
  const std::int64_t unit = tokens < 512 ? 16 : tokens < 2048 ? 32 : 64;
  return (unit - tokens % unit) % unit;
}

/// Where one of two texts needs filler, the other has some, too.
inline std::int64_t filler_of_both(std::int64_t missing) { return missing > 0 ? missing : 16; }

}  // namespace luthier
