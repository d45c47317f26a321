// SPDX-License-Identifier: GPL-3.0-or-later
// A kernel and a launch of it, and who does that: the NVIDIA driver, or in tests the same source as
// C++ (tests/kernels). Plain data.
#pragma once

#include <cstddef>

namespace luthier {

struct Kernel {
  const char* source;  ///< the file that holds it: "rms_norm.cu"
  const char* entry;
};

struct Launch {
  Kernel kernel;
  unsigned columns = 1, rows = 1;      ///< blocks
  unsigned threads = 32;               ///< of a block; whole warps
  void* const* arguments = nullptr;    ///< one for each of the entry's, of its very type
  double bytes = 0;                    ///< that it reads and writes, for who counts them
  const std::size_t* sizes = nullptr;  ///< of each argument, for who keeps a launch to do it again
  std::size_t count = 0;               ///< of the arguments
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  /// On the current stream of the device of this number. False: nothing was launched, and ATen has
  /// to do it.
  virtual bool launch(const Launch& launch, int device) = 0;
};

}  // namespace luthier
