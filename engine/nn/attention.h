// SPDX-License-Identifier: GPL-3.0-or-later
// Rotary positions, scaled dot-product attention with grouped queries, and the key-value cache of decoding.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/nn/torch.h"

namespace luthier {

/// rope_parameters of a text config: RoFormer (Su et al. 2021) frequencies and the scalings of transformers' ROPE_INIT_FUNCTIONS.
struct RotaryOptions {
  std::int64_t dimension = 0;            ///< rotated features of a head
  double theta = 10000;
  std::string type = "default";          ///< default | linear | llama3
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  std::int64_t original_max_position_embeddings = 0;
};
/// Reads rope_parameters, or the older rope_theta and rope_scaling.
Result<RotaryOptions> read_rotary_options(const Json& text_config, std::int64_t head_dim, const std::string& where);

struct RotaryTable {
  torch::Tensor cos, sin;                ///< [batch or 1, seq, dimension] in the compute dtype
};
/// Frequencies and angles are computed in float32, as transformers does.
torch::Tensor rotary_frequencies(const RotaryOptions& options);                                          // [dimension / 2]
RotaryTable rotary_table(const torch::Tensor& frequencies, const torch::Tensor& position_ids, torch::ScalarType dtype);   // [batch or 1, seq]
/// Rotates x [batch, heads, seq, head_dim] (halves layout); the backward rotates back and keeps no activation.
torch::Tensor rotate(const torch::Tensor& x, const RotaryTable& table);

/// Keys and values of one sequence batch, for all layers, allocated once.
class KeyValueCache {
 public:
  KeyValueCache(std::int64_t layers, std::int64_t capacity) : keys_(layers), values_(layers), capacity_(capacity) {}
  std::int64_t length() const { return length_; }
  /// Adds [batch, kv_heads, new, head_dim] at the end of layer's store and returns all of it so far. Call `advance(new)` once after the last layer.
  std::pair<torch::Tensor, torch::Tensor> append(std::int64_t layer, const torch::Tensor& key, const torch::Tensor& value);
  void advance(std::int64_t count) { length_ += count; }
  /// Keeps these rows of the batch (int64 [rows]), for when some sequences are done.
  void select(const torch::Tensor& rows);

 private:
  std::vector<torch::Tensor> keys_, values_;
  std::int64_t capacity_, length_ = 0;
};

/// q [batch, heads, seq, head_dim], k and v [batch, kv_heads, keys, head_dim] → [batch, heads, seq, head_dim].
/// `causal`: query i sees keys up to (keys − seq) + i. `sliding_window`: and no further back than that many. Right padding needs no mask
/// under a causal one: no real token sees a later one.
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, bool causal, std::optional<std::int64_t> sliding_window = {});

/// While one exists on this thread, attend() also records the softmax weights of each call (for "where it looked"); slow, for single answers.
class AttentionRecorder {
 public:
  AttentionRecorder();
  ~AttentionRecorder();
  std::vector<torch::Tensor> weights;   ///< one a call: [batch, heads, seq, keys] float32
};

}  // namespace luthier
