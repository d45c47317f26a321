// SPDX-License-Identifier: GPL-3.0-or-later
// Where a micro-batch goes through the model in parts side by side (batches/parts.h), plugs hang on
// one model for all of them. What they draw must differ from part to part, so each thread knows
// which one it makes: in the forward, and in the backward, where layers may be made once more.
#pragma once

#include <cstdint>

namespace luthier {

class BatchPart {
 public:
  /// The thread works on this part for as long as it lives.
  explicit BatchPart(std::uint64_t part);
  ~BatchPart();
  BatchPart(const BatchPart&) = delete;
  BatchPart& operator=(const BatchPart&) = delete;

  /// This thread's part; 0: the first, or there is only one.
  static std::uint64_t here();

 private:
  std::uint64_t before_;
};

}  // namespace luthier
