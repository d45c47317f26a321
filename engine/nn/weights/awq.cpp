// SPDX-License-Identifier: GPL-3.0-or-later
// AWQ's layout (AutoAWQ, "gemm"): a word holds one column of eight neighbouring rows, of qweight
// [cols, rows / 8] and of qzeros [groups, rows / 8] alike, in an order in which its kernels take
// them apart: from the lowest four bits on the rows 0, 2, 4, 6, 1, 3, 5, 7.
#include <algorithm>
#include <array>

#include "engine/base/text.h"
#include "engine/device/parallel.h"
#include "engine/io/weight_kinds/grouped_4bit.h"
#include "engine/nn/weights/grouped_4bit.h"

namespace luthier {

const WeightKind& awq_weight_kind();

namespace {

using grouped_4bit::Unpacked;
using torch::Tensor;

constexpr std::array<int, 8> kEvenFirst{0, 2, 4, 6, 1, 3, 5, 7};

/// Words [cols, rows / 8] to bytes [rows, cols / 2 rounded up].
Tensor turned_words(const Tensor& words) {
  const std::int64_t cols = words.size(0), across = words.size(1), stride = (cols + 1) / 2;
  Tensor codes = torch::zeros({across * 8, stride}, torch::kUInt8);
  const std::int32_t* from = words.const_data_ptr<std::int32_t>();
  auto* to = codes.data_ptr<std::uint8_t>();
  constexpr std::int64_t kTile = 16;  // words of a cache line
  for_pieces(0, (across + kTile - 1) / kTile, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const std::int64_t stop = std::min(across, (tile + 1) * kTile);
      for (std::int64_t col = 0; col < cols; ++col) {
        const int up = col % 2 == 0 ? 4 : 0;
        for (std::int64_t i = tile * kTile; i < stop; ++i) {
          const auto word = static_cast<std::uint32_t>(from[col * across + i]);
          for (std::size_t part = 0; part < 8; ++part) {
            std::uint8_t& both = to[(i * 8 + kEvenFirst[part]) * stride + col / 2];
            both = static_cast<std::uint8_t>(both | (word >> (4 * part) & 15) << up);
          }
        }
      }
    }
  });
  return codes;
}

Result<PackedPointer> read_awq(const StoredParts& parts, std::int64_t rows, std::int64_t cols,
                               const Json& settings, const std::string& where) {
  const torch::NoGradGuard no_grad;
  const PartReader reader(awq_weight_kind(), parts, where);
  if (rows % 8 != 0) {
    return input_error("A weight of " + shape_text({rows, cols}) +
                           " cannot be packed so: its rows are a multiple of eight.",
                       where, "The weights do not belong to this config.json.");
  }
  const std::int64_t groups = grouped_4bit::groups(settings, cols),
                     size = grouped_4bit::group_size(settings, cols);
  LUTHIER_TRY(const Tensor words, reader.shaped("", torch::kInt32, {cols, rows / 8}));
  LUTHIER_TRY(const Tensor zeros, reader.shaped(".qzeros", torch::kInt32, {groups, rows / 8}));
  Unpacked made;
  made.cols = cols;
  LUTHIER_TRY(made.scales, grouped_4bit::read_scales(reader, groups, rows));
  for (std::int64_t first = 0; first < cols; first += size)
    made.sizes.push_back(std::min(size, cols - first));
  made.codes = turned_words(words.contiguous());
  made.zeros = grouped_4bit::take_apart(zeros.contiguous(), kEvenFirst, 0);
  return grouped_4bit::make(awq_weight_kind(), std::move(made));
}

}  // namespace

const WeightPacking& awq_weight_packing() {
  static const WeightPacking packing{
      &awq_weight_kind(),
      [](const torch::Tensor&, const Json&, const std::string& where) {
        return grouped_4bit::refuse_to_pack(awq_weight_kind(), where);
      },
      read_awq};
  return packing;
}

}  // namespace luthier
