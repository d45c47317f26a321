// SPDX-License-Identifier: GPL-3.0-or-later
// A packed kind that lives in the tests alone: whole numbers of eight bits and a scale for each
// row. What stands in nn/, objectives/ and adapters/ must work with it as it is.
#pragma once

#include "engine/nn/packed_weight.h"

namespace toy {

using torch::Tensor;

inline const luthier::WeightKind& kind() {
  static const luthier::WeightKind row{
      "toy",
      "toy",
      [](const luthier::Json&) { return false; },
      [](const luthier::Json&, const std::string&) { return luthier::Status(); },
      [](std::int64_t rows, std::int64_t cols, const luthier::Json&) {
        return rows * cols + rows * 4;
      },
      {".scale"},
      {},
      [](const luthier::Json& settings) { return settings; }};
  return row;
}

class ToyWeight : public luthier::PackedWeight {
 public:
  ToyWeight(Tensor whole, Tensor scale) : whole_(std::move(whole)), scale_(std::move(scale)) {}

  const luthier::WeightKind& kind() const override { return toy::kind(); }
  std::int64_t rows() const override { return whole_.size(0); }
  std::int64_t cols() const override { return whole_.size(1); }
  std::int64_t bytes() const override {
    return static_cast<std::int64_t>(whole_.nbytes() + scale_.nbytes());
  }
  torch::Device device() const override { return whole_.device(); }
  torch::ScalarType dtype() const override { return torch::kFloat32; }
  Tensor dense_rows(std::int64_t begin, std::int64_t end, torch::ScalarType dtype) const override {
    largest_run = std::max(largest_run, end - begin);
    return (whole_.slice(0, begin, end).to(torch::kFloat32) * scale_.slice(0, begin, end))
        .to(dtype);
  }
  luthier::PackedPointer to(torch::Device device) const override {
    return c10::make_intrusive<ToyWeight>(whole_.to(device), scale_.to(device));
  }
  std::vector<std::pair<std::string, Tensor>> stored() const override {
    return {{"", whole_}, {".scale", scale_}};
  }

  mutable std::int64_t largest_run = 0;  ///< rows that stood dense at a time

 private:
  Tensor whole_;  // int8 [rows, cols]
  Tensor scale_;  // float32 [rows, 1]
};

inline c10::intrusive_ptr<ToyWeight> packed(std::int64_t rows, std::int64_t cols) {
  const Tensor whole = torch::randint(-9, 10, {rows, cols}, torch::kInt64).to(torch::kInt8);
  const Tensor scale = torch::rand({rows, 1}, torch::kFloat32) * 0.1 + 0.02;
  return c10::make_intrusive<ToyWeight>(whole, scale);
}

}  // namespace toy
