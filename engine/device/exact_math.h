// SPDX-License-Identifier: GPL-3.0-or-later
// The same numbers to the bit whenever a run is done again or resumed on the same card: while this
// object lives, LibTorch takes algorithms on CUDA that add in one order. Asked for with warn_only
// (as it once was here), flash attention's backward, the memory-efficient one's and cuDNN's stay as
// fast as they can be and differ from run to run; so it is asked for in earnest, where an operation
// that has no such algorithm is an error. Which those are is written in LibTorch's documentation of
// use_deterministic_algorithms; we have none of them.
#pragma once

#include <string>

#include "engine/device/torch.h"

namespace luthier {

class ExactMath {
 public:
  /// Nothing on the CPU, where sums are ordered by the threads' number alone.
  explicit ExactMath(torch::Device device);
  /// All settings as they were.
  ~ExactMath();
  ExactMath(const ExactMath&) = delete;
  ExactMath& operator=(const ExactMath&) = delete;

  /// What keeps a run from being exact; empty: nothing does.
  const std::string& note() const { return note_; }

 private:
  bool set_ = false;
  bool deterministic_ = false, warn_only_ = false, fill_ = false;
  bool cudnn_attention_ = false, cudnn_benchmark_ = false;
  std::string note_;
};

}  // namespace luthier
