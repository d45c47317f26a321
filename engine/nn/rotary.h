// SPDX-License-Identifier: GPL-3.0-or-later
// Rotary positions (Su et al. 2021) with the scalings of transformers' ROPE_INIT_FUNCTIONS, and the
// several position axes of Qwen's M-RoPE.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/io/json.h"

namespace luthier {

struct RotaryOptions {
  std::int64_t dimension = 0;  ///< rotated features of a head
  double theta = 10000;
  /// default | linear | dynamic | llama3 | yarn | longrope | proportional
  std::string type = "default";
  double factor = 1;
  double attention_factor = 1;  ///< multiplies cos and sin (yarn, longrope)
  std::int64_t max_position_embeddings = 0, original_max_position_embeddings = 0;
  double low_freq_factor = 1, high_freq_factor = 4;  ///< llama3
  double beta_fast = 32, beta_slow = 1;              ///< yarn
  bool truncate = true;                              ///< yarn
  std::int64_t angles = 0;  ///< proportional: of the dimension / 2, that turn; the others stay
  std::vector<double> short_factor, long_factor;     ///< longrope: dimension / 2 each
  std::vector<std::int64_t> sections;  ///< M-RoPE: how many of the dimension / 2 frequencies follow
                                       ///< time, height, width; empty: one axis
  bool interleaved =
      false;  ///< M-RoPE: T H W T H W ... (Qwen3-VL) instead of one section after another
};

struct RotaryDefaults {
  double theta = 10000;
  std::int64_t max_position_embeddings = 2048;
  std::vector<std::int64_t> sections;  ///< empty: the model has one position axis
  bool interleaved = false;
  double partial = 1;  ///< the share of a head that is rotated
};
/// Reads rope_scaling where a file has one, else rope_parameters, and the older rope_theta where
/// neither holds it.
Result<RotaryOptions> read_rotary_options(const Json& text_config, std::int64_t head_dim,
                                          const std::string& where,
                                          const RotaryDefaults& defaults = {});

struct RotaryTable {
  torch::Tensor cos, sin;  ///< [tokens, dimension]
};

class RotaryEmbedding {
 public:
  RotaryEmbedding() = default;
  explicit RotaryEmbedding(RotaryOptions options);
  /// position_ids [tokens], or [3, tokens] for M-RoPE, int64. Frequencies and angles are float32,
  /// the table has `dtype`. dynamic and longrope go by `end`, one past the largest position; where
  /// the host does not know it, the positions' device is asked.
  RotaryTable table(const torch::Tensor& position_ids, torch::ScalarType dtype,
                    std::optional<std::int64_t> end = {}) const;
  /// Whether the host has to know how far the positions reach (dynamic, longrope).
  bool goes_by_length() const;

 private:
  torch::Tensor frequencies(std::int64_t seq) const;  // [dimension / 2]
  /// frequencies() of so many positions, on the device; kept until the length asks for others.
  const torch::Tensor& frequencies_of(std::int64_t seq, torch::Device device) const;

  RotaryOptions options_;
  mutable torch::Tensor fixed_,
      axes_;  ///< what does not depend on the positions, on the device of the last call
  mutable torch::Tensor by_length_;  ///< of the length that they were last made for
  mutable std::int64_t made_for_ = -1;
};

/// cos and sin of angles [tokens, dimension / 2], doubled to [tokens, dimension].
RotaryTable rotary_table(const torch::Tensor& angles, torch::ScalarType dtype, double factor = 1);
/// Rotates x [tokens, heads, head_dim] (halves layout); the backward rotates back and keeps no
/// activation.
torch::Tensor rotate(const torch::Tensor& x, const RotaryTable& table);
/// x [..., size], of whose first `dimension` features 2i and 2i + 1 turn together (GLM), as
/// rotate() takes it: the first of each pair in the first half. Scores of queries and keys that
/// both went through it are those of the ones that came.
torch::Tensor pairs_apart(const torch::Tensor& x, std::int64_t dimension);
/// rotate() without a graph: cos and sin [tokens, 1, dimension]; `sign` −1 turns back. `into`:
/// where to, of x's shape; x's own memory will do.
torch::Tensor rotated(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin,
                      double sign, const torch::Tensor& into = {});

}  // namespace luthier
