// SPDX-License-Identifier: GPL-3.0-or-later
// A store that stands begins at zeros: what a mask hides is still multiplied, by 0, and memory that
// nobody wrote may hold what makes that NaN.
#include "engine/nn/key_value_cache.h"

#include <limits>

namespace luthier {

using torch::Tensor;

std::pair<Tensor, Tensor> KeyValueCache::across(
    std::int64_t layer, const std::function<std::pair<Tensor, Tensor>()>& make) {
  const auto found = across_.find(layer);
  return found != across_.end() ? found->second : across_.emplace(layer, make()).first->second;
}

std::pair<Tensor, Tensor> KeyValueCache::append(std::int64_t layer, const Tensor& key,
                                                const Tensor& value) {
  Tensor& keys = keys_.at(static_cast<std::size_t>(layer));
  Tensor& values = values_.at(static_cast<std::size_t>(layer));
  if (stands()) {
    keys.index_copy_(2, place, key);
    values.index_copy_(2, place, value);
    return {keys, values};
  }
  if (!keys.defined()) {
    keys = torch::empty({key.size(0), key.size(1), capacity_, key.size(3)}, key.options());
    values = torch::empty_like(keys);
  }
  const std::int64_t end = length_ + key.size(2);
  TORCH_CHECK(end <= capacity_, "the key-value cache is full");
  keys.slice(2, length_, end).copy_(key);
  values.slice(2, length_, end).copy_(value);
  return {keys.slice(2, 0, end), values.slice(2, 0, end)};
}

std::pair<Tensor, Tensor> KeyValueCache::held(std::int64_t layer, std::int64_t count) const {
  const Tensor &keys = keys_.at(static_cast<std::size_t>(layer)),
               &values = values_.at(static_cast<std::size_t>(layer));
  if (stands()) return {keys, values};
  return {keys.slice(2, 0, length_ + count), values.slice(2, 0, length_ + count)};
}

void KeyValueCache::advance(std::int64_t count) {
  masks_.clear();
  if (!stands()) length_ += count;
}

void KeyValueCache::select(const Tensor& rows) {
  const auto keep = [&](Tensor& tensor) {
    if (!tensor.defined()) return;
    const Tensor kept = tensor.index_select(0, rows.to(tensor.device()));
    if (stands())
      tensor.narrow(0, 0, kept.size(0)).copy_(kept);
    else
      tensor = kept;
  };
  for (auto* store : {&keys_, &values_})
    for (Tensor& tensor : *store) keep(tensor);
  for (auto& [layer, pair] : across_) keep(pair.first), keep(pair.second);
  keep(across_mask);
  for (auto& [layer, each] : carried_) keep(each.columns), keep(each.state);
  keep(position_offsets);
}

KeyValueCache KeyValueCache::standing(std::int64_t rows, std::int64_t capacity) const {
  KeyValueCache made(static_cast<std::int64_t>(keys_.size()), capacity);
  made.length_ = length_;  // whatever it will hold, something stands before the next token
  const auto store = [&](const Tensor& like) {
    return torch::zeros({rows, like.size(1), capacity, like.size(3)}, like.options());
  };
  for (std::size_t layer = 0; layer < keys_.size(); ++layer) {
    if (!keys_[layer].defined()) continue;  // it sees another layer's
    made.keys_[layer] = store(keys_[layer]);
    made.values_[layer] = store(values_[layer]);
  }
  const auto numbers = keys_.at(0).options().dtype(torch::kInt64);
  made.place = torch::zeros({1}, numbers);
  made.position_offsets = torch::zeros({rows}, numbers);
  made.key_places_ = torch::arange(capacity, numbers);
  return made;
}

KeyValueCache KeyValueCache::first(std::int64_t rows) const {
  KeyValueCache part = *this;
  for (auto* store : {&part.keys_, &part.values_})
    for (Tensor& tensor : *store)
      if (tensor.defined()) tensor = tensor.narrow(0, 0, rows);
  part.position_offsets = position_offsets.narrow(0, 0, rows);
  return part;
}

void KeyValueCache::take(const KeyValueCache& filled) {
  TORCH_CHECK(filled.length_ < capacity_, "the key-value cache is full");
  length_ = filled.length_;
  for (std::size_t layer = 0; layer < keys_.size(); ++layer) {
    const auto copy = [this](const Tensor& to, const Tensor& from) {
      to.narrow(2, 0, length_).copy_(from.narrow(2, 0, length_));
    };
    if (!keys_[layer].defined()) continue;
    copy(keys_[layer], filled.keys_[layer]);
    copy(values_[layer], filled.values_[layer]);
  }
  place.fill_(length_);
  if (filled.position_offsets.defined())
    position_offsets.copy_(filled.position_offsets);
  else
    position_offsets.zero_();
}

Tensor KeyValueCache::mask(std::optional<std::int64_t> window, const Tensor& like) {
  // A window that holds all places hides nothing.
  const std::int64_t near = window && *window < capacity_ ? *window : 0;
  Tensor& made = masks_[near];
  if (made.defined()) return made;
  Tensor hidden = key_places_ > place;  // [capacity]
  if (near > 0) hidden = hidden.logical_or(key_places_ <= place - near);
  made = torch::zeros({1, 1, 1, capacity_}, like.options())
             .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  return made;
}

}  // namespace luthier
