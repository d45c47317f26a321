// SPDX-License-Identifier: GPL-3.0-or-later
// A store that stands begins at zeros: what a mask hides is still multiplied, by 0, and memory that
// nobody wrote may hold what makes that NaN.
#include "engine/nn/key_value_cache.h"

#include <algorithm>
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

std::vector<KeyValueCache::Alike> KeyValueCache::alike_of(
    std::span<const std::int64_t> rows) const {
  std::map<std::int64_t, int> named;
  for (const std::int64_t row : rows) ++named[row];
  // The row of this cache and the place: who has both in common begins alike.
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> first;
  std::vector<Alike> made;
  bool shared = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto own = static_cast<std::int64_t>(i);
    Alike source{rows[i], named[rows[i]] > 1 ? length_ : 0};
    if (source.until == 0 && !alike_.empty()) source = alike_[static_cast<std::size_t>(rows[i])];
    const auto [place, is_first] = first.try_emplace({source.row, source.until}, own);
    made.push_back({place->second, source.until});
    shared = shared || !is_first;
  }
  return shared ? made : std::vector<Alike>();
}

void KeyValueCache::select(const Tensor& rows) {
  // What is before all rows that stay goes.
  std::int64_t before = 0;
  if (ragged() || (rows.is_cpu() && !stands())) {
    const Tensor here = rows.to(torch::kCPU).contiguous();
    const std::span kept(here.const_data_ptr<std::int64_t>(),
                         static_cast<std::size_t>(here.numel()));
    alike_ = alike_of(kept);
    std::vector<std::int64_t> begins;
    for (const std::int64_t row : kept)
      begins.push_back(ragged() ? begins_.at(static_cast<std::size_t>(row)) : 0);
    before = begins.empty() ? 0 : *std::min_element(begins.begin(), begins.end());
    for (std::int64_t& begin : begins) begin -= before;
    begins_ = std::move(begins);
    if (std::all_of(begins_.begin(), begins_.end(), [](std::int64_t begin) { return begin == 0; }))
      begins_.clear();
    length_ -= before, capacity_ -= before;
    for (Alike& each : alike_) each.until -= before;
  }
  const auto keep = [&](Tensor& tensor, std::int64_t from = 0) {
    if (!tensor.defined()) return;
    const Tensor there = rows.to(tensor.device());
    const Tensor kept = (from > 0 ? tensor.slice(2, from) : tensor).index_select(0, there);
    if (stands())
      tensor.narrow(0, 0, kept.size(0)).copy_(kept);
    else
      tensor = kept;
  };
  for (auto* store : {&keys_, &values_})
    for (Tensor& tensor : *store) keep(tensor, before);
  for (auto& [layer, pair] : across_) keep(pair.first), keep(pair.second);
  keep(across_mask);
  for (auto& [layer, each] : carried_) keep(each.columns), keep(each.state);
  keep(position_offsets);
  if (before > 0) position_offsets = position_offsets + before;
}

std::int64_t KeyValueCache::rows() const {
  for (const Tensor& keys : keys_)
    if (keys.defined()) return keys.size(0);
  for (const auto& [layer, each] : carried_) return each.columns.size(0);
  return 0;
}

void KeyValueCache::join(const std::vector<Joining>& others, std::int64_t more) {
  TORCH_CHECK(joinable(), "these rows have the length in common");
  const std::int64_t own = rows();
  std::int64_t longest = length_, all = own;
  for (const Joining& each : others) {
    TORCH_CHECK(each.cache->joinable() && !each.cache->ragged(), "what joins has just been read");
    longest = std::max(longest, each.cache->length_);
    all += static_cast<std::int64_t>(each.rows.size());
  }
  /// A cache's rows, as many as `count`, from `begin` on in this one.
  struct Part {
    const KeyValueCache* cache;
    Tensor rows;  // undefined: all
    std::int64_t begin, count, shift;
  };
  std::vector<Part> parts{{this, Tensor(), 0, own, longest - length_}};
  std::vector<std::int64_t> begins = begins_;
  begins.resize(static_cast<std::size_t>(own), 0);
  for (std::int64_t& begin : begins) begin += longest - length_;
  for (const Joining& each : others) {
    const auto count = static_cast<std::int64_t>(each.rows.size());
    const std::int64_t shift = longest - each.cache->length_;
    parts.push_back({each.cache, torch::tensor(each.rows, torch::kInt64),
                     parts.back().begin + parts.back().count, count, shift});
    begins.insert(begins.end(), each.rows.size(), shift);
  }
  std::vector<Alike> alike(static_cast<std::size_t>(all));
  const auto put_alike = [&alike](const std::vector<Alike>& of, const Part& part) {
    for (std::int64_t row = 0; row < part.count; ++row) {
      const Alike each = of.empty() ? Alike{row, 0} : of[static_cast<std::size_t>(row)];
      alike[static_cast<std::size_t>(part.begin + row)] = {part.begin + each.row,
                                                           each.until + part.shift};
    }
  };
  put_alike(alike_, parts[0]);
  for (std::size_t i = 0; i < others.size(); ++i)
    put_alike(others[i].cache->alike_of(others[i].rows), parts[i + 1]);
  const auto of_part = [](const Tensor& tensor, const Part& part) {
    return part.rows.defined() ? tensor.index_select(0, part.rows.to(tensor.device())) : tensor;
  };
  const std::int64_t room = longest + more;
  for (auto KeyValueCache::*store : {&KeyValueCache::keys_, &KeyValueCache::values_}) {
    for (std::size_t layer = 0; layer < keys_.size(); ++layer) {
      Tensor& held = (this->*store)[layer];
      if (!held.defined()) continue;  // it sees another layer's, or carries a state
      const Tensor made = torch::empty({all, held.size(1), room, held.size(3)}, held.options());
      for (const Part& part : parts) {
        const Tensor& from = (part.cache->*store)[layer];
        const Tensor to = made.narrow(0, part.begin, part.count);
        // What a mask hides is multiplied all the same.
        if (part.shift > 0) to.narrow(2, 0, part.shift).zero_();
        to.slice(2, part.shift, longest)
            .copy_(of_part(from.slice(2, 0, longest - part.shift), part));
      }
      held = made;
    }
  }
  const auto joined = [&](auto&& of) {
    std::vector<Tensor> pieces;
    for (const Part& part : parts) pieces.push_back(of_part(of(*part.cache), part));
    return at::cat(pieces);
  };
  for (auto& [layer, each] : carried_) {
    const auto of = [at = layer](auto CarriedState::*what) {
      return [at, what](const KeyValueCache& cache) { return cache.carried_.at(at).*what; };
    };
    const CarriedState made{each.columns.defined() ? joined(of(&CarriedState::columns)) : Tensor(),
                            each.state.defined() ? joined(of(&CarriedState::state)) : Tensor()};
    each = made;
  }
  std::vector<Tensor> offsets;
  for (const Part& part : parts) {
    const Tensor& given = part.cache->position_offsets;
    offsets.push_back((given.defined()
                           ? of_part(given.to(torch::kCPU), part)
                           : torch::zeros({part.count}, torch::TensorOptions(torch::kInt64))) -
                      part.shift);
  }
  position_offsets = at::cat(offsets);
  begins_ = std::move(begins);
  alike_ = std::move(alike);
  length_ = longest, capacity_ = room;
  if (std::all_of(begins_.begin(), begins_.end(), [](std::int64_t begin) { return begin == 0; }))
    begins_.clear();
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
  const std::int64_t places = stands() ? capacity_ : length_ + 1;
  const std::int64_t near = window && *window < places ? *window : 0;
  Tensor& made = masks_[near];
  if (made.defined()) return made;
  if (!stands()) return made = ragged_mask(near, like);
  Tensor hidden = key_places_ > place;  // [capacity]
  if (near > 0) hidden = hidden.logical_or(key_places_ <= place - near);
  made = torch::zeros({1, 1, 1, capacity_}, like.options())
             .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  return made;
}

Tensor KeyValueCache::ragged_mask(std::int64_t near, const Tensor& like) const {
  const Tensor places = torch::arange(length_ + 1, torch::kInt64);
  Tensor hidden = places < torch::tensor(begins_, torch::kInt64).unsqueeze(1);  // [rows, keys]
  if (near > 0) hidden = hidden.logical_or(places <= length_ - near);
  const Tensor made = torch::zeros(hidden.sizes(), torch::dtype(like.scalar_type()))
                          .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  return made.view({made.size(0), 1, 1, made.size(1)}).to(like.device());
}

}  // namespace luthier
