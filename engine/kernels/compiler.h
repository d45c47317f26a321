// SPDX-License-Identifier: GPL-3.0-or-later
// NVRTC, CUDA's compiler as a library, which comes with LibTorch's CUDA half. Opened by dlopen and
// asked without a CUDA header, so that a build needs no toolkit and a machine without a card does
// not load it (docs/decisions/0012).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/kernels/sources.h"

namespace luthier {

struct CompiledKernels {
  std::string binary;  ///< a cubin, or PTX for an architecture "compute_NN"
  std::string log;
};

class KernelCompiler {
 public:
  /// Machine error where no library of these opens and has what is needed.
  static Result<KernelCompiler> open(const std::vector<std::string>& libraries = usual_libraries());
  /// By name, as the program's other libraries are found, then where LibTorch's wheels put it.
  static std::vector<std::string> usual_libraries();

  const std::string& version() const { return version_; }  ///< "13.0"
  /// "sm_90" for a card of capability 90; of one that is newer than the compiler "compute_NN",
  /// whose PTX the driver finishes. Machine error where it knows none so old.
  Result<std::string> architecture_for(int capability) const;
  /// `reports`: the log says registers, stack and spills of each entry. A machine error holds the
  /// compiler's log.
  Result<CompiledKernels> compile(const KernelSource& source, const std::string& architecture,
                                  bool reports = false) const;
  /// Every option that the binary depends on.
  static std::vector<std::string> options(const std::string& architecture);

 private:
  struct Entries;
  std::shared_ptr<const Entries> entries_;
  std::string version_;
  std::vector<int> architectures_;  ///< that it knows
};

}  // namespace luthier
