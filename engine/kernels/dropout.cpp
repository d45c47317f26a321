// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/dropout.h"

#include <cmath>

#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

using torch::Tensor;

constexpr const char* kDropoutSource = "dropout.cu";
constexpr KernelOfTypes kFromFloat{{kDropoutSource, "dropout_float_float"},
                                   {kDropoutSource, "dropout_float_bfloat16"}};
constexpr KernelOfTypes kFromBfloat{{kDropoutSource, "dropout_bfloat16_float"},
                                    {kDropoutSource, "dropout_bfloat16_bfloat16"}};
constexpr std::int64_t kMostDropBlocks = 16384;

bool drop(const Tensor& x, const Tensor& y, double p, std::uint64_t seed, const Tensor& there,
          bool adds) {
  const std::int64_t count = x.numel();
  if (count == 0) return true;
  const int wide = goes_wide(4, {&x, &y}) != 0 && count % 4 == 0;
  const std::int64_t a_block = 256 * (wide ? 4 : 1);
  const KernelOfTypes& kernel = x.scalar_type() == torch::kBFloat16 ? kFromBfloat : kFromFloat;
  return launch(x, kernel.of(y), std::min(kMostDropBlocks, (count + a_block - 1) / a_block), 1, 256,
                bytes_of({&x, &y}) + (adds ? bytes_of({&y}) : 0), address(x), address_to_write(y),
                static_cast<long long>(count), static_cast<unsigned>(seed),
                static_cast<unsigned>(seed >> 32),
                static_cast<unsigned>(std::llround(p * 2147483648.0)),
                static_cast<float>(1 / (1 - p)), static_cast<int>(adds), wide, address(there));
}

}  // namespace

std::optional<Tensor> dropped(const Tensor& x, double p, std::uint64_t seed, torch::ScalarType type,
                              const Tensor& there) {
  if (!available(x) || (type != torch::kFloat32 && type != torch::kBFloat16)) return std::nullopt;
  const Tensor from = x.detach().contiguous();
  Tensor y = at::empty(x.sizes(), from.options().dtype(type));
  if (!drop(from, y, p, seed, there, false)) return std::nullopt;
  return y;
}

bool add_dropped(const Tensor& y, const Tensor& x, double p, std::uint64_t seed,
                 const Tensor& there) {
  if (!available(x) || !available(y) || !y.is_contiguous() || y.sizes() != x.sizes()) return false;
  return drop(x.detach().contiguous(), y, p, seed, there, true);
}

}  // namespace luthier::kernels
