// SPDX-License-Identifier: GPL-3.0-or-later
// A query sees as many keys to its left as the window has beside itself, none to its right where
// the rule is causal, and the last query stands at the last key. Under LibTorch's deterministic
// algorithms the backward adds up in one order, rows laid one after another or not (ATen's
// attention_backward.cu hands the question on to the kernels of both).
#include "engine/nn/flash_attention.h"

#include <atomic>

#include "engine/nn/cost.h"

namespace luthier {

namespace {

using torch::Tensor;

std::atomic<FlashDoor> flash_door{nullptr};

Tensor dense_heads(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

Tensor call_flash(const Tensor& q, const Tensor& k, const Tensor& v,
                  const std::optional<Tensor>& rows, const std::optional<Tensor>& memory,
                  std::int64_t queries, std::int64_t keys, const AttentionRule& rule) {
  const bool near = rule.causal && rule.window && *rule.window < keys;
  std::optional<std::int64_t> left, right;
  if (near) left = *rule.window - 1, right = 0;
  const std::optional<double> scale =
      rule.scale > 0 ? std::optional<double>(rule.scale) : std::nullopt;
  return std::get<0>(at::_flash_attention_forward(
      dense_heads(q), dense_heads(k), dense_heads(v), rows, memory, queries, keys,
      /*dropout_p=*/0.0, rule.causal, /*return_debug_mask=*/false, scale, left, right));
}

}  // namespace

bool flash_takes(torch::Device device, torch::ScalarType type, std::int64_t head_dim) {
  if (const FlashDoor door = flash_door.load()) return door(device, type, head_dim);
  return device.is_cuda() && (type == torch::kBFloat16 || type == torch::kFloat16) &&
         flash_takes_heads(head_dim);
}

FlashDoor exchange_flash_door(FlashDoor door) { return flash_door.exchange(door); }

Tensor flash_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionRule& rule) {
  return call_flash(q, k, v, {}, {}, q.size(1), k.size(1), rule);
}

Tensor flash_attention(const Tensor& q, const Tensor& k, const Tensor& v, const RowLayout& rows,
                       const RowLayout& memory, const AttentionRule& rule) {
  TORCH_CHECK(rows.rows() == memory.rows(), "each row sees one of the other rows");
  return call_flash(q, k, v, rows.ends(q.device()), memory.ends(q.device()), rows.longest(),
                    memory.longest(), rule);
}

}  // namespace luthier
