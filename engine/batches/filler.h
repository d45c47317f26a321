// SPDX-License-Identifier: GPL-3.0-or-later
// On the CPU a batch is rounded up with a few filler tokens, so that batches of nearly one size
// share the kernels that oneDNN makes a shape. On a device whose steps are recorded it is filled up
// further, so that batches of nearly one size share a recording. Training lays the filler and the
// forecast counts it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace luthier {

/// How many tokens of filler round a micro-batch of so many up on the CPU.
inline std::int64_t filler_tokens(std::int64_t tokens) {
  const std::int64_t unit = tokens < 512 ? 16 : tokens < 2048 ? 32 : 64;
  return (unit - tokens % unit) % unit;
}

/// Where one of two texts needs filler, the other has some, too.
inline std::int64_t filler_of_both(std::int64_t missing) { return missing > 0 ? missing : 16; }

/// What a recorded step's batch is filled up to.
struct RecordedSizes {
  std::int64_t tokens = 0, rows = 0, labels = 0;
};

/// The next number that is a multiple of `step` and of an eighth of the power of two below it.
inline std::int64_t eighths_up(std::int64_t number, std::int64_t step) {
  const auto power = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(number)));
  const std::int64_t unit = std::max(step, power / 8);
  return (number + unit - 1) / unit * unit;
}

/// Of a batch of so many, each at least 1. There is always a row of filler, which no other row
/// sees; where nothing has to be filled up it is empty. Labels go by eighths of the tokens, because
/// with more numbers of them few batches would meet a recording.
inline RecordedSizes recorded_sizes(std::int64_t tokens, std::int64_t rows, std::int64_t labels) {
  constexpr std::int64_t kFewestTokens = 64;
  RecordedSizes sizes;
  sizes.tokens = eighths_up(tokens, kFewestTokens);
  sizes.rows = eighths_up(rows + 1, 1);
  const std::int64_t unit = sizes.tokens / 8;
  sizes.labels = (labels + unit - 1) / unit * unit;
  return sizes;
}

/// Sizes that a run keeps recordings of. Each costs two steps that are launched piece by piece, and
/// some memory of the device for what is written down.
inline constexpr std::size_t kMostRecordings = 64;

}  // namespace luthier
