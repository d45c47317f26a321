// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/kernel_binary.h"

#include "engine/base/log.h"
#include "engine/kernels/compiler.h"

namespace luthier {

const AheadBinary* ahead_for(const KernelSource& source, int capability) {
  const AheadBinary* best = nullptr;
  for (const AheadBinary& made : source.ahead) {
    const bool cubin = made.form == AheadBinary::Form::Cubin;
    if (made.capability > capability || (cubin && made.capability / 10 != capability / 10))
      continue;
    const bool was_cubin = best && best->form == AheadBinary::Form::Cubin;
    if (!best || cubin > was_cubin || (cubin == was_cubin && made.capability > best->capability))
      best = &made;
  }
  return best;
}

Result<std::string> kernel_binary(const KernelSource& source, int capability, KernelCache& cache) {
  if (const AheadBinary* made = ahead_for(source, capability)) return std::string(made->bytes);
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
