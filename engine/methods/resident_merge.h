// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter merged into a base that stays in memory: its answers then cost no more than the base's
// own. What the merge writes over is kept, so that undoing it leaves the base's bytes as they were;
// taking the change off again would not. The merge proves itself as one into a folder does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// Of a base in 16 bits: rounding a merged weight moves its logits by as much, of the largest.
inline constexpr double kResidentMergeLimitOf16Bits = 4e-2;

class ResidentMerge {
 public:
  /// `folder`: the adapter's, for errors. Over what rounding allows it is an Input error, and
  /// nothing has changed. The adapter is left inactive and has to stay so while this stands.
  static Result<ResidentMerge> begin(LoadedModel& base, Adapter& adapter,
                                     const std::filesystem::path& folder);
  ResidentMerge(ResidentMerge&&) = default;
  ResidentMerge& operator=(ResidentMerge&&) = delete;
  ~ResidentMerge();  ///< undoes it; on a device that died there is nothing left to undo

  /// The base as it was, to the bit. A second time nothing happens.
  void undo();
  /// Of the merged logits from those with the adapter beside, of the largest; and what is allowed.
  double difference() const { return difference_; }
  double limit() const { return limit_; }
  std::int64_t kept_bytes() const;
  std::string sentence() const;

 private:
  struct Kept {
    torch::Tensor* slot;
    torch::Tensor before;
  };
  ResidentMerge() = default;

  std::shared_ptr<Model> model_;  ///< holds the slots
  std::vector<Kept> kept_;
  double difference_ = 0, limit_ = 0;
};

}  // namespace luthier
