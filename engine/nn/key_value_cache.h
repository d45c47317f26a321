// SPDX-License-Identifier: GPL-3.0-or-later
// The key-value cache of decoding. One that grows is what a prompt is read into; one that stands
// keeps its memory and its shape from step to step, so that a step can be recorded (device/graph):
// where a token is written, and which keys are there already, its device's memory says.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// What a layer that reads no keys goes on from.
struct CarriedState {
  torch::Tensor columns;  ///< [batch, channels, kernel − 1]: what its convolution still sees
  torch::Tensor state;    ///< [batch, heads, key_dim, value_dim] float32
};

/// Keys and values of one batch of rows, for all layers, allocated once. Rows are equally long
/// until others join them: then all of them end at one place, and each begins at its own.
class KeyValueCache {
 public:
  /// Rows of another cache that come into this one: `rows` of it, each as often as it is named.
  struct Joining {
    const KeyValueCache* cache;
    std::vector<std::int64_t> rows;
  };
  KeyValueCache(std::int64_t layers, std::int64_t capacity)
      : keys_(static_cast<std::size_t>(layers)),
        values_(static_cast<std::size_t>(layers)),
        capacity_(capacity) {}
  /// Tokens of the longest row; of one that stands, as many as it had when it was filled.
  std::int64_t length() const { return length_; }
  std::int64_t capacity() const { return capacity_; }
  /// Adds [batch, kv_heads, new, head_dim] at the end of layer's store and returns all of it so
  /// far. Call `advance(new)` once after the last layer. One that stands takes one token a row, and
  /// returns all of its places.
  std::pair<torch::Tensor, torch::Tensor> append(std::int64_t layer, const torch::Tensor& key,
                                                 const torch::Tensor& value);
  void advance(std::int64_t count);
  /// What append() of `count` tokens just gave for this layer, for another that sees the same keys.
  std::pair<torch::Tensor, torch::Tensor> held(std::int64_t layer, std::int64_t count) const;
  /// Keys and values of the states that the rows look across to, [batch, kv_heads, keys, head_dim]
  /// each: `make` is asked at a layer's first token alone.
  std::pair<torch::Tensor, torch::Tensor> across(
      std::int64_t layer, const std::function<std::pair<torch::Tensor, torch::Tensor>()>& make);
  /// Whether there are such of this layer.
  bool looks_across(std::int64_t layer) const { return across_.contains(layer); }
  /// Of a layer that carries a state: what its last token left, undefined before the first. Who
  /// takes it writes there what the next one finds; new tensors, since copies of a cache share.
  CarriedState& carried(std::int64_t layer) { return carried_[layer]; }
  /// Room for `count` more, before anything is stored: tokens that stand before the rows' own.
  void reserve(std::int64_t count) { capacity_ += count; }
  /// Keeps these rows of the batch (int64 [rows], on the host or where the cache is), for when some
  /// sequences are done. One that stands has them at its beginning then: go on with first(rows).
  void select(const torch::Tensor& rows);
  /// Rows of `others`, which have read their prompts, stand behind these from here on, with room
  /// for `more` tokens of each row. For caches that can_join.
  void join(const std::vector<Joining>& others, std::int64_t more);
  bool joinable() const { return can_join && !stands() && across_.empty(); }
  /// Rows of several lengths: they go on by a token of each, which sees its own row by mask().
  bool ragged() const { return !begins_.empty(); }
  /// Rows that came of one row of a prompt: a row's keys and values before place `until` are those
  /// of `row` too, which is read once for all of them.
  struct Alike {
    std::int64_t row, until;
  };
  /// One for each row, of one that grows on a CPU; empty: none has another's.
  const std::vector<Alike>& alike() const { return alike_; }

  /// What a row's next position is ahead of length() (positions of pictures may be fewer than
  /// their tokens, and a shorter row begins later): [batch] int64, or undefined for 0.
  torch::Tensor position_offsets;
  /// What is added to the scores of what the rows look across to, where that is not as much of
  /// each: [batch, 1, 1, keys], far below 0 where there is nothing; undefined: nothing is added.
  torch::Tensor across_mask;

  // One that stands.

  /// One for `rows` × `capacity` of what this one holds; it is empty until it takes something.
  KeyValueCache standing(std::int64_t rows, std::int64_t capacity) const;
  /// The first `rows` of this standing one, in the same memory.
  KeyValueCache first(std::int64_t rows) const;
  /// Begins anew with what `filled` holds of as many rows.
  void take(const KeyValueCache& filled);
  bool stands() const { return place.defined(); }
  /// Of the next token of each row: [rows] int64, on the device.
  torch::Tensor positions() const { return position_offsets + place; }
  /// What is added to scores, in `like`'s type: −∞ at keys that lie `window` back and, of one that
  /// stands [1, 1, 1, capacity], at those that are not there yet; of a ragged one [batch, 1, 1,
  /// length + 1], at those before each row. Made once a step.
  torch::Tensor mask(std::optional<std::int64_t> window, const torch::Tensor& like);

  /// Where the next token is written: [1] int64, on the device; undefined: this one grows. Who
  /// takes a step adds 1 at its very end.
  torch::Tensor place;
  /// False: something in the model goes by the length that the host knows (set by its decode).
  bool can_stand = true;
  /// False: something in the model goes by the one length of all rows (set by its decode).
  bool can_join = true;

 private:
  std::int64_t rows() const;
  /// Of these rows, as they lie one behind the other then: which begin alike.
  std::vector<Alike> alike_of(std::span<const std::int64_t> rows) const;
  torch::Tensor ragged_mask(std::int64_t near, const torch::Tensor& like) const;

  std::vector<torch::Tensor> keys_, values_;
  std::map<std::int64_t, std::pair<torch::Tensor, torch::Tensor>> across_;  ///< by layer
  std::map<std::int64_t, CarriedState> carried_;                            ///< by layer
  std::int64_t capacity_, length_ = 0;
  std::vector<std::int64_t> begins_;  ///< the place of each row's first key; empty: all 0
  std::vector<Alike> alike_;
  torch::Tensor key_places_;                     ///< 0, 1, 2, …: [capacity] int64
  std::map<std::int64_t, torch::Tensor> masks_;  ///< of this step, by window; 0: none
};

}  // namespace luthier
