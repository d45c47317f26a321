// SPDX-License-Identifier: GPL-3.0-or-later
// LLM.int8 as bitsandbytes 0.50 computes it on a CPU. Each row of the weight is eight-bit whole
// numbers by its largest magnitude; the rows of x are packed so too when an answer is made, but for
// the columns that hold an outlier in any row, whose products are made of plain numbers. In
// training the dense numbers are multiplied, and the gradient of x always goes through those.
#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/kernels/packed.h"
#include "engine/nn/packed_loops.h"
#include "engine/nn/weights/filling.h"
#include "engine/nn/weights/stored_parts.h"

namespace luthier {

const WeightKind& int8_weight_kind();

namespace {

using torch::Tensor;

constexpr float kStep = 7.874015718698502e-3F;  // 1 / 127
constexpr double kBothSteps = 6.200124e-05;     // 1 / 127², as the library writes it
constexpr std::int64_t kExact = 1024;           // products that float32 adds up exactly
constexpr std::int64_t kDenseRows = 4096;       // of the weight that are float32 at a time

/// float16 [rows, cols] → whole numbers of eight bits, and each row's largest magnitude, float32.
std::pair<Tensor, Tensor> pack_rows(const Tensor& rows) {
  const Tensor largest = std::get<0>(rows.abs().max(1)).to(torch::kFloat32);
  // A row of zeros is divided by zero: it stays one.
  const Tensor codes = at::round(rows * (largest.unsqueeze(1).reciprocal() * 127.0));
  return {codes.nan_to_num_(0.0).to(torch::kInt8), largest};
}

/// Whether LibTorch multiplies such numbers by the processor's own instructions.
bool has_byte_products() {
#if defined(__x86_64__)
  static const bool found = __builtin_cpu_supports("avx512vnni");
  return found;
#else
  return false;
#endif
}

/// x [n, k] · weightᵀ of whole numbers, [n, m] int32, exact.
Tensor whole_product(const Tensor& x, const Tensor& weight) {
  if (has_byte_products()) return at::_int_mm(x, weight.t());
  Tensor sum = torch::zeros({x.size(0), weight.size(0)}, torch::kInt32);
  for (std::int64_t row = 0; row < weight.size(0); row += kDenseRows) {
    Tensor part = sum.slice(1, row, row + kDenseRows);
    for (std::int64_t col = 0; col < x.size(1); col += kExact) {
      const Tensor left = x.slice(1, col, col + kExact).to(torch::kFloat32),
                   right = weight.slice(0, row, row + kDenseRows)
                               .slice(1, col, col + kExact)
                               .to(torch::kFloat32);
      part.add_(at::mm(left, right.t()).to(torch::kInt32));
    }
  }
  return sum;
}

class EightBitWeight : public PackedWeight {
 public:
  /// `codes` int8 [rows, cols], `scales` float32 [rows].
  EightBitWeight(Tensor codes, Tensor scales, std::vector<std::int64_t> shape, double threshold)
      : codes_(std::move(codes)),
        scales_(std::move(scales)),
        shape_(std::move(shape)),
        threshold_(threshold) {}

  const WeightKind& kind() const override { return int8_weight_kind(); }
  std::int64_t rows() const override { return codes_.size(0); }
  std::int64_t cols() const override { return codes_.size(1); }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(codes_.nbytes() + scales_.nbytes());
  }
  torch::Device device() const override { return codes_.device(); }
  /// What they were before is written nowhere; the library makes float32 of them.
  torch::ScalarType dtype() const override { return torch::kFloat32; }

  Tensor dense_rows(std::int64_t begin, std::int64_t end, torch::ScalarType type) const override {
    const torch::NoGradGuard no_grad;
    if (!codes_.is_cpu()) {
      const auto made =
          kernels::expanded(codes_.slice(0, begin, end), scales_.slice(0, begin, end), kStep, type);
      if (made) return *made;
      const Tensor wide = codes_.slice(0, begin, end).to(torch::kFloat32);
      return wide.mul_(scales_.slice(0, begin, end).unsqueeze(1)).mul_(kStep).to(type);
    }
    return filled({end - begin, cols()}, type, [&](auto* out) { fill(out, begin, end); });
  }

  Tensor own_product(const Tensor& x, const Tensor& bias) const override {
    if (row_by_row() || x.numel() == 0) return {};
    const torch::NoGradGuard no_grad;
    Tensor near = x.to(torch::kFloat16), columns;
    if (threshold_ > 0) {
      const Tensor outliers = near.abs() >= threshold_;
      columns = outliers.any(0).nonzero().view({-1});
      if (columns.numel() > 0) near = near.masked_fill(outliers, 0);
    }
    const bool apart = columns.defined() && columns.numel() > 0;
    auto [codes, largest] = pack_rows(near);
    if (apart && x.size(0) > 1) codes.index_fill_(1, columns, 0);
    Tensor y =
        whole_product(codes, codes_) * (largest.unsqueeze(1) * scales_.unsqueeze(0));  // [n, out]
    y = y.mul_(kBothSteps);
    if (bias.defined()) y.add_(bias);
    y = y.to(x.scalar_type());
    if (!apart) return y;
    const Tensor plain = codes_.index_select(1, columns)
                             .to(torch::kFloat32)  // [out, outliers]
                             .mul_(scales_.unsqueeze(1))
                             .mul_(kStep);
    return y.addmm_(x.index_select(1, columns), plain.to(x.scalar_type()).t());
  }

  /// Which columns are multiplied apart, all rows of x decide together.
  bool row_by_row() const override { return !codes_.is_cpu() || TrainingProducts::here(); }

  PackedPointer to(torch::Device device) const override {
    return c10::make_intrusive<EightBitWeight>(codes_.to(device), scales_.to(device), shape_,
                                               threshold_);
  }

  std::vector<std::pair<std::string, Tensor>> stored() const override {
    return {{"", codes_.view(shape_).cpu()},
            {".SCB", scales_.cpu()},
            {".weight_format", torch::zeros({}, torch::kUInt8)}};  // rows as they are
  }

 private:
  template <class T>
  void fill(T* out, std::int64_t begin, std::int64_t end) const {
    const std::int64_t width = cols();
    const std::int8_t* codes = codes_.const_data_ptr<std::int8_t>();
    const float* scales = scales_.const_data_ptr<float>();
    for_rows(begin, end, width, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row)
        packed::expand_bytes(codes + row * width, scales[row], kStep, width,
                             out + (row - begin) * width);
    });
  }

  Tensor codes_;   // int8 [rows, cols]
  Tensor scales_;  // float32 [rows], each row's largest magnitude
  std::vector<std::int64_t> shape_;
  double threshold_;
};

double threshold_of(const Json& settings) {
  const auto found = settings.find("llm_int8_threshold");
  return found != settings.end() && found->is_number() ? found->get<double>() : 6.0;
}

Result<PackedPointer> pack_int8(const Tensor& weight, const Json& settings,
                                const std::string& where) {
  const torch::NoGradGuard no_grad;
  const Tensor plain = weight.detach().to(torch::kCPU).contiguous();
  LUTHIER_CHECK(check_to_pack(plain, where));
  const std::int64_t cols = plain.dim() == 0 ? 1 : plain.size(-1),
                     rows = plain.numel() / std::max<std::int64_t>(1, cols);
  const Tensor near = plain.view({rows, cols}).to(torch::kFloat16);
  if (plain.numel() == 0) return input_error("The tensor is empty.", where);
  if (!check_to_pack(near, where).ok()) {
    return input_error(
        "Values of the tensor are too large for float16, through which eight bits go.", where,
        "Pack it to four bits, or leave it plain.");
  }
  auto [codes, scales] = pack_rows(near);
  return PackedPointer(c10::make_intrusive<EightBitWeight>(
      std::move(codes), std::move(scales), weight.sizes().vec(), threshold_of(settings)));
}

Result<PackedPointer> read_int8(const StoredParts& parts, std::int64_t rows, std::int64_t cols,
                                const Json& settings, const std::string& where) {
  const PartReader reader(int8_weight_kind(), parts, where);
  LUTHIER_TRY(Tensor codes, reader.shaped("", torch::kInt8, {rows, cols}));
  LUTHIER_TRY(Tensor scales, reader.finite(".SCB", torch::kFloat32, {rows}));
  if (rows > 0 && scales.min().item<float>() < 0) {
    return input_error("A row's largest magnitude is below zero.", reader.place(".SCB"),
                       "The file is damaged, or of another version.");
  }
  if (reader.has(".weight_format")) {
    LUTHIER_TRY(const Tensor format, reader.flat(".weight_format", torch::kUInt8, 1));
    if (format.item<std::uint8_t>() != 0) {
      return input_error("The numbers lie in another order than row by row.",
                         reader.place(".weight_format"), "Save it with a newer bitsandbytes.");
    }
  }
  return PackedPointer(c10::make_intrusive<EightBitWeight>(std::move(codes), std::move(scales),
                                                           std::vector<std::int64_t>{rows, cols},
                                                           threshold_of(settings)));
}

}  // namespace

const WeightPacking& int8_weight_packing() {
  static const WeightPacking packing{&int8_weight_kind(), pack_int8, read_int8};
  return packing;
}

}  // namespace luthier
