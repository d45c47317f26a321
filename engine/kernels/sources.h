// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels' source files as the build put them into the program (cmake/EmbedKernels.cmake): one
// that was carried to another machine compiles them there, for the card that it finds.
#pragma once

#include <span>
#include <string_view>

namespace luthier {

struct KernelSource {
  std::string_view name;  ///< the file's: "rms_norm.cu"
  std::string_view text;
  std::string_view ahead;  ///< what nvcc made of it for all cards; empty where there was no nvcc
};

std::span<const KernelSource> kernel_sources();  ///< each is compiled by itself
std::span<const KernelSource> kernel_headers();  ///< that they include by name
/// Null: there is no such file.
const KernelSource* kernel_source(std::string_view name);

}  // namespace luthier
