// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/weights/stored_parts.h"

#include <cmath>

#include "engine/base/text.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kDamaged = "The file is damaged, or of another version.";

bool all_finite(const Tensor& numbers) {
  if (numbers.numel() == 0) return true;
  // What is no number is the least and the largest of any.
  const auto ends = at::aminmax(numbers.to(torch::kFloat32).reshape({-1}));
  return std::isfinite(std::get<0>(ends).item<float>()) &&
         std::isfinite(std::get<1>(ends).item<float>());
}

}  // namespace

PartReader::PartReader(const WeightKind& kind, const StoredParts& parts, const std::string& where)
    : kind_(kind), parts_(parts), where_(where) {}

std::string PartReader::place(std::string_view end) const {
  std::string weight = where_;
  if (weight.ends_with(kind_.numbers)) weight.resize(weight.size() - kind_.numbers.size());
  return part_name(weight, end, kind_);
}

Result<Tensor> PartReader::part(std::string_view end) const {
  const auto found = parts_.find(std::string(end));
  if (found == parts_.end())
    return input_error("The tensor is missing.", place(end), "The file is incomplete.");
  return found->second;
}

Result<Tensor> PartReader::flat(std::string_view end, torch::ScalarType type,
                                std::int64_t numbers) const {
  LUTHIER_TRY(const Tensor tensor, part(end));
  if (tensor.scalar_type() != type || tensor.numel() != numbers) {
    return input_error(
        "The tensor does not fit the packed weight that it belongs to: " + std::to_string(numbers) +
            " numbers are expected, there are " + std::to_string(tensor.numel()) + ".",
        place(end), kDamaged);
  }
  return tensor.reshape({-1});
}

Result<Tensor> PartReader::shaped(std::string_view end, torch::ScalarType type,
                                  const std::vector<std::int64_t>& shape) const {
  LUTHIER_TRY(const Tensor tensor, part(end));
  if (tensor.sizes().vec() == shape && tensor.scalar_type() == type) return tensor;
  return input_error(
      "The tensor does not fit the packed weight that it belongs to: " + shape_text(shape) +
          " of " + std::string(c10::toString(type)) + " are expected, there are " +
          shape_text(tensor.sizes().vec()) + " of " + c10::toString(tensor.scalar_type()) + ".",
      place(end), kDamaged);
}

Result<Tensor> PartReader::finite(std::string_view end, torch::ScalarType type,
                                  const std::vector<std::int64_t>& shape) const {
  LUTHIER_TRY(const Tensor tensor, shaped(end, type, shape));
  if (all_finite(tensor)) return tensor;
  return input_error("Values of the tensor are not finite (NaN or infinite).", place(end),
                     "The file is damaged.");
}

Status check_to_pack(const Tensor& numbers, const std::string& where) {
  if (all_finite(numbers)) return {};
  return input_error(
      "Values of the tensor are not finite (NaN or infinite), so it cannot be packed.", where,
      "The file is damaged, or was saved after its training diverged.");
}

}  // namespace luthier
