// SPDX-License-Identifier: GPL-3.0-or-later
// Prefix tuning (Li & Liang 2021) as PEFT 0.21 has it: one table of keys and values, [tokens,
// layers · 2 (key, value) · width], that stand before every row in each layer, unrotated, while the
// row's own positions start behind them. Under a projection the table is made by a small network in
// every pass, and the network is what trains.
#pragma once

#include <optional>

#include "engine/methods/method.h"

namespace luthier {

class PrefixTable {
 public:
  /// PEFT's PrefixEncoder: an embedding and two layers with a tanh between them.
  struct Network {
    torch::Tensor embedding;             // [tokens, width]
    torch::Tensor in_weight, in_bias;    // [inner, width]
    torch::Tensor out_weight, out_bias;  // [layers · 2 · width, inner]
  };
  explicit PrefixTable(torch::Tensor table);
  explicit PrefixTable(Network network);

  /// Of one layer: [tokens, kv_heads, head_dim] each. Layer 0 starts a pass: what a network gives
  /// is made there for all layers, and let go after the last of `layers`.
  KeysAndValues of(std::int64_t layer, std::int64_t layers, std::int64_t kv_heads,
                   std::int64_t head_dim);
  std::int64_t tokens() const;
  /// The whole table.
  torch::Tensor made() const;
  /// What trains, by the keys of its file.
  std::vector<Adapter::Named> trained() const;

 private:
  torch::Tensor table_;
  std::optional<Network> network_;
  torch::Tensor of_pass_;
};

const Method& prefix_tuning_method();

}  // namespace luthier
