// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/packed.h"

#include <bit>

#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

using torch::Tensor;

constexpr const char* kPackedSource = "packed.cu";
constexpr KernelOfTypes kFourBits{{kPackedSource, "expand_four_bits_float"},
                                  {kPackedSource, "expand_four_bits_bfloat16"}};
constexpr KernelOfTypes kEightBits{{kPackedSource, "expand_eight_bits_float"},
                                   {kPackedSource, "expand_eight_bits_bfloat16"}};
constexpr std::int64_t kMostExpandBlocks = 16384;

int shift_of(std::int64_t power) { return std::countr_zero(static_cast<std::uint64_t>(power)); }

/// An empty tensor beside the codes; undefined where no kernel makes such numbers there.
Tensor room_for(const Tensor& codes, c10::IntArrayRef size, torch::ScalarType type) {
  if (type != torch::kFloat32 && type != torch::kBFloat16) return {};
  if (!launcher_for(codes.device().type())) return {};
  return at::empty(size, codes.options().dtype(type));
}

}  // namespace

std::optional<Tensor> expanded(const FourBits& from, std::int64_t first, std::int64_t last,
                               torch::ScalarType type) {
  Tensor out = room_for(from.codes, {last - first}, type);
  if (!out.defined()) return std::nullopt;
  const std::int64_t count = last - first;
  if (count == 0) return out;
  const bool packed = from.nested.defined();
  const int wide = goes_wide(4, {&out}) != 0 && count % 4 == 0;
  const double bytes = static_cast<double>(count) / 2 + bytes_of({&out});
  const bool done = launch(
      out, kFourBits.of(out), std::min(kMostExpandBlocks, (count + 2047) / 2048), 1, 256, bytes,
      address(from.codes), address(from.pairs), packed ? nullptr : address(from.scales),
      packed ? address(from.scales) : nullptr, address(from.map), address(from.nested), from.offset,
      shift_of(from.block), shift_of(from.nested_block), static_cast<long long>(first),
      static_cast<long long>(count), address_to_write(out), wide);
  if (!done) return std::nullopt;
  return out;
}

std::optional<Tensor> expanded(const Tensor& codes, const Tensor& scales, float factor,
                               torch::ScalarType type) {
  Tensor out = room_for(codes, codes.sizes(), type);
  if (!out.defined() || !codes.is_contiguous() || !scales.is_contiguous()) return std::nullopt;
  const std::int64_t count = codes.numel();
  if (count == 0) return out;
  const bool done = launch(
      out, kEightBits.of(out), std::min(kMostExpandBlocks, (count + 255) / 256), 1, 256,
      static_cast<double>(count) + bytes_of({&out}), address(codes), address(scales), factor,
      static_cast<long long>(codes.size(1)), static_cast<long long>(count), address_to_write(out));
  if (!done) return std::nullopt;
  return out;
}

}  // namespace luthier::kernels
