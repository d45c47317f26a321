// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/loftq.h"

#include <tuple>

#include "engine/methods/lora_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

PackedPointer packed(const Tensor& weight, const Json& settings) {
  const auto kind = find_weight_kind(settings, "");
  auto made = weight_packing(**kind)->pack(weight, settings, "");
  TORCH_CHECK(made, "a weight that was looked at cannot be packed");
  return made.take();
}

struct LoftqHalf {
  Tensor a, b;  // [r, in], [out, r]
};

/// The largest part of what is left, each half with the roots of its singular values.
LoftqHalf decomposed(const Tensor& left, std::int64_t rank) {
  const auto [u, s, v] = at::linalg_svd(left, /*full_matrices=*/false);
  const Tensor root = s.slice(0, 0, rank).sqrt();  // [r]
  return {(v.slice(0, 0, rank) * root.unsqueeze(1)).contiguous(),
          (u.slice(1, 0, rank) * root).contiguous()};
}

}  // namespace

Status check_loftq(const Weight& weight, const std::string& module) {
  if (weight.dense().isfinite().all().item<bool>()) return {};
  return input_error("The weight of " + module + " holds numbers that are not finite.",
                     "adapter.init_lora_weights", "Start otherwise than with loftq.");
}

LoftqStart loftq_start(const Weight& weight, const AdapterSettings& settings, std::int64_t rank,
                       bool with_pair) {
  const torch::NoGradGuard no_grad;
  const std::int64_t bits = settings.more.integer("adapter.loftq_bits"),
                     rounds = settings.more.integer("adapter.loftq_iter");
  const Json kind = loftq_packing(settings);
  const Tensor dense = weight.dense(torch::kFloat32).detach().to(torch::kCPU);  // [out, in]
  Tensor to_pack = dense;
  LoftqStart start;
  for (std::int64_t round = 1; round <= rounds; ++round) {
    const bool last = round == rounds;
    const PackedPointer now = packed(to_pack.contiguous(), kind);
    if (last) {
      // Eight bits would answer by products of whole numbers, which PEFT's do not.
      start.weight =
          bits == 8 ? Weight(now->dense_rows(0, now->rows(), weight.dtype()).to(weight.device()))
                    : Weight(now->to(weight.device()));
      if (!with_pair) return start;
    }
    const Tensor left = dense - now->dense_rows(0, now->rows(), torch::kFloat32);
    const LoftqHalf half = decomposed(left, rank);
    if (last) {
      start.a = half.a;
      start.b = half.b;
    } else {
      to_pack = dense - at::mm(half.b, half.a);
    }
  }
  return start;
}

}  // namespace luthier
