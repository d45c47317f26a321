// SPDX-License-Identifier: GPL-3.0-or-later
// Every step is bitsandbytes' in its order, since a scale or a product that is rounded once more
// would move a number into its neighbour's place.
#include "engine/nn/weights/bnb_4bit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/text.h"
#include "engine/device/parallel.h"
#include "engine/io/weight_kinds/bnb_state.h"
#include "engine/kernels/packed.h"
#include "engine/nn/packed_loops.h"
#include "engine/nn/weights/filling.h"
#include "engine/nn/weights/nested_scales.h"
#include "engine/nn/weights/stored_parts.h"

namespace luthier::bnb_4bit {

namespace {

using torch::Tensor;

constexpr std::int64_t kGrain = 512;      // blocks that are worth a thread
constexpr float kSmallestScale = 1e-38F;  // below it a block is divided by this instead

std::int64_t divided_up(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

/// As bitsandbytes' JSON has them ("bfloat16").
const char* type_name(torch::ScalarType type) {
  return type == torch::kBFloat16 ? "bfloat16" : type == torch::kFloat16 ? "float16" : "float32";
}
std::optional<torch::ScalarType> type_of(const std::string& name) {
  for (const torch::ScalarType type : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
    if (name == type_name(type)) return type;
  }
  return {};
}

class FourBitWeight : public PackedWeight {
 public:
  FourBitWeight(const Codebook& book, Tensor bytes, Scales scales, std::vector<std::int64_t> shape,
                std::int64_t block, torch::ScalarType type)
      : book_(book),
        bytes_(std::move(bytes)),
        scales_(std::move(scales)),
        shape_(std::move(shape)),
        block_(block),
        type_(type) {}

  const WeightKind& kind() const override { return *book_.kind; }
  std::int64_t rows() const override { return shape_.empty() ? 1 : shape_.front(); }
  std::int64_t cols() const override {
    std::int64_t others = 1;
    for (std::size_t i = 1; i < shape_.size(); ++i) others *= shape_[i];
    return others;
  }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(bytes_.nbytes() + scales_.values.nbytes() +
                                     (scales_.packed() ? scales_.nested.nbytes() : 0));
  }
  torch::Device device() const override { return bytes_.device(); }
  torch::ScalarType dtype() const override { return type_; }

  Tensor dense_rows(std::int64_t begin, std::int64_t end, torch::ScalarType type) const override {
    const torch::NoGradGuard no_grad;
    const std::int64_t first = begin * cols(), last = end * cols();
    const Tensor flat =
        bytes_.is_cpu() ? filled({last - first}, type, [&](auto* out) { fill(out, first, last); })
                        : on_device(first, last, type);
    return flat.view({end - begin, cols()});
  }

  Tensor on_device(std::int64_t first, std::int64_t last, torch::ScalarType type) const {
    const kernels::FourBits own{bytes_,      pairs_,         scales_.values, scales_.nested,
                                scales_.map, scales_.offset, block_,         scales_.nested_block};
    const std::int64_t begin = first / 8 * 8;
    const auto made = kernels::expanded(own, begin, last, type);
    return made ? made->slice(0, first - begin) : by_operations(first, last, type);
  }

  /// Whole blocks around what is asked for: each byte by what its two halves stand for, then the
  /// blocks by their scales. Nothing goes up to the device meanwhile (dense_run.h counts the rest).
  Tensor by_operations(std::int64_t first, std::int64_t last, torch::ScalarType type) const {
    const torch::NoGradGuard no_grad;
    const std::int64_t block = first / block_, begin = block * block_,
                       blocks = divided_up(last, block_) - block,
                       end = std::min(rows() * cols(), begin + blocks * block_),
                       whole = (end - begin) / block_;
    const Tensor pairs = pairs_.defined() ? pairs_ : values_of_bytes(book_.values);
    const Tensor flat =
        pairs.index_select(0, bytes_.slice(0, begin / 2, divided_up(end, 2)).to(torch::kInt32))
            .view({-1});
    const Tensor scales = scales_.range(block, block + blocks);
    flat.slice(0, 0, whole * block_)
        .view({whole, block_})
        .mul_(scales.slice(0, 0, whole).unsqueeze(1));
    if (whole < blocks) flat.slice(0, whole * block_).mul_(scales.slice(0, whole));
    return flat.slice(0, first - begin, last - begin).to(type);
  }

  PackedPointer to(torch::Device device) const override {
    auto moved = c10::make_intrusive<FourBitWeight>(book_, bytes_.to(device), scales_.to(device),
                                                    shape_, block_, type_);
    if (!device.is_cpu()) moved->pairs_ = values_of_bytes(book_.values).to(device);
    return moved;
  }

  std::vector<std::pair<std::string, Tensor>> stored() const override {
    const Tensor codes = torch::from_blob(const_cast<float*>(book_.values.data()), {16}).clone();
    std::vector<std::pair<std::string, Tensor>> parts{
        {"", bytes_.view({-1, 1}).cpu()}, {".absmax", scales_.values.cpu()}, {".quant_map", codes}};
    if (scales_.packed()) {
      parts.emplace_back(".nested_absmax", scales_.nested.cpu());
      parts.emplace_back(".nested_quant_map", scales_.map.cpu());
    }
    State told{block_, scales_.nested_block, type_name(type_), shape_};
    if (scales_.packed()) told.offset = scales_.offset;
    const std::string state = state_text(told, kind().name);
    const Tensor text = torch::empty({static_cast<std::int64_t>(state.size())}, torch::kUInt8);
    std::copy(state.begin(), state.end(), text.data_ptr<std::uint8_t>());
    parts.emplace_back(std::string(kind().beside.back()), text);
    return parts;
  }

 private:
  template <class T>
  void fill(T* out, std::int64_t first, std::int64_t last) const {
    if (first >= last) return;
    for_pieces(first / block_, divided_up(last, block_), kGrain,
               [&](std::int64_t begin, std::int64_t end) {
                 std::array<float, kGrain> room;
                 for (std::int64_t block = begin; block < end; block += kGrain) {
                   const std::int64_t stop = std::min(end, block + kGrain),
                                      from = std::max(first, block * block_),
                                      to = std::min(last, stop * block_);
                   const packed::Codes codes{
                       bytes_.const_data_ptr<std::uint8_t>(), book_.values.data(),
                       scales_.plain(block, stop - block, room.data()), nullptr, block_};
                   packed::expand(codes, from, to, out + (from - first));
                 }
               });
  }

  const Codebook& book_;
  Tensor bytes_;  // uint8 [half of the numbers, rounded up]
  Tensor pairs_;  // beside them on a device; undefined on the CPU
  Scales scales_;
  std::vector<std::int64_t> shape_;
  std::int64_t block_;
  torch::ScalarType type_;
};

/// The codes in ascending order of what they stand for, and the middles between neighbours.
struct Order {
  std::array<std::uint8_t, 16> codes;
  std::array<float, 15> middles;

  explicit Order(const Codebook& book) {
    std::iota(codes.begin(), codes.end(), std::uint8_t{0});
    std::stable_sort(codes.begin(), codes.end(), [&](std::uint8_t left, std::uint8_t right) {
      return book.values[left] < book.values[right];
    });
    for (std::size_t i = 0; i < 15; ++i)
      middles[i] = (book.values[codes[i]] + book.values[codes[i + 1]]) / 2;
  }
  /// A number in a middle goes to the lower neighbour.
  std::uint8_t code(float value) const {
    std::size_t place = 0;
    for (const float middle : middles) place += value > middle ? 1 : 0;
    return codes[place];
  }
};

/// float32 [numbers] → the codes in pairs, and a scale for each block.
std::pair<Tensor, Tensor> pack_numbers(const Codebook& book, const Tensor& flat) {
  const Order order(book);
  const std::int64_t numbers = flat.numel(), blocks = divided_up(numbers, kBlock);
  Tensor bytes = torch::empty({divided_up(numbers, 2)}, torch::kUInt8);
  Tensor scales = torch::empty({blocks}, torch::kFloat32);
  const float* from = flat.const_data_ptr<float>();
  auto* to = bytes.data_ptr<std::uint8_t>();
  float* scale_of = scales.data_ptr<float>();
  for_pieces(0, blocks, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * kBlock, last = std::min(numbers, first + kBlock);
      float largest = 0;
      for (std::int64_t i = first; i < last; ++i) largest = std::max(largest, std::abs(from[i]));
      // A short last block keeps its scale off zero and divides; the others multiply.
      const bool is_short = last - first < kBlock;
      const float divisor = std::max(largest, kSmallestScale), inverse = 1.0F / divisor;
      scale_of[block] = is_short ? divisor : largest;
      const auto code = [&](std::int64_t i) {
        if (i >= last) return order.code(0);
        const float value = is_short ? from[i] / divisor : from[i] * inverse;
        return order.code(std::clamp(value, -1.0F, 1.0F));
      };
      for (std::int64_t i = first; i < last; i += 2)
        to[i / 2] = static_cast<std::uint8_t>(code(i) << 4 | code(i + 1));
    }
  });
  return {bytes, scales};
}

void set_compute_type(PackedWeight& weight, const Json& settings) {
  const auto found = settings.find("bnb_4bit_compute_dtype");
  const bool named = found != settings.end() && found->is_string();
  if (named && *found == "auto") return;
  weight.compute_dtype =
      named ? type_of(found->get<std::string>()).value_or(torch::kFloat32) : torch::kFloat32;
}

/// What the JSON beside a packed weight says of it, for a weight of this shape.
Result<State> read_state(const PartReader& reader, const Codebook& book,
                         const std::vector<std::int64_t>& shape) {
  const std::string_view end = book.kind->beside.back();
  const std::string where = reader.place(end);
  LUTHIER_TRY(const Tensor bytes, reader.part(end));
  if (bytes.scalar_type() != torch::kUInt8 || bytes.numel() > 1 << 16)
    return input_error("A short JSON text in bytes is expected.", where);
  LUTHIER_TRY(State state, parse_state({reinterpret_cast<const char*>(bytes.const_data_ptr()),
                                        static_cast<std::size_t>(bytes.numel())},
                                       book.kind->name, where));
  if (state.shape == shape) return state;
  return input_error("The weight's shape is said to be " + shape_text(state.shape) +
                         ", config.json asks for " + shape_text(shape) + ".",
                     reader.place(""), "The weights do not belong to this config.json.");
}

/// The sixteen numbers that a file gives, if it does: the kind's own.
Status check_map(const PartReader& reader, const Codebook& book) {
  if (!reader.has(".quant_map")) return {};
  LUTHIER_TRY(const Tensor map, reader.flat(".quant_map", torch::kFloat32, 16));
  const float* given = map.const_data_ptr<float>();
  for (std::size_t i = 0; i < 16; ++i) {
    if (std::abs(given[i] - book.values[i]) <= 1e-6F) continue;
    return input_error("The sixteen numbers are not those of " + std::string(book.kind->name) + ".",
                       reader.place(".quant_map"), "The file is damaged, or of another version.");
  }
  return {};
}

}  // namespace

Result<PackedPointer> pack(const Codebook& book, const Tensor& weight, const Json& settings,
                           const std::string& where) {
  const torch::NoGradGuard no_grad;
  const Tensor flat = weight.detach().to(torch::kCPU, torch::kFloat32).contiguous().view({-1});
  LUTHIER_CHECK(check_to_pack(flat, where));
  auto [bytes, plain] = pack_numbers(book, flat);
  Scales scales;
  if (double_quant(settings) && plain.numel() > 0) {
    scales = pack_scales(plain);
    if (!std::isfinite(scales.offset)) {
      return input_error("The scales of the blocks are too large to be packed in their turn.",
                         where, "Pack without double quantization.");
    }
  } else {
    scales.values = plain;
  }
  PackedPointer packed =
      c10::make_intrusive<FourBitWeight>(book, std::move(bytes), std::move(scales),
                                         weight.sizes().vec(), kBlock, weight.scalar_type());
  set_compute_type(*packed, settings);
  return packed;
}

Result<PackedPointer> read(const Codebook& book, const StoredParts& parts, std::int64_t rows,
                           std::int64_t cols, const Json& settings, const std::string& where) {
  const PartReader reader(*book.kind, parts, where);
  LUTHIER_TRY(const State state, read_state(reader, book, {rows, cols}));
  const std::int64_t numbers = rows * cols, blocks = divided_up(numbers, state.block);
  LUTHIER_TRY(const Tensor bytes, reader.flat("", torch::kUInt8, divided_up(numbers, 2)));
  LUTHIER_CHECK(check_map(reader, book));
  Scales scales;
  if (reader.has(".nested_absmax")) {
    if (!state.offset) {
      return input_error("The offset of the packed scales is missing.",
                         reader.place(book.kind->beside.back()) + ": nested_offset",
                         "The file is damaged, or of another version.");
    }
    scales.nested_block = state.nested_block;
    scales.offset = static_cast<float>(*state.offset);
    LUTHIER_TRY(scales.values, reader.flat(".absmax", torch::kUInt8, blocks));
    LUTHIER_TRY(scales.nested, reader.finite(".nested_absmax", torch::kFloat32,
                                             {divided_up(blocks, state.nested_block)}));
    LUTHIER_TRY(scales.map, reader.finite(".nested_quant_map", torch::kFloat32, {256}));
    if (scales.map.abs().max().item<float>() > 1) {
      return input_error("The numbers of eight packed bits are not between -1 and 1.",
                         reader.place(".nested_quant_map"),
                         "The file is damaged, or of another version.");
    }
  } else {
    LUTHIER_TRY(scales.values, reader.finite(".absmax", torch::kFloat32, {blocks}));
  }
  PackedPointer packed = c10::make_intrusive<FourBitWeight>(book, bytes, std::move(scales),
                                                            std::vector<std::int64_t>{rows, cols},
                                                            state.block, *type_of(state.dtype));
  set_compute_type(*packed, settings);
  return packed;
}

Tensor dense_by_operations(const PackedWeight& weight, std::int64_t first, std::int64_t last,
                           torch::ScalarType dtype) {
  return dynamic_cast<const FourBitWeight&>(weight).by_operations(first, last, dtype);
}

}  // namespace luthier::bnb_4bit
