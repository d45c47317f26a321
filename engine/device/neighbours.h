// SPDX-License-Identifier: GPL-3.0-or-later
// Tensors that lie in memory as parts of a wider one: one below the other (the weights of linears
// that read the same input) or beside one another (what one product gave for all of them, and the
// gradients of that). The memory alone says so, storage and places: nothing is registered, so
// nothing goes stale when one of them is replaced, packed or swapped. Who meets neighbours may take
// the wider tensor in one go; who does not takes each as it is.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// A tensor as `count` pieces of `length` numbers that stand together, `step` numbers apart.
struct Pieces {
  std::int64_t count = 1, length = 0, step = 0;
};
/// The longest pieces there are; none where it does not lie so (transposed, expanded).
std::optional<Pieces> pieces_of(const torch::Tensor& x);
/// From one of `rows` equal rows of x to the next, each of which stands together; none where one
/// does not.
std::optional<std::int64_t> row_step(const torch::Tensor& x, std::int64_t rows);

/// Another tensor over x's memory, which autograd takes for one of its own: no view, with a version
/// of its own.
torch::Tensor over_memory_of(const torch::Tensor& x, at::IntArrayRef sizes, at::IntArrayRef strides,
                             std::int64_t offset);

/// Whether `lower` [b, ...] stands right behind `upper` [a, ...], both whole.
bool is_below(const torch::Tensor& lower, const torch::Tensor& upper);
/// Such tensors as one, [a + b + …, ...].
torch::Tensor all_below(const std::vector<torch::Tensor>& parts);
/// `whole` [Σ sizes, ...] as such tensors, [size, ...] each.
std::vector<torch::Tensor> parted_below(const torch::Tensor& whole,
                                        const std::vector<std::int64_t>& sizes);

/// Whether in each of `rows` rows right's numbers stand right behind left's.
bool is_beside(const torch::Tensor& right, const torch::Tensor& left, std::int64_t rows);
/// Such tensors as one, [rows, Σ numbers of a row].
torch::Tensor all_beside(const std::vector<torch::Tensor>& parts, std::int64_t rows);
/// `whole` [rows, Σ sizes] as such tensors; each [shape..., size] where the shape's numbers come to
/// `rows`.
std::vector<torch::Tensor> parted_beside(const torch::Tensor& whole, at::IntArrayRef shape,
                                         const std::vector<std::int64_t>& sizes);

/// New tensors of left's and of right's shape: beside one another in each of `rows` rows, or, for
/// 0, apart.
std::pair<torch::Tensor, torch::Tensor> empty_pair(const torch::Tensor& left,
                                                   const torch::Tensor& right, std::int64_t rows);
/// The rows in which `right` stands beside `left`; 0: in none.
std::int64_t rows_beside(const torch::Tensor& right, const torch::Tensor& left);

}  // namespace luthier
