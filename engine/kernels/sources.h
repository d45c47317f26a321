// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels' source files as the build put them into the program (cmake/EmbedKernels.cmake): one
// that was carried to another machine compiles them there, for the card that it finds.
#pragma once

#include <span>
#include <string_view>

namespace luthier {

/// What nvcc made of a source when the program was built.
struct AheadBinary {
  enum class Form {
    Cubin,  ///< for cards of this capability, and later ones of the same major version
    Ptx     ///< text, which the driver finishes for any card from this capability on
  };
  int capability = 0;  ///< 90: compute capability 9.0
  Form form = Form::Cubin;
  std::string_view bytes;
};

struct KernelSource {
  std::string_view name;  ///< the file's: "rms_norm.cu"
  std::string_view text;
  std::span<const AheadBinary> ahead;  ///< empty: the program was built without nvcc
};

std::span<const KernelSource> kernel_sources();  ///< each is compiled by itself
std::span<const KernelSource> kernel_headers();  ///< that they include by name
/// Null: there is no such file.
const KernelSource* kernel_source(std::string_view name);

}  // namespace luthier
