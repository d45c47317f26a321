// SPDX-License-Identifier: GPL-3.0-or-later
// Moments of eight bits a number, moved block by block: made float32, moved with the weights that
// they belong to, and packed again. On the CPU in loops that need no memory, so that a step cannot
// break off in the middle; on a device by operations over a million numbers at a time. The numbers
// are those that bitsandbytes' CPU half comes to, on either.
#pragma once

#include <algorithm>
#include <array>

#include "engine/config/optimizer_state.h"
#include "engine/device/parallel.h"
#include "engine/nn/weights/dynamic_map.h"

namespace luthier::eight_bits {

/// One moment of a tensor.
struct Moment {
  torch::Tensor codes;    // uint8, of the tensor's shape
  torch::Tensor largest;  // float32 [blocks]
  MapSign sign = MapSign::Both;
};

/// `count` numbers, a block at most, from their codes; and back.
void unpack_block(const std::uint8_t* codes, float largest, MapSign sign, float* numbers,
                  std::int64_t count);
void pack_block(const float* numbers, std::uint8_t* codes, float& largest, MapSign sign,
                std::int64_t count);
/// Into float32, from a gradient of either type.
void widen_block(const torch::Tensor& gradient, std::int64_t first, std::int64_t count,
                 float* numbers);
/// The same of whole blocks by operations: codes [blocks · width] → [blocks, width].
torch::Tensor unpacked(const torch::Tensor& codes, const torch::Tensor& largest, MapSign sign);
void pack(const torch::Tensor& numbers, torch::Tensor codes, torch::Tensor largest, MapSign sign);

/// `by_numbers(value, gradient, moments, count)` moves float32 numbers where they stand,
/// `by_tensors(value, gradient, moments)` the same of tensors [blocks, width]. Both change value
/// and moments.
template <std::size_t N, class ByNumbers, class ByTensors>
void move(const torch::Tensor& parameter, const torch::Tensor& given,
          const std::array<Moment, N>& moments, const ByNumbers& by_numbers,
          const ByTensors& by_tensors) {
  const torch::Tensor gradient = given.contiguous();
  const std::int64_t all = parameter.numel();
  if (parameter.is_cpu()) {
    auto* values = parameter.mutable_data_ptr<float>();
    std::array<std::uint8_t*, N> codes;
    std::array<float*, N> largest;
    for (std::size_t k = 0; k < N; ++k) {
      codes[k] = moments[k].codes.template mutable_data_ptr<std::uint8_t>();
      largest[k] = moments[k].largest.template mutable_data_ptr<float>();
    }
    constexpr std::int64_t kGrain = 16;  // blocks that are worth a thread
    const std::int64_t blocks = (all + kMomentBlock - 1) / kMomentBlock;
    for_pieces(0, blocks, kGrain, [&](std::int64_t begin, std::int64_t end) {
      float wide[kMomentBlock], numbers[N][kMomentBlock];
      std::array<float*, N> here;
      for (std::size_t k = 0; k < N; ++k) here[k] = numbers[k];
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t first = block * kMomentBlock,
                           count = std::min(kMomentBlock, all - first);
        widen_block(gradient, first, count, wide);
        for (std::size_t k = 0; k < N; ++k)
          unpack_block(codes[k] + first, largest[k][block], moments[k].sign, here[k], count);
        by_numbers(values + first, wide, here, count);
        for (std::size_t k = 0; k < N; ++k)
          pack_block(here[k], codes[k] + first, largest[k][block], moments[k].sign, count);
      }
    });
    return;
  }
  constexpr std::int64_t kRound = 1 << 20;
  const torch::Tensor values = parameter.view({-1}), flat = gradient.view({-1});
  for (std::int64_t first = 0; first < all;) {
    const std::int64_t whole = std::min(kRound, (all - first) / kMomentBlock * kMomentBlock),
                       count = whole > 0 ? whole : all - first,
                       blocks = whole > 0 ? whole / kMomentBlock : 1, block = first / kMomentBlock;
    std::array<torch::Tensor, N> codes, largest, here;
    for (std::size_t k = 0; k < N; ++k) {
      codes[k] = moments[k].codes.view({-1}).narrow(0, first, count);
      largest[k] = moments[k].largest.narrow(0, block, blocks);
      here[k] = unpacked(codes[k], largest[k], moments[k].sign);
    }
    const auto shaped = [&](const torch::Tensor& tensor) {
      return tensor.narrow(0, first, count).view({blocks, -1});
    };
    by_tensors(shaped(values), shaped(flat).to(torch::kFloat32), here);
    for (std::size_t k = 0; k < N; ++k) pack(here[k], codes[k], largest[k], moments[k].sign);
    first += count;
  }
}

}  // namespace luthier::eight_bits
