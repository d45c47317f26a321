// SPDX-License-Identifier: GPL-3.0-or-later
// What one layer keeps for its backward, as our modules' backward functions keep it (engine/nn,
// engine/methods/lora.cpp):
//   attention   input, normalised input, queries, keys, values (after rotation, keys and values
//   once a head), their mixture MLP         its sum with the input, normalised sum, what stands
//   before the activation (gate and up where gated), what stands after
// A tensor is kept only where something that trains needs it.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "engine/forecast/trained.h"

namespace luthier {
namespace {

/// Temporaries of a LoRA product's backward (or a frozen one's), in tensors as wide as its input.
std::int64_t product_work(bool trains, bool dropout) { return trains && dropout ? 3 : 1; }

}  // namespace

std::int64_t TensorSizes::block(std::int64_t elements, std::int64_t bytes) const {
  const std::int64_t size = elements * bytes;
  if (size <= 0) return 0;
  const std::int64_t step = !cpu                 ? 512
                            : size < (256 << 10) ? 64
                                                 : 64 << 10;  // device/block_pool.cpp
  return (size + step - 1) / step * step;
}

AttentionShape attention_shape(const std::vector<std::int64_t>& lengths, bool causal) {
  std::map<std::int64_t, std::int64_t, std::greater<>> by_length;
  AttentionShape shape;
  std::int64_t longest = 0, tokens = 0;
  for (const std::int64_t length : lengths) {
    ++by_length[length];
    tokens += length;
    longest = std::max(longest, length);
  }
  double real = 0;
  for (const auto& [length, rows] : by_length) {
    shape.groups.emplace_back(rows, length);
    shape.squares += rows * length * length;
    real += static_cast<double>(rows) * static_cast<double>(length) * static_cast<double>(length);
  }
  shape.tokens = tokens;
  if (by_length.size() <= 1) return shape;
  shape.copied = true;
  const bool sorted = std::is_sorted(lengths.begin(), lengths.end(), std::greater<>());
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const double padded =
      static_cast<double>(rows) * static_cast<double>(longest) * static_cast<double>(longest);
  if (!causal || (sorted && by_length.size() <= 2) || (longest > 96 && padded > 1.5 * real))
    return shape;
  shape.tokens = rows * longest;
  shape.squares = rows * longest * longest;
  shape.groups = {{rows, longest}};
  return shape;
}

LayerBytes decoder_layer(const ModelGeometry& g, const TensorSizes& sizes,
                         const AttentionShape& rows, std::int64_t n, const LayerNeeds& need,
                         bool flows, bool dropout) {
  LayerBytes bytes;
  if (!flows && !need.any) return bytes;
  const std::int64_t hidden = g.hidden_size, wide = g.intermediate_size,
                     heads = g.num_attention_heads,
                     groups = heads / std::max<std::int64_t>(1, g.num_key_value_heads);
  const std::int64_t query = heads * g.head_dim, own_keys = g.num_key_value_heads * g.head_dim,
                     keys = groups > 1 ? query : own_keys;
  const auto block = [&](std::int64_t count, std::int64_t width) {
    return sizes.block(count * width);
  };
  const auto floats = [&](std::int64_t count) { return sizes.block(count, 4); };
  const bool inside = flows || need.qkv;  // the attention itself is on the gradient's way
  if (flows) bytes.attention += block(n, hidden) + floats(n);
  if (need.qkv) bytes.attention += block(n, hidden) + floats(n * need.ranks_qkv);
  if (inside) {
    bytes.attention += block(rows.tokens, query) + 2 * block(rows.tokens, keys);
    if (g.attention_softcap)
      bytes.attention +=
          2 * block(rows.squares, heads) + (sizes.element < 4 ? floats(rows.squares * heads) : 0);
    else
      bytes.attention += block(rows.tokens, query) + floats(rows.tokens * heads);
    if (g.qk_norm)
      bytes.attention += block(n, query) + block(n, own_keys) + floats(n * heads) +
                         floats(n * g.num_key_value_heads);
  }
  // The mixture is the fused attention's own where no row had to be moved.
  if (need.out && (!inside || rows.copied || g.attention_softcap))
    bytes.attention += block(n, query);
  bytes.attention += floats(n * need.ranks_out);
  const bool reaches_sum = inside || need.out;
  if (reaches_sum && g.sandwich_norms) bytes.attention += block(n, hidden) + floats(n);
  if (reaches_sum) bytes.mlp += block(n, hidden) + floats(n);
  if (need.wide_in) bytes.mlp += block(n, hidden) + floats(n * need.ranks_in);
  const bool reaches_wide = reaches_sum || need.wide_in;
  if (reaches_wide) bytes.mlp += 2 * block(n, wide);
  const std::int64_t product = need.wide_out ? block(n, wide) : 0;
  bytes.mlp += product + floats(n * need.ranks_down);
  if (g.sandwich_norms) bytes.mlp += block(n, hidden) + floats(n);

  const std::int64_t narrow = sizes.element < 4
                                  ? block(n, wide) * (4 - sizes.element) / sizes.element
                                  : 0;  // float32 copies in lower precisions
  const std::int64_t norm = block(n, hidden) + 4 * floats(n * hidden);
  const std::int64_t down = product_work(need.wide_out, dropout) * block(n, wide) + narrow;
  const std::int64_t gate = 4 * block(n, wide) - product;  // the product is gone by then
  bytes.mlp_work =
      block(n, hidden) +
      (reaches_wide ? std::max({down, gate, norm - product - 2 * block(n, wide)}) : down);
  bytes.attention_work =
      block(n, hidden) +
      std::max(norm, inside ? 2 * block(rows.tokens, query) + 2 * block(rows.tokens, keys) : 0);
  if (inside && g.attention_softcap) bytes.attention_work += 3 * floats(rows.squares * heads);
  return bytes;
}

LayerBytes tower_layer(const ModelGeometry& g, const TensorSizes& sizes, std::int64_t m,
                       const LayerNeeds& need, bool flows, bool dropout) {
  LayerBytes bytes;
  if (!flows && !need.any) return bytes;
  const auto block = [&](std::int64_t width) { return sizes.block(m * width); };
  const auto floats = [&](std::int64_t count) { return sizes.block(m * count, 4); };
  const std::int64_t size = g.vision_hidden_size, broad = g.vision_intermediate_size;
  const std::int64_t statistics = g.vision_rms_norms ? floats(1) : 2 * floats(1);
  const bool inside = flows || need.qkv, windowed = g.vision_window > 0;
  if (flows) bytes.attention += block(size) + statistics;
  if (need.qkv) bytes.attention += block(size) + floats(need.ranks_qkv);
  if (inside) bytes.attention += 4 * block(size) + floats(g.vision_heads);
  if (inside && g.vision_qk_norm) bytes.attention += 2 * (block(size) + floats(1));
  if (need.out && (!inside || windowed)) bytes.attention += block(size);
  bytes.attention += floats(need.ranks_out);
  if (need.scales) bytes.mlp += 2 * block(size);
  const bool reaches_sum = inside || need.out;
  if (reaches_sum) bytes.mlp += block(size) + statistics;
  if (need.wide_in) bytes.mlp += block(size) + floats(need.ranks_in);
  const bool reaches_wide = reaches_sum || need.wide_in;
  if (reaches_wide) bytes.mlp += (g.vision_gated_mlp ? 2 : 1) * block(broad);
  const std::int64_t product = need.wide_out ? block(broad) : 0;
  bytes.mlp += product + floats(need.ranks_down);

  const std::int64_t narrow =
      sizes.element < 4 ? block(broad) * (4 - sizes.element) / sizes.element : 0;
  const std::int64_t down = product_work(need.wide_out, dropout) * block(broad) + narrow,
                     activation = (g.vision_gated_mlp ? 4 : 3) * block(broad) - product;
  bytes.mlp_work = block(size) + std::max(down, activation);
  bytes.attention_work = 5 * block(size) + (g.vision_fused_qkv ? 3 * block(size) : 0);
  return bytes;
}

std::int64_t mask_bytes(const ModelGeometry& g, const TensorSizes& sizes,
                        const AttentionShape& rows) {
  std::int64_t bytes = 0;
  for (const auto& [count, length] : rows.groups) {
    std::set<std::int64_t>
        kinds;  // one mask for each window that bounds these rows, and one for what none bounds
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(g.num_hidden_layers); ++layer) {
      const std::int64_t window =
          layer < g.attention_windows.size() ? g.attention_windows[layer] : 0;
      kinds.insert(window > 0 && window < length ? window : 0);
    }
    for (const std::int64_t window : kinds) {
      if (g.picture_blocks)
        bytes += sizes.block(count * length * length);
      else if (window > 0 || g.attention_softcap)
        bytes += sizes.block(length * length);
    }
  }
  return bytes;
}

}  // namespace luthier
