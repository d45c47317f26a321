// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/neighbours.h"

namespace luthier {

using torch::Tensor;

namespace {

bool shares_storage(const Tensor& a, const Tensor& b) {
  return a.defined() && b.defined() && a.scalar_type() == b.scalar_type() &&
         a.unsafeGetTensorImpl()->storage().unsafeGetStorageImpl() ==
             b.unsafeGetTensorImpl()->storage().unsafeGetStorageImpl();
}

/// Of `sizes` whose rows of `width` numbers stand `step` apart.
std::vector<std::int64_t> strides_of(at::IntArrayRef sizes, std::int64_t width, std::int64_t step) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t numbers = 1;  // of all axes behind this one
  for (std::size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = numbers < width || sizes[axis] == 1 ? numbers : step * (numbers / width);
    numbers *= sizes[axis];
  }
  return strides;
}

}  // namespace

std::optional<Pieces> pieces_of(const Tensor& x) {
  Pieces pieces{1, 1, 0};
  std::int64_t axis = x.dim() - 1;
  for (; axis >= 0 && (x.size(axis) == 1 || x.stride(axis) == pieces.length); --axis)
    pieces.length *= x.size(axis);
  pieces.step = pieces.length;
  if (axis < 0) return pieces;
  pieces.step = x.stride(axis);
  for (std::int64_t next = pieces.step; axis >= 0; --axis) {
    if (x.size(axis) == 1) continue;
    if (x.stride(axis) != next) return std::nullopt;
    pieces.count *= x.size(axis);
    next *= x.size(axis);
  }
  return pieces.step >= pieces.length ? std::optional<Pieces>(pieces) : std::nullopt;
}

std::optional<std::int64_t> row_step(const Tensor& x, std::int64_t rows) {
  const auto pieces = pieces_of(x);
  if (!pieces || rows < 1 || x.numel() % rows != 0) return std::nullopt;
  const std::int64_t width = x.numel() / rows;
  if (pieces->count == 1) return width;
  return pieces->length == width ? std::optional<std::int64_t>(pieces->step) : std::nullopt;
}

Tensor over_memory_of(const Tensor& x, at::IntArrayRef sizes, at::IntArrayRef strides,
                      std::int64_t offset) {
  const at::AutoDispatchBelowADInplaceOrView untold;
  return x.as_strided(sizes, strides, offset);
}

bool is_below(const Tensor& lower, const Tensor& upper) {
  return shares_storage(lower, upper) && upper.dim() > 0 && lower.dim() == upper.dim() &&
         upper.sizes().slice(1) == lower.sizes().slice(1) && upper.is_contiguous() &&
         lower.is_contiguous() && lower.storage_offset() == upper.storage_offset() + upper.numel();
}

Tensor all_below(const std::vector<Tensor>& parts) {
  const Tensor& first = parts.front();
  if (parts.size() == 1) return first;
  auto sizes = first.sizes().vec();
  sizes[0] = 0;
  for (const Tensor& each : parts) sizes[0] += each.size(0);
  return over_memory_of(first, sizes, first.strides(), first.storage_offset());
}

std::vector<Tensor> parted_below(const Tensor& whole, const std::vector<std::int64_t>& sizes) {
  std::vector<Tensor> parts;
  auto shape = whole.sizes().vec();
  std::int64_t offset = whole.storage_offset();
  for (const std::int64_t size : sizes) {
    shape[0] = size;
    parts.push_back(over_memory_of(whole, shape, whole.strides(), offset));
    offset += size * whole.stride(0);
  }
  return parts;
}

bool is_beside(const Tensor& right, const Tensor& left, std::int64_t rows) {
  if (!shares_storage(right, left) || left.numel() == 0 || right.numel() == 0) return false;
  const auto of_left = row_step(left, rows), of_right = row_step(right, rows);
  if (!of_left || !of_right) return false;
  const std::int64_t width = left.numel() / rows, both = width + right.numel() / rows;
  if (right.storage_offset() != left.storage_offset() + width) return false;
  return rows == 1 || (*of_left == *of_right && *of_left >= both);
}

Tensor all_beside(const std::vector<Tensor>& parts, std::int64_t rows) {
  const Tensor& first = parts.front();
  std::int64_t width = 0;
  for (const Tensor& each : parts) width += each.numel() / rows;
  const std::int64_t step = rows == 1 ? width : *row_step(first, rows);
  return over_memory_of(first, {rows, width}, {step, 1}, first.storage_offset());
}

std::vector<Tensor> parted_beside(const Tensor& whole, at::IntArrayRef shape,
                                  const std::vector<std::int64_t>& sizes) {
  std::vector<Tensor> parts;
  std::vector<std::int64_t> own = shape.vec();
  own.push_back(0);
  std::int64_t offset = whole.storage_offset();
  for (const std::int64_t size : sizes) {
    own.back() = size;
    parts.push_back(over_memory_of(whole, own, strides_of(own, size, whole.stride(0)), offset));
    offset += size;
  }
  return parts;
}

std::pair<Tensor, Tensor> empty_pair(const Tensor& left, const Tensor& right, std::int64_t rows) {
  const auto options = left.options().requires_grad(false);
  if (rows < 1 || left.numel() == 0 || right.numel() == 0)
    return {at::empty(left.sizes(), options), at::empty(right.sizes(), options)};
  const std::int64_t width = left.numel() / rows, other = right.numel() / rows;
  const Tensor whole = at::empty({rows, width + other}, options);
  return {
      over_memory_of(whole, left.sizes(), strides_of(left.sizes(), width, width + other), 0),
      over_memory_of(whole, right.sizes(), strides_of(right.sizes(), other, width + other), width)};
}

std::int64_t rows_beside(const Tensor& right, const Tensor& left) {
  if (!left.defined() || !right.defined()) return 0;
  const auto pieces = pieces_of(left);
  return pieces && is_beside(right, left, pieces->count) ? pieces->count : 0;
}

}  // namespace luthier
