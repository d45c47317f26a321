// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter into its base, as a folder by itself, with the proof that it answers as the two did.
// The reference is the base with the adapter beside it, in float32, on probes: a picture with
// question and answer, and a text, each followed by tokens drawn from the whole vocabulary. What is
// compared is the folder as it was written, read back. Weights that are stored in 16 bits are not
// those that were merged, and how far that moves the logits is in the model's and no fault; so
// there the merge is proven before the weights are rounded, and the folder against the rounded
// weights in memory. A model's float32 logits are themselves open by what rounding changes in them,
// which grows with its width and depth: that is measured, and a merge may differ by some times as
// much.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/film_processor.h"

namespace luthier {

/// Of the largest logit.
inline constexpr double kMergeLimit = 1e-5;
/// A merged weight is rounded once more than the products beside each other, which moves the logits
/// about as far as rounding moves the adapter's own: merged against beside was found to be 1.2 to
/// 1.6 times either one's distance from float64, by 4 to 72 layers of width 256 to 2,048, and 0.5
/// to 1.5 times what probes.h measures, by tiny models under large adapters; 4.7 times on a
/// processor with AVX2 alone, where both libraries add short sums in nearly one order.
inline constexpr double kMergeLimitOfRounding = 6;
/// Of a float32 merge, by what rounding changes in the adapter's own logits.
inline double merge_limit(double own_rounding) {
  return std::max(kMergeLimit, kMergeLimitOfRounding * own_rounding);
}

/// Differences of logits, the largest of all probes' last rows, of the largest logit.
struct MergeReport {
  double arithmetic = 0;  ///< merged weights in float32 against the adapter
  double written =
      0;  ///< the folder read back against the same weights in memory, rounded as it stores them
  double rounding = 0;         ///< the folder read back against the adapter
  double own_rounding = 0;     ///< what rounding changes in the adapter's logits (probes.h)
  double limit = kMergeLimit;  ///< as merge_limit says
  std::string dtype;           ///< of the written weights
  bool untied = false;         ///< the head was tied, and got a weight of its own
  std::int64_t probes = 0;
  bool with_picture = false;

  /// What must be within the limit: of float32 weights the folder's difference from the adapter, of
  /// 16-bit ones the larger of the other two.
  double relative_error() const;
  std::string sentence() const;
};
Json to_json(const MergeReport& report);

struct MergeOptions {
  std::optional<double> limit;        ///< none: as MergeReport::limit says
  MediaLimits pixels;                 ///< none: those that the adapter was trained under
  std::function<bool(double)> go_on;  ///< as LoadOptions has it; false is an Interrupted error
};

class Adapter;
struct LoadedModel;
/// Whether head and embedding share a weight and the adapter is on one of the two: a merge has to
/// untie them first.
bool adapts_tied_head(const LoadedModel& base, const Adapter& adapter);

/// Writes `out`, which is new or empty. Over the limit it is an Input error and nothing is left.
Result<MergeReport> merge_adapter(const std::filesystem::path& base_folder,
                                  const std::filesystem::path& adapter_folder,
                                  const std::filesystem::path& out,
                                  const MergeOptions& options = {});

}  // namespace luthier
