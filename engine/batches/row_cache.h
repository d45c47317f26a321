// SPDX-License-Identifier: GPL-3.0-or-later
// What a frozen vision tower gave for a row's pictures, kept in the machine's memory so that later
// epochs neither decode the pictures nor run the tower again. Bounded in bytes; the loading thread
// asks, the training thread fills. What is kept follows from the rows in their order and from the
// bound alone, never from the time at which somebody asks: where a row's features have the last
// bits of the batch that they were made in (on a device, see BatchMaker), a run and its resume must
// keep the same ones.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
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

/// Bytes that a run keeps at most.
inline constexpr std::int64_t kMostKeptFeatures = std::int64_t{1} << 30;
/// Less where only so many are free on the machine.
std::int64_t most_kept_features(std::int64_t free);

class RowCache {
 public:
  /// A row to keep.
  struct Made {
    std::int64_t row = 0;
    const EncodedRow* encoded = nullptr;
    const std::vector<torch::Tensor>* features = nullptr;  ///< one a sequence, of any device
  };

  explicit RowCache(std::int64_t max_bytes) : max_bytes_(max_bytes) {}
  std::shared_ptr<const CachedRow> find(std::int64_t row) const;
  /// Keeps the rows as long as they fit; from the first one that does not on, it is full. Features
  /// on a device come down in one copy, which nobody waits for: their rows are found after
  /// arrived().
  void keep(const std::vector<Made>& rows);
  /// What is on its way from a device has come. `waited`: something was read from that device since
  /// keep(); else it is waited for here.
  void arrived(bool waited);
  /// What is on its way is not kept.
  void abandon();

  std::int64_t bytes() const;
  bool full() const;

 private:
  /// Rows whose features lie one after another in `here`, which is being written.
  struct Coming {
    std::vector<std::int64_t> rows;
    std::vector<std::shared_ptr<CachedRow>> kept;  ///< with their features still on the device
    torch::Tensor here;
    std::int64_t bytes = 0;
  };
  bool admit(std::int64_t row, std::int64_t size);

  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, std::shared_ptr<const CachedRow>> rows_;
  std::int64_t bytes_ = 0;
  bool full_ = false;
  const std::int64_t max_bytes_;
  std::vector<Coming> coming_;           ///< of the training thread alone
  std::optional<torch::Device> device_;  ///< that they come from
};

}  // namespace luthier
