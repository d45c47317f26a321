// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/kernel_binary.h"

#include "engine/base/log.h"
#include "engine/kernels/compiler.h"

namespace luthier {

Result<std::string> kernel_binary(const KernelSource& source, int capability, KernelCache& cache) {
  if (!source.ahead.empty()) return std::string(source.ahead);
  static const Result<KernelCompiler> compiler = KernelCompiler::open();
  if (!compiler) return compiler.error();
  LUTHIER_TRY(const std::string architecture, compiler->architecture_for(capability));
  const std::string key = KernelCache::key(source, architecture, compiler->version());
  if (std::optional<std::string> kept = cache.find(key)) return *std::move(kept);
  log_debug("Compiling " + std::string(source.name) + " for " + architecture);
  LUTHIER_TRY(const CompiledKernels made, compiler->compile(source, architecture));
  cache.keep(key, made.binary);
  return made.binary;
}

}  // namespace luthier
