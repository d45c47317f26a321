// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/sources.h"

namespace luthier {

const KernelSource* kernel_source(std::string_view name) {
  for (const KernelSource& source : kernel_sources())
    if (source.name == name) return &source;
  return nullptr;
}

}  // namespace luthier
