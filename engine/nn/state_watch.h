// SPDX-License-Identifier: GPL-3.0-or-later
// The states between a decoder's layers, at some of its tokens, for a loss that is of them, too.
// They come with their graph while a watch stands on the thread; the last layer then makes the
// states of all tokens.
//   StateWatch watch(places, {0, 4, 8}); model.decode(sequence, nullptr); watch.states();
#pragma once

#include <cstdint>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

class StateWatch {
 public:
  /// `places` [n] int64, among the tokens that pass; `which`: 0 is what enters the first layer, i
  /// what the i-th layer gives, and of the last one what the final norm makes of that
  /// (transformers' hidden_states). In rising order.
  StateWatch(torch::Tensor places, std::vector<std::int64_t> which);
  ~StateWatch();
  StateWatch(const StateWatch&) = delete;
  StateWatch& operator=(const StateWatch&) = delete;

  /// Null: nobody watches on this thread.
  static StateWatch* here();
  /// One for each of `which`: [n, hidden].
  const std::vector<torch::Tensor>& states() const { return states_; }

  bool asks(std::int64_t layer) const;
  torch::Tensor at_places(const torch::Tensor& x) const { return x.index_select(0, places_); }
  void take(torch::Tensor states) { states_.push_back(std::move(states)); }

 private:
  torch::Tensor places_;
  std::vector<std::int64_t> which_;
  StateWatch* outer_;
  std::vector<torch::Tensor> states_;
};

}  // namespace luthier
