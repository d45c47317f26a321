// SPDX-License-Identifier: GPL-3.0-or-later
// A number is (code - zero) · scale: exact in float32, and rounded once where less is asked for.
#include "engine/nn/weights/grouped_4bit.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/base/text.h"
#include "engine/nn/packed_loops.h"
#include "engine/nn/weights/filling.h"

namespace luthier::grouped_4bit {

namespace {

using torch::Tensor;

constexpr std::array<float, 16> kWholes{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

class GroupedWeight : public PackedWeight {
 public:
  GroupedWeight(const WeightKind& kind, Unpacked from) : kind_(kind), own_(std::move(from)) {}

  const WeightKind& kind() const override { return kind_; }
  std::int64_t rows() const override { return own_.codes.size(0); }
  std::int64_t cols() const override { return own_.cols; }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(own_.codes.nbytes() + own_.zeros.nbytes() +
                                     own_.scales.nbytes() +
                                     (own_.order.defined() ? own_.order.nbytes() : 0));
  }
  torch::Device device() const override { return own_.codes.device(); }
  /// In which the numbers are exact.
  torch::ScalarType dtype() const override { return torch::kFloat32; }

  Tensor dense_rows(std::int64_t begin, std::int64_t end, torch::ScalarType type) const override {
    const torch::NoGradGuard no_grad;
    if (!own_.codes.is_cpu()) return by_operations(begin, end, type);
    return filled({end - begin, cols()}, type, [&](auto* out) { fill(out, begin, end); });
  }

  Tensor by_operations(std::int64_t begin, std::int64_t end, torch::ScalarType type) const {
    const torch::NoGradGuard no_grad;
    const Tensor pairs = pairs_.defined() ? pairs_ : values_of_bytes(kWholes);
    const Tensor dense =
        pairs.index_select(0, own_.codes.slice(0, begin, end).reshape({-1}).to(torch::kInt32))
            .view({end - begin, -1})
            .slice(1, 0, cols());  // [rows, cols]
    const Tensor zeros = own_.zeros.slice(0, begin, end), scales = own_.scales.slice(0, begin, end);
    std::int64_t first = 0;
    for (std::size_t group = 0; group < own_.sizes.size(); first += own_.sizes[group], ++group) {
      const auto at = static_cast<std::int64_t>(group);
      const Tensor part = dense.slice(1, first, first + own_.sizes[group]);
      part.sub_(zeros.slice(1, at, at + 1).to(torch::kFloat32));
      part.mul_(scales.slice(1, at, at + 1).to(torch::kFloat32));
    }
    if (!moved()) return dense.to(type).contiguous();
    return torch::empty_like(dense, dense.options(), at::MemoryFormat::Contiguous)
        .index_copy_(1, own_.order.to(torch::kInt64), dense)
        .to(type);
  }

  PackedPointer to(torch::Device device) const override {
    Unpacked there = own_;
    for (Tensor* tensor : {&there.codes, &there.zeros, &there.scales, &there.order})
      if (tensor->defined()) *tensor = tensor->to(device);
    auto made = c10::make_intrusive<GroupedWeight>(kind_, std::move(there));
    if (!device.is_cpu()) made->pairs_ = values_of_bytes(kWholes).to(device);
    return made;
  }

  std::vector<std::pair<std::string, Tensor>> stored() const override {
    TORCH_CHECK(false, kind_.name, " is read only");
  }

 private:
  bool moved() const { return own_.order.defined() && !in_order_; }

  template <class T>
  void fill(T* out, std::int64_t begin, std::int64_t end) const {
    const std::int64_t width = cols(), stride = own_.codes.size(1), groups = own_.zeros.size(1);
    const std::uint8_t* codes = own_.codes.const_data_ptr<std::uint8_t>();
    const std::uint8_t* zeros = own_.zeros.const_data_ptr<std::uint8_t>();
    const auto count = static_cast<std::size_t>(groups);
    for_rows(begin, end, width, [&](std::int64_t first, std::int64_t last) {
      std::vector<float> zero(count), scale(count);
      std::vector<T> sorted(moved() ? static_cast<std::size_t>(width) : 0);
      for (std::int64_t row = first; row < last; ++row) {
        for (std::size_t i = 0; i < count; ++i)
          zero[i] = static_cast<float>(zeros[row * groups + static_cast<std::int64_t>(i)]);
        read_scales_of(row, scale);
        T* const to = out + (row - begin) * width;
        T* const made = moved() ? sorted.data() : to;
        fill_row(codes + row * stride, zero, scale, made);
        if (!moved()) continue;
        const std::int32_t* order = own_.order.const_data_ptr<std::int32_t>();
        for (std::int64_t i = 0; i < width; ++i) to[order[i]] = made[i];
      }
    });
  }

  /// One row, its columns as its groups have them.
  template <class T>
  void fill_row(const std::uint8_t* codes, const std::vector<float>& zero,
                const std::vector<float>& scale, T* out) const {
    if (even_) {
      packed::expand({codes, kWholes.data(), scale.data(), zero.data(), own_.sizes.front()}, 0,
                     cols(), out);
      return;
    }
    std::int64_t first = 0;
    for (std::size_t group = 0; group < own_.sizes.size(); ++group) {
      const std::int64_t last = first + own_.sizes[group];
      packed::expand({codes, kWholes.data(), scale.data() + group, zero.data() + group, last + 1},
                     first, last, out + first);
      first = last;
    }
  }

  void read_scales_of(std::int64_t row, std::vector<float>& to) const {
    const std::int64_t first = row * own_.scales.size(1);
    const auto read = [&](const auto* from) {
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = static_cast<float>(from[first + static_cast<std::int64_t>(i)]);
    };
    if (own_.scales.scalar_type() == torch::kFloat16)
      read(own_.scales.const_data_ptr<at::Half>());
    else if (own_.scales.scalar_type() == torch::kBFloat16)
      read(own_.scales.const_data_ptr<at::BFloat16>());
    else
      read(own_.scales.const_data_ptr<float>());
  }

  static bool are_even(const std::vector<std::int64_t>& sizes) {
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i)
      if (sizes[i] != sizes.front()) return false;
    return !sizes.empty() && sizes.front() > 0 && sizes.back() <= sizes.front();
  }
  static bool as_they_are(const Tensor& order) {
    return !order.defined() ||
           order.cpu().equal(torch::arange(order.numel(), torch::TensorOptions(torch::kInt32)));
  }

  const WeightKind& kind_;
  Unpacked own_;
  Tensor pairs_;  // beside them on a device; undefined on the CPU
  bool even_ = are_even(own_.sizes);
  bool in_order_ = as_they_are(own_.order);
};

}  // namespace

PackedPointer make(const WeightKind& kind, Unpacked from) {
  return c10::make_intrusive<GroupedWeight>(kind, std::move(from));
}

Tensor dense_by_operations(const PackedWeight& weight, std::int64_t begin, std::int64_t end,
                           torch::ScalarType dtype) {
  return dynamic_cast<const GroupedWeight&>(weight).by_operations(begin, end, dtype);
}

Result<Tensor> read_scales(const PartReader& reader, std::int64_t groups, std::int64_t rows) {
  LUTHIER_TRY(const Tensor given, reader.part(".scales"));
  const torch::ScalarType own = given.scalar_type();
  const bool known = own == torch::kBFloat16 || own == torch::kFloat32;
  LUTHIER_TRY(const Tensor scales,
              reader.finite(".scales", known ? own : torch::kFloat16, {groups, rows}));
  return scales.t().contiguous();
}

Tensor take_apart(const Tensor& words, const std::array<int, 8>& place, std::uint32_t add) {
  const std::int64_t groups = words.size(0), across = words.size(1);
  Tensor codes = torch::empty({across * 8, groups}, torch::kUInt8);
  const std::int32_t* from = words.const_data_ptr<std::int32_t>();
  auto* to = codes.data_ptr<std::uint8_t>();
  for (std::int64_t group = 0; group < groups; ++group) {
    for (std::int64_t i = 0; i < across; ++i) {
      const std::uint32_t word = static_cast<std::uint32_t>(from[group * across + i]) + add;
      for (std::size_t part = 0; part < 8; ++part)
        to[(i * 8 + place[part]) * groups + group] =
            static_cast<std::uint8_t>(word >> (4 * part) & 15);
    }
  }
  return codes;
}

Result<PackedPointer> refuse_to_pack(const WeightKind& kind, const std::string& where) {
  return input_error("Weights are not packed to " + std::string(kind.name) + " here.", where,
                     "Such checkpoints are read only; pack to nf4, fp4 or int8.");
}

}  // namespace luthier::grouped_4bit
