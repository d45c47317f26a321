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
#include <vector>

#include "engine/data/row_kind.h"
#include "engine/device/torch.h"

namespace luthier {

/// The same sequence, with the shapes and grids of `pictures` and no values.
Example without_pixels(const Example& example, const std::vector<PixelValues>& pictures);

/// A row without its pixels.
struct CachedRow {
  EncodedRow encoded;  ///< images hold shape and grid, no values
  /// [features, vision width] on the CPU, one a sequence; undefined for one without pictures of its
  /// own.
  std::vector<torch::Tensor> features;
};

/// Bytes that a run keeps at most, where so many are free on the machine.
std::int64_t most_kept_features(std::int64_t free);

class RowCache {
 public:
  explicit RowCache(std::int64_t max_bytes) : max_bytes_(max_bytes) {}
  std::shared_ptr<const CachedRow> find(std::int64_t row) const;
  /// Keeps the row if it still fits. Takes features from any device.
  void keep(std::int64_t row, const EncodedRow& encoded,
            const std::vector<torch::Tensor>& features);
  std::int64_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, std::shared_ptr<const CachedRow>> rows_;
  std::int64_t bytes_ = 0;
  const std::int64_t max_bytes_;
};

}  // namespace luthier
