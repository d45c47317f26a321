// SPDX-License-Identifier: GPL-3.0-or-later
// A map under one mutex; rows are immutable once in it.
#include "engine/batches/row_cache.h"

#include <algorithm>

namespace luthier {

Example without_pixels(const Example& example, const std::vector<PixelValues>& pictures) {
  Example bare{example.input_ids,        example.labels,        {},
               example.truncated_tokens, example.prompt_tokens, example.source_ids};
  for (const PixelValues& image : pictures) bare.images.push_back({{}, image.shape, image.grid});
  return bare;
}

std::int64_t most_kept_features(std::int64_t free) {
  return std::min<std::int64_t>(1ll << 30, free / 8);
}

std::shared_ptr<const CachedRow> RowCache::find(std::int64_t row) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(row);
  return found == rows_.end() ? nullptr : found->second;
}

void RowCache::keep(std::int64_t row, const EncodedRow& encoded,
                    const std::vector<torch::Tensor>& features) {
  std::int64_t size = 0;
  for (const Example& example : encoded.sequences)
    size += static_cast<std::int64_t>(example.input_ids.size() + example.labels.size()) * 8 + 256;
  for (const torch::Tensor& each : features)
    size += static_cast<std::int64_t>(each.defined() ? each.nbytes() : 0);
  {
    const std::lock_guard lock(mutex_);
    if (rows_.contains(row) || bytes_ + size > max_bytes_) return;
    bytes_ += size;
  }
  auto cached = std::make_shared<CachedRow>();
  cached->encoded.shares_pictures = encoded.shares_pictures;
  cached->encoded.numbers = encoded.numbers;
  for (const Example& example : encoded.sequences)
    cached->encoded.sequences.push_back(without_pixels(example, example.images));
  for (const torch::Tensor& each : features)
    cached->features.push_back(each.defined() ? each.detach().to(torch::kCPU) : torch::Tensor());
  const std::lock_guard lock(mutex_);
  rows_.emplace(row, std::move(cached));
}

std::int64_t RowCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace luthier
