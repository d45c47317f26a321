// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that are nearly the same: texts by MinHash over their pieces of five letters (Broder 1997),
// pictures by a hash of how light lies in them, of which a copy in another size or format differs
// in few bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/data/tools/row_workers.h"
#include "engine/vision/image.h"

namespace luthier {

struct NearDuplicateRules {
  enum class By { Both, Text, Picture } by = By::Both;
  double similarity = 0.8;  ///< of texts: the estimated share of pieces that both have
  int bits = 6;             ///< of 64, that pictures' hashes differ in at most; up to 7
};

struct NearDuplicate {
  std::size_t row = 0, of = 0;  ///< `of` comes before
  double similarity = -1;       ///< of their texts; -1: they were not compared
  int bits = -1;                ///< that their first pictures differ in; -1: not compared
};

/// Each row that is nearly an earlier one, with the first row that it is like; in the rows' order.
/// Rows of which both have pictures are alike where their pictures are too. What cannot be read is
/// like nothing.
Result<std::vector<NearDuplicate>> near_duplicates(const Dataset& dataset, const RowKind& kind,
                                                   const NearDuplicateRules& rules,
                                                   const RowProgress& progress = {});

/// As findings of kind near_duplicate, whose rows stay usable.
std::vector<Finding> near_duplicate_findings(const Dataset& dataset,
                                             const std::vector<NearDuplicate>& found);

inline constexpr std::size_t kMinHashes = 64;
/// Empty for a text of no letters.
std::vector<std::uint32_t> min_hashes(const std::string& text);
/// The share of equal hashes, which estimates Jaccard's index of the texts' pieces.
double similarity_of(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b);

/// The signs of a grey picture's lowest 8 x 8 frequencies (of 32 x 32) against their median.
std::uint64_t picture_hash(const Image& image);

}  // namespace luthier
