// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQ's layout: qweight holds eight neighbouring columns of a row in a word, the lowest four bits
// first, [cols / 8, rows]; qzeros eight neighbouring rows, [groups, rows / 8]; g_idx says which
// group each column is of, in any order where the columns were taken by their activations (act-
// order). In the first version of the format each zero is stored less one, over the whole word.
#include <algorithm>
#include <array>
#include <numeric>

#include "engine/base/text.h"
#include "engine/device/parallel.h"
#include "engine/io/weight_kinds/grouped_4bit.h"
#include "engine/nn/weights/grouped_4bit.h"

namespace luthier {

const WeightKind& gptq_weight_kind();

namespace {

using grouped_4bit::Unpacked;
using torch::Tensor;

constexpr std::array<int, 8> kInTurn{0, 1, 2, 3, 4, 5, 6, 7};
constexpr std::uint32_t kOneEach = 0x11111111;

bool is_second_version(const Json& settings) {
  for (const char* key : {"checkpoint_format", "format"}) {
    const auto found = settings.find(key);
    if (found != settings.end() && found->is_string()) return *found == "gptq_v2";
  }
  return false;
}

/// Words [cols / 8, rows] to bytes [rows, cols / 2]: column order[i] stands at place i.
Tensor turned(const Tensor& words, const Tensor& order) {
  const std::int64_t across = words.size(0), rows = words.size(1), cols = across * 8;
  Tensor codes = torch::zeros({rows, cols / 2}, torch::kUInt8);
  const std::int32_t* from = words.const_data_ptr<std::int32_t>();
  const std::int32_t* column = order.const_data_ptr<std::int32_t>();
  auto* to = codes.data_ptr<std::uint8_t>();
  constexpr std::int64_t kTile = 16;  // words of a cache line
  for_pieces(0, (rows + kTile - 1) / kTile, 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const std::int64_t stop = std::min(rows, (tile + 1) * kTile);
      for (std::int64_t place = 0; place < cols; ++place) {
        const std::int32_t* line = from + column[place] / 8 * rows;
        const int down = 4 * (column[place] % 8), up = place % 2 == 0 ? 4 : 0;
        for (std::int64_t row = tile * kTile; row < stop; ++row) {
          const auto code = static_cast<std::uint32_t>(line[row]) >> down & 15;
          std::uint8_t& both = to[row * (cols / 2) + place / 2];
          both = static_cast<std::uint8_t>(both | code << up);
        }
      }
    }
  });
  return codes;
}

/// Columns by their groups, those of one as they stand; and how many each has.
Status sort_columns(const PartReader& reader, std::int64_t groups, std::int64_t size,
                    const Json& settings, Unpacked& to) {
  std::vector<std::int32_t> group(static_cast<std::size_t>(to.cols));
  if (reader.has(".g_idx")) {
    LUTHIER_TRY(const Tensor given, reader.shaped(".g_idx", torch::kInt32, {to.cols}));
    const Tensor flat = given.contiguous();
    std::copy_n(flat.const_data_ptr<std::int32_t>(), group.size(), group.begin());
    for (const std::int32_t each : group) {
      if (each >= 0 && each < groups) continue;
      return input_error("A column is said to be of group " + std::to_string(each) +
                             ", there are " + std::to_string(groups) + ".",
                         reader.place(".g_idx"), "The file is damaged, or of another version.");
    }
  } else if (groups > 1 && settings.value("desc_act", Json()) == true) {
    return input_error(
        "The tensor is missing, and desc_act says that columns of a group stand apart.",
        reader.place(".g_idx"), "The file is incomplete.");
  } else {
    for (std::size_t i = 0; i < group.size(); ++i)
      group[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) / size);
  }
  to.order = torch::empty({to.cols}, torch::kInt32);
  auto* order = to.order.data_ptr<std::int32_t>();
  std::iota(order, order + to.cols, 0);
  std::stable_sort(order, order + to.cols, [&](std::int32_t a, std::int32_t b) {
    return group[static_cast<std::size_t>(a)] < group[static_cast<std::size_t>(b)];
  });
  to.sizes.assign(static_cast<std::size_t>(groups), 0);
  for (const std::int32_t each : group) ++to.sizes[static_cast<std::size_t>(each)];
  return {};
}

Result<PackedPointer> read_gptq(const StoredParts& parts, std::int64_t rows, std::int64_t cols,
                                const Json& settings, const std::string& where) {
  const torch::NoGradGuard no_grad;
  const PartReader reader(gptq_weight_kind(), parts, where);
  if (rows % 8 != 0 || cols % 8 != 0) {
    return input_error("A weight of " + shape_text({rows, cols}) +
                           " cannot be packed so: both sizes are multiples of eight.",
                       where, "The weights do not belong to this config.json.");
  }
  const std::int64_t groups = grouped_4bit::groups(settings, cols);
  LUTHIER_TRY(const Tensor words, reader.shaped("", torch::kInt32, {cols / 8, rows}));
  LUTHIER_TRY(const Tensor zeros, reader.shaped(".qzeros", torch::kInt32, {groups, rows / 8}));
  Unpacked made;
  made.cols = cols;
  LUTHIER_TRY(made.scales, grouped_4bit::read_scales(reader, groups, rows));
  LUTHIER_CHECK(
      sort_columns(reader, groups, grouped_4bit::group_size(settings, cols), settings, made));
  made.codes = turned(words.contiguous(), made.order);
  made.zeros = grouped_4bit::take_apart(zeros.contiguous(), kInTurn,
                                        is_second_version(settings) ? 0 : kOneEach);
  return grouped_4bit::make(gptq_weight_kind(), std::move(made));
}

}  // namespace

const WeightPacking& gptq_weight_packing() {
  static const WeightPacking packing{
      &gptq_weight_kind(),
      [](const torch::Tensor&, const Json&, const std::string& where) {
        return grouped_4bit::refuse_to_pack(gptq_weight_kind(), where);
      },
      read_gptq};
  return packing;
}

}  // namespace luthier
