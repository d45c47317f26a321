// SPDX-License-Identifier: GPL-3.0-or-later
// Every step is bitsandbytes' in its order, since a scale or a product that is rounded once more
// would move a number into its neighbour's place. Dense numbers are made by a table of sixteen for
// each block, so that they cost one look each.
#include "engine/nn/weights/bnb_4bit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/text.h"
#include "engine/device/parallel.h"
#include "engine/io/weight_kinds/bnb_4bit.h"

namespace luthier::bnb_4bit {

namespace {

using torch::Tensor;

constexpr std::int64_t kGrain = 512;      // blocks that are worth a thread
constexpr float kSmallestScale = 1e-38F;  // below it a block is divided by this instead

std::int64_t divided_up(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

/// The 256 numbers of eight packed bits, ascending: seven powers of ten, each cut finer than the
/// one below it, with both signs, and 0 and 1.
Tensor dynamic_map() {
  static const Tensor map = [] {
    const torch::NoGradGuard no_grad;
    std::vector<Tensor> parts;
    for (int power = 0; power < 7; ++power) {
      const Tensor edges = torch::linspace(0.1, 1, (1 << power) + 1, torch::kFloat32);
      const Tensor middles = (edges.slice(0, 0, -1) + edges.slice(0, 1)) / 2.0;
      const double unit = std::pow(10.0, power - 6);
      parts.push_back(middles * unit);
      parts.push_back(middles * -unit);
    }
    parts.push_back(torch::tensor({0.0F, 1.0F}));
    return std::get<0>(at::cat(parts).sort());
  }();
  return map;
}

/// A number between -1 and 1 to the place of the nearest in the map, by 65,536 steps.
const std::vector<std::uint8_t>& nearest_in_map() {
  static const std::vector<std::uint8_t> table = [] {
    const Tensor map = dynamic_map();
    const float* values = map.const_data_ptr<float>();
    std::vector<std::uint8_t> nearest(65536);
    std::size_t at = 0;
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      const double place = -1 + 2 * static_cast<double>(i) / 65535;
      while (at < 255 && std::abs(values[at + 1] - place) < std::abs(values[at] - place)) ++at;
      nearest[i] = static_cast<std::uint8_t>(at);
    }
    return nearest;
  }();
  return table;
}

/// The mean as one thread sums it, so that it depends on no machine's cores.
float mean_of(const Tensor& values) {
  float mean = 0;
  for_pieces(0, 1, 1, [&](std::int64_t, std::int64_t) {
    const torch::NoGradGuard no_grad;
    mean = values.mean().item<float>();
  });
  return mean;
}

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

/// The scales of a weight: plain, or packed in their turn.
struct Scales {
  Tensor values;       // float32 [blocks], or uint8 [blocks]
  Tensor nested, map;  // float32 [blocks of blocks], float32 [256]; undefined: plain
  float offset = 0;    // added to what they stand for
  std::int64_t nested_block = kNestedBlock;

  bool packed() const { return nested.defined(); }
  Scales to(torch::Device device) const {
    Scales moved = *this;
    for (Tensor* tensor : {&moved.values, &moved.nested, &moved.map})
      if (tensor->defined()) *tensor = tensor->to(device);
    return moved;
  }
  /// On the CPU.
  float of(std::int64_t block) const {
    if (!packed()) return values.const_data_ptr<float>()[block];
    const float step = map.const_data_ptr<float>()[values.const_data_ptr<std::uint8_t>()[block]];
    const float whole = step * nested.const_data_ptr<float>()[block / nested_block];
    return whole + offset;
  }
  /// Of blocks [first, last), anywhere.
  Tensor range(std::int64_t first, std::int64_t last) const {
    const Tensor own = values.slice(0, first, last);
    if (!packed()) return own;
    const auto places = torch::TensorOptions().dtype(torch::kInt64).device(own.device());
    const Tensor owner = torch::arange(first, last, places).div(nested_block, "floor");
    return map.index_select(0, own.to(torch::kInt64)) * nested.index_select(0, owner) + offset;
  }
};

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
    Tensor flat;
    if (!bytes_.is_cpu()) {
      flat = by_operations(first, last, type);
    } else {
      const bool direct =
          type == torch::kFloat32 || type == torch::kBFloat16 || type == torch::kFloat16;
      flat = torch::empty({last - first},
                          torch::TensorOptions().dtype(direct ? type : torch::kFloat32));
      if (flat.scalar_type() == torch::kFloat32)
        fill(flat.data_ptr<float>(), first, last);
      else if (flat.scalar_type() == torch::kBFloat16)
        fill(flat.data_ptr<at::BFloat16>(), first, last);
      else
        fill(flat.data_ptr<at::Half>(), first, last);
      flat = flat.to(type);
    }
    return flat.view({end - begin, cols()});
  }

  /// Whole blocks around what is asked for: each byte by what its two halves stand for, then the
  /// blocks by their scales. Nothing goes up to the device meanwhile (dense_run.h counts the rest).
  Tensor by_operations(std::int64_t first, std::int64_t last, torch::ScalarType type) const {
    const torch::NoGradGuard no_grad;
    const std::int64_t block = first / block_, begin = block * block_,
                       blocks = divided_up(last, block_) - block,
                       end = std::min(rows() * cols(), begin + blocks * block_),
                       whole = (end - begin) / block_;
    const Tensor pairs = pairs_.defined() ? pairs_ : pairs_of(book_);
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
    if (!device.is_cpu()) moved->pairs_ = pairs_of(book_).to(device);
    return moved;
  }

  std::vector<std::pair<std::string, Tensor>> stored() const override {
    const Tensor codes = torch::from_blob(const_cast<float*>(book_.values.data()), {16}).clone();
    std::vector<std::pair<std::string, Tensor>> parts{
        {"", bytes_.view({-1, 1}).cpu()}, {".absmax", scales_.values.cpu()}, {".quant_map", codes}};
    std::string sizes, state = "{\"quant_type\": \"";
    for (const std::int64_t size : shape_)
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    state.append(kind().name).append("\", \"blocksize\": ").append(std::to_string(block_));
    state.append(", \"dtype\": \"").append(type_name(type_));
    state.append("\", \"shape\": [").append(sizes).append("]");
    if (scales_.packed()) {
      parts.emplace_back(".nested_absmax", scales_.nested.cpu());
      parts.emplace_back(".nested_quant_map", scales_.map.cpu());
      state.append(", \"nested_blocksize\": ").append(std::to_string(scales_.nested_block));
      state.append(", \"nested_dtype\": \"float32\", \"nested_offset\": ");
      state.append(Json(static_cast<double>(scales_.offset)).dump());
    }
    state += "}";
    const Tensor text = torch::empty({static_cast<std::int64_t>(state.size())}, torch::kUInt8);
    std::copy(state.begin(), state.end(), text.data_ptr<std::uint8_t>());
    parts.emplace_back(std::string(kind().beside.back()), text);
    return parts;
  }

 private:
  /// What the halves of each byte stand for, [256, 2], the high one first.
  static Tensor pairs_of(const Codebook& book) {
    const Tensor pairs = torch::empty({256, 2}, torch::kFloat32);
    float* to = pairs.mutable_data_ptr<float>();
    for (std::size_t byte = 0; byte < 256; ++byte) {
      *to++ = book.values[byte >> 4];
      *to++ = book.values[byte & 15];
    }
    return pairs;
  }

  /// Numbers [first, last), each block by a table of what its sixteen codes stand for.
  template <class T>
  void fill(T* out, std::int64_t first, std::int64_t last) const {
    if (first >= last) return;
    const std::uint8_t* bytes = bytes_.const_data_ptr<std::uint8_t>();
    for_pieces(first / block_, divided_up(last, block_), kGrain,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t block = begin; block < end; ++block) {
                   const float scale = scales_.of(block);
                   std::array<T, 16> table;
                   for (std::size_t i = 0; i < 16; ++i)
                     table[i] = static_cast<T>(book_.values[i] * scale);
                   std::int64_t at = std::max(first, block * block_);
                   const std::int64_t stop = std::min(last, (block + 1) * block_);
                   if (at % 2 == 1 && at < stop) out[at - first] = table[bytes[at / 2] & 15], ++at;
                   for (; at + 1 < stop; at += 2) {
                     const std::uint8_t both = bytes[at / 2];
                     out[at - first] = table[both >> 4];
                     out[at - first + 1] = table[both & 15];
                   }
                   if (at < stop) out[at - first] = table[bytes[at / 2] >> 4];
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

/// The scales themselves to eight bits.
Scales pack_scales(const Tensor& plain) {
  Scales scales;
  scales.offset = mean_of(plain);
  scales.map = dynamic_map();
  const Tensor rest = plain - scales.offset;
  const std::int64_t count = plain.numel(), blocks = divided_up(count, kNestedBlock);
  scales.values = torch::empty({count}, torch::kUInt8);
  scales.nested = torch::empty({blocks}, torch::kFloat32);
  const float* from = rest.const_data_ptr<float>();
  auto* to = scales.values.data_ptr<std::uint8_t>();
  const std::vector<std::uint8_t>& nearest = nearest_in_map();
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = block * kNestedBlock, last = std::min(count, first + kNestedBlock);
    float largest = 0;
    for (std::int64_t i = first; i < last; ++i) largest = std::max(largest, std::abs(from[i]));
    scales.nested.data_ptr<float>()[block] = largest;
    const float inverse = 1.0F / largest;
    for (std::int64_t i = first; i < last; ++i) {
      const float place = (from[i] * inverse + 1.0F) * 32767.5F + 0.5F;
      to[i] = largest > 0 ? nearest[static_cast<std::size_t>(std::clamp(place, 0.0F, 65535.0F))]
                          : std::uint8_t{0};
    }
  }
  return scales;
}

void set_compute_type(PackedWeight& weight, const Json& settings) {
  const auto found = settings.find("bnb_4bit_compute_dtype");
  const bool named = found != settings.end() && found->is_string();
  if (named && *found == "auto") return;
  weight.compute_dtype =
      named ? type_of(found->get<std::string>()).value_or(torch::kFloat32) : torch::kFloat32;
}

/// A part of the right type and number, or an Error naming it.
Result<Tensor> part_of(const StoredParts& parts, const std::string& end, torch::ScalarType type,
                       std::int64_t numbers, const std::string& where) {
  const auto found = parts.find(end);
  if (found == parts.end())
    return input_error("The tensor is missing.", where + end, "The file is incomplete.");
  const Tensor& tensor = found->second;
  if (tensor.scalar_type() != type || tensor.numel() != numbers) {
    return input_error(
        "The tensor does not fit the packed weight that it belongs to: " + std::to_string(numbers) +
            " numbers are expected, there are " + std::to_string(tensor.numel()) + ".",
        where + end, "The file is damaged, or of another version.");
  }
  return tensor.reshape({-1});
}

/// What the JSON beside a packed weight says of it.
struct State {
  std::int64_t block = kBlock, nested_block = kNestedBlock;
  torch::ScalarType type = torch::kFloat32;
  double offset = 0;
};

Result<State> read_state(const StoredParts& parts, const Codebook& book,
                         const std::vector<std::int64_t>& shape, const std::string& where) {
  const std::string end(book.kind->beside.back());
  const auto found = parts.find(end);
  if (found == parts.end())
    return input_error("The tensor is missing.", where + end, "The file is incomplete.");
  const Tensor& bytes = found->second;
  if (bytes.scalar_type() != torch::kUInt8 || bytes.numel() > 1 << 16)
    return input_error("A short JSON text in bytes is expected.", where + end);
  const std::string text(reinterpret_cast<const char*>(bytes.const_data_ptr()),
                         static_cast<std::size_t>(bytes.numel()));
  LUTHIER_TRY(const Json json, parse_json(text, where + end));
  if (!json.is_object()) return input_error("An object is expected.", where + end);
  State state;
  LUTHIER_TRY(state.block, json_int(json, "blocksize", where + end));
  LUTHIER_TRY(state.nested_block, json_int(json, "nested_blocksize", where + end, kNestedBlock));
  for (const std::int64_t size : {state.block, state.nested_block}) {
    if (size < 32 || size > 4096 || (size & (size - 1)) != 0) {
      return input_error("Blocks of " + std::to_string(size) + " numbers are not known.",
                         where + end, "They hold 32 to 4096, a power of two.");
    }
  }
  LUTHIER_TRY(const std::string kind, json_string(json, "quant_type", where + end));
  if (kind != book.kind->name) {
    return input_error(
        "The weight is said to be " + kind + ", and its name says " + book.kind->name + ".",
        where + end);
  }
  LUTHIER_TRY(const std::string type, json_string(json, "dtype", where + end));
  const auto known = type_of(type);
  if (!known)
    return input_error("Weights that were " + type + " before are not read.", where + end);
  state.type = *known;
  const auto sizes = json.find("shape");
  if (sizes == json.end() || *sizes != Json(shape)) {
    return input_error("The weight's shape is said to be " +
                           (sizes == json.end() ? std::string("nothing") : sizes->dump()) +
                           ", config.json asks for " + shape_text(shape) + ".",
                       where, "The weights do not belong to this config.json.");
  }
  LUTHIER_TRY(state.offset, json_number(json, "nested_offset", where + end, 0));
  return state;
}

}  // namespace

Result<PackedPointer> pack(const Codebook& book, const Tensor& weight, const Json& settings) {
  const torch::NoGradGuard no_grad;
  const Tensor flat = weight.detach().to(torch::kCPU, torch::kFloat32).contiguous().view({-1});
  auto [bytes, plain] = pack_numbers(book, flat);
  Scales scales;
  if (double_quant(settings) && plain.numel() > 0)
    scales = pack_scales(plain);
  else
    scales.values = plain;
  PackedPointer packed =
      c10::make_intrusive<FourBitWeight>(book, std::move(bytes), std::move(scales),
                                         weight.sizes().vec(), kBlock, weight.scalar_type());
  set_compute_type(*packed, settings);
  return packed;
}

Result<PackedPointer> read(const Codebook& book, const StoredParts& parts, std::int64_t rows,
                           std::int64_t cols, const Json& settings, const std::string& where) {
  LUTHIER_TRY(const State state, read_state(parts, book, {rows, cols}, where));
  const std::int64_t numbers = rows * cols, blocks = divided_up(numbers, state.block);
  LUTHIER_TRY(const Tensor bytes, part_of(parts, "", torch::kUInt8, divided_up(numbers, 2), where));
  Scales scales;
  if (parts.contains(".nested_absmax")) {
    scales.nested_block = state.nested_block;
    scales.offset = static_cast<float>(state.offset);
    LUTHIER_TRY(scales.values, part_of(parts, ".absmax", torch::kUInt8, blocks, where));
    LUTHIER_TRY(scales.nested, part_of(parts, ".nested_absmax", torch::kFloat32,
                                       divided_up(blocks, state.nested_block), where));
    LUTHIER_TRY(scales.map, part_of(parts, ".nested_quant_map", torch::kFloat32, 256, where));
  } else {
    LUTHIER_TRY(scales.values, part_of(parts, ".absmax", torch::kFloat32, blocks, where));
  }
  PackedPointer packed = c10::make_intrusive<FourBitWeight>(book, bytes, std::move(scales),
                                                            std::vector<std::int64_t>{rows, cols},
                                                            state.block, state.type);
  set_compute_type(*packed, settings);
  return packed;
}

Tensor dense_by_operations(const PackedWeight& weight, std::int64_t first, std::int64_t last,
                           torch::ScalarType dtype) {
  return dynamic_cast<const FourBitWeight&>(weight).by_operations(first, last, dtype);
}

}  // namespace luthier::bnb_4bit
