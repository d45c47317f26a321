// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/adamw.h"

#include <cmath>

#include "engine/kernels/source/shared.h"
#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

using torch::Tensor;

constexpr const char* kAdamwSource = "adamw.cu";
constexpr KernelOfTypes kAdamw{{kAdamwSource, "adamw_float"}, {kAdamwSource, "adamw_bfloat16"}};
constexpr Kernel kAdamwOfSums{kAdamwSource, "adamw_float_bfloat16"};
constexpr std::int64_t kMostAdamwBlocks = 2048;  // of a tensor

bool can_move(const AdamwMember& member) {
  const auto plain = [&](const Tensor& tensor) {
    return tensor.scalar_type() == torch::kFloat32 && tensor.is_contiguous() &&
           tensor.numel() == member.parameter.numel();
  };
  const Tensor& rounded = member.rounded;
  return available(member.parameter) && available(member.gradient) &&
         member.gradient.is_contiguous() && plain(member.parameter) && plain(member.first) &&
         plain(member.second) &&
         (!rounded.defined() || (available(rounded) && rounded.is_contiguous() &&
                                 (member.gradient.scalar_type() == torch::kFloat32 ||
                                  rounded.scalar_type() == member.gradient.scalar_type())));
}

const Kernel& kernel_for(const AdamwMember& member) {
  const bool sum = member.gradient.scalar_type() == torch::kFloat32 && member.rounded.defined() &&
                   member.rounded.scalar_type() == torch::kBFloat16;
  return sum ? kAdamwOfSums : kAdamw.of(member.gradient);
}

AdamwStep numbers_of(const AdamwSettings& settings) {
  const auto step = static_cast<double>(settings.step);
  return {static_cast<float>(settings.rate * settings.decay),
          static_cast<float>(settings.rate / (1 - std::pow(settings.beta1, step))),
          static_cast<float>(1 - settings.beta1),
          static_cast<float>(settings.beta2),
          static_cast<float>(1 - settings.beta2),
          static_cast<float>(std::sqrt(1 - std::pow(settings.beta2, step))),
          static_cast<float>(settings.epsilon)};
}

/// Members that one launch can take.
bool launch_list(std::span<const AdamwMember> members, const AdamwStep& step) {
  AdamwList list{};
  std::int64_t longest = 0;
  double bytes = 0;
  int wide = 1;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const AdamwMember& one = members[i];
    list.tensors[i] = {static_cast<float*>(one.parameter.mutable_data_ptr()),
                       address(one.gradient),
                       static_cast<float*>(one.first.mutable_data_ptr()),
                       static_cast<float*>(one.second.mutable_data_ptr()),
                       address_to_write(one.rounded),
                       static_cast<long long>(one.parameter.numel())};
    longest = std::max(longest, one.parameter.numel());
    bytes += 2 * bytes_of({&one.parameter, &one.first, &one.second}) +
             bytes_of({&one.gradient, &one.rounded});
    const bool multiple = one.parameter.numel() % 4 == 0;
    wide = wide && multiple &&
           goes_wide(4, {&one.parameter, &one.gradient, &one.first, &one.second, &one.rounded});
  }
  if (longest == 0) return true;
  const std::int64_t a_block = 256 * (wide ? 4 : 1);
  return launch(members.front().parameter, kernel_for(members.front()),
                std::min(kMostAdamwBlocks, (longest + a_block - 1) / a_block),
                static_cast<std::int64_t>(members.size()), 256, bytes, list, step, wide);
}

}  // namespace

std::size_t adamw(std::span<const AdamwMember> members, const AdamwSettings& settings) {
  for (const AdamwMember& member : members)
    if (!can_move(member)) return 0;
  const AdamwStep step = numbers_of(settings);
  std::size_t moved = 0;
  while (moved < members.size()) {
    // As many neighbours as have the same types.
    const Kernel* kernel = &kernel_for(members[moved]);
    std::size_t count = 1;
    while (count < kAdamwTensors && moved + count < members.size() &&
           &kernel_for(members[moved + count]) == kernel)
      ++count;
    if (!launch_list(members.subspan(moved, count), step)) break;
    moved += count;
  }
  return moved;
}

}  // namespace luthier::kernels
