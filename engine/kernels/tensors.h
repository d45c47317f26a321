// SPDX-License-Identifier: GPL-3.0-or-later
// What this room's functions ask of tensors before they hand their addresses to a kernel.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "engine/kernels/launcher.h"

namespace luthier::kernels {

/// A kernel's entries for float32 and for bfloat16.
struct KernelOfTypes {
  Kernel float32, bfloat16;
  const Kernel& of(const torch::Tensor& x) const {
    return x.scalar_type() == torch::kBFloat16 ? bfloat16 : float32;
  }
};

/// [..., n] as [rows, n] with neighbours side by side; rows may lie apart. A copy where nothing
/// else does.
inline torch::Tensor as_rows(const torch::Tensor& x) {
  const torch::Tensor rows = x.dim() == 2 ? x : x.reshape({-1, x.size(-1)});
  return rows.stride(-1) == 1 || rows.numel() == 0 ? rows : rows.contiguous();
}

/// Whether kernels may take four neighbours at once: rows of `size`, from addresses and in steps
/// that are multiples of that.
inline int goes_wide(std::int64_t size, std::initializer_list<const torch::Tensor*> tensors) {
  if (size % 4 != 0) return 0;
  for (const torch::Tensor* tensor : tensors) {
    if (!tensor->defined()) continue;
    const auto bytes = static_cast<std::uintptr_t>(tensor->itemsize()) * 4;
    if (reinterpret_cast<std::uintptr_t>(tensor->const_data_ptr()) % bytes != 0) return 0;
    if (tensor->dim() == 2 && tensor->size(0) > 1 && tensor->stride(0) % 4 != 0) return 0;
  }
  return 1;
}

/// Of a row's block: a warp at least, 256 at most, a few numbers each.
inline std::int64_t threads_for(std::int64_t size, std::int64_t most = 256) {
  return std::clamp<std::int64_t>((size / 8 + 31) / 32 * 32, 32, most);
}

/// Null where there is none.
inline const void* address(const torch::Tensor& x) {
  return x.defined() ? x.const_data_ptr() : nullptr;
}
inline void* address_to_write(const torch::Tensor& x) {
  return x.defined() ? x.mutable_data_ptr() : nullptr;
}

inline double bytes_of(std::initializer_list<const torch::Tensor*> tensors) {
  double bytes = 0;
  for (const torch::Tensor* tensor : tensors)
    if (tensor->defined()) bytes += static_cast<double>(tensor->nbytes());
  return bytes;
}

}  // namespace luthier::kernels
