// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQ's and AWQ's weights as they stand in memory, whichever file they came from: a row's codes
// beside one another, two a byte, the columns of one group together; for each row and group a scale
// and the code that stands for zero.
#pragma once

#include <array>

#include "engine/nn/weights/stored_parts.h"

namespace luthier::grouped_4bit {

/// What a file of either kind says, its words taken apart.
struct Unpacked {
  torch::Tensor codes;   // uint8 [rows, cols / 2 rounded up], of the columns in `order`
  torch::Tensor zeros;   // uint8 [rows, groups]
  torch::Tensor scales;  // of 16 or 32 bits, [rows, groups]
  torch::Tensor
      order;  // int32 [cols], the column that stands at each place; undefined: as they are
  std::vector<std::int64_t> sizes;  ///< columns of each group, one after another
  std::int64_t cols = 0;
};

PackedPointer make(const WeightKind& kind, Unpacked from);

/// Numbers of rows [begin, end) by tensor operations alone, as devices other than the CPU do it;
/// for a test to compare.
torch::Tensor dense_by_operations(const PackedWeight& weight, std::int64_t begin, std::int64_t end,
                                  torch::ScalarType dtype);

/// The scales [groups, rows] of a file, turned: [rows, groups].
Result<torch::Tensor> read_scales(const PartReader& reader, std::int64_t groups, std::int64_t rows);
/// Words [groups, rows / 8] to codes [rows, groups]; `place[i]`: the i-th four bits of a word, from
/// the lowest, are of the row 8 · word + place[i]; `add` is added to each word.
torch::Tensor take_apart(const torch::Tensor& words, const std::array<int, 8>& place,
                         std::uint32_t add);

/// Neither kind packs what is plain.
Result<PackedPointer> refuse_to_pack(const WeightKind& kind, const std::string& where);

}  // namespace luthier::grouped_4bit
