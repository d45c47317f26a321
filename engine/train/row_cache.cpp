// SPDX-License-Identifier: GPL-3.0-or-later
// A map under one mutex; rows are immutable once in it.
#include "engine/train/row_cache.h"

#include <algorithm>

namespace luthier {

Example without_pixels(const Example& example) {
  Example bare{
      example.input_ids, example.labels, {}, example.truncated_tokens, example.prompt_tokens};
  for (const PixelValues& image : example.images)
    bare.images.push_back({{}, image.shape, image.grid});
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

void RowCache::keep(std::int64_t row, const Example& example, const torch::Tensor& features) {
  const std::int64_t size =
      static_cast<std::int64_t>(features.defined() ? features.nbytes() : 0) +
      static_cast<std::int64_t>(example.input_ids.size() + example.labels.size()) * 8 + 256;
  {
    const std::lock_guard lock(mutex_);
    if (rows_.contains(row) || bytes_ + size > max_bytes_) return;
    bytes_ += size;
  }
  auto cached = std::make_shared<CachedRow>();
  cached->example = without_pixels(example);
  if (features.defined()) cached->features = features.detach().to(torch::kCPU);
  const std::lock_guard lock(mutex_);
  rows_.emplace(row, std::move(cached));
}

std::int64_t RowCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace luthier
