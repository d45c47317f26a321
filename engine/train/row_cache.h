// SPDX-License-Identifier: GPL-3.0-or-later
// What a frozen vision tower gave for a row's pictures, kept so that later epochs neither decode
// the pictures nor run the tower again. Features are always computed row by row, cached or not, so
// the cache changes no bit of the result. Bounded in bytes; the loading thread asks, the training
// thread fills.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "engine/models/vlm.h"

namespace luthier {

/// The same row, its pictures' shapes and grids without values.
Example without_pixels(const Example& example);

/// A row without its pixels.
struct CachedRow {
  Example example;  ///< images hold shape and grid, no values
  torch::Tensor
      features;  ///< [features, vision width] on the CPU; undefined for a row without pictures
};

/// Bytes that a run keeps at most, where so many are free on the machine.
std::int64_t most_kept_features(std::int64_t free);

class RowCache {
 public:
  explicit RowCache(std::int64_t max_bytes) : max_bytes_(max_bytes) {}
  std::shared_ptr<const CachedRow> find(std::int64_t row) const;
  /// Keeps the row if it still fits. Takes features from any device.
  void keep(std::int64_t row, const Example& example, const torch::Tensor& features);
  std::int64_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, std::shared_ptr<const CachedRow>> rows_;
  std::int64_t bytes_ = 0;
  const std::int64_t max_bytes_;
};

}  // namespace luthier
