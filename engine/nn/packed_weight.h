// SPDX-License-Identifier: GPL-3.0-or-later
// A weight in fewer bits than its numbers have: what products, loading, saving and merging ask of
// any kind of it. The other half of a kind, its names, its settings and its sizes, is torch-free
// (io/weight_kinds.h); a row of either table is found by the kind's name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/io/weight_kinds.h"

namespace luthier {

/// Never trained and never changed. A weight of n dimensions is [its first, all others].
class PackedWeight : public torch::CustomClassHolder {
 public:
  virtual const WeightKind& kind() const = 0;
  virtual std::int64_t rows() const = 0;
  virtual std::int64_t cols() const = 0;
  /// In memory, with everything that stands beside the packed numbers.
  virtual std::int64_t bytes() const = 0;
  virtual torch::Device device() const = 0;
  /// Of the dense form: what the numbers had before they were packed.
  virtual torch::ScalarType dtype() const = 0;
  /// Rows [begin, end) as numbers of `dtype`, rounded to it once.
  virtual torch::Tensor dense_rows(std::int64_t begin, std::int64_t end,
                                   torch::ScalarType dtype) const = 0;
  virtual c10::intrusive_ptr<PackedWeight> to(torch::Device device) const = 0;
  /// What a checkpoint holds of it: the end of a name as its kind has them ("" the packed numbers
  /// themselves) and its tensor, on the CPU.
  virtual std::vector<std::pair<std::string, torch::Tensor>> stored() const = 0;
  /// x [n, in] · Wᵀ + bias, outside autograd, where the kind answers otherwise than by dense
  /// numbers; undefined: it does not.
  virtual torch::Tensor own_product(const torch::Tensor& x, const torch::Tensor& bias) const;
  /// Whether a row's product goes by that row alone, as it would be made here and now.
  virtual bool row_by_row() const { return true; }

  /// What its products are computed in; nothing: in what x has.
  std::optional<torch::ScalarType> compute_dtype;
};
using PackedPointer = c10::intrusive_ptr<PackedWeight>;

/// While one lives, what is made is a training's micro-batch and no answer: a kind that answers in
/// a way of its own trains over its dense numbers, as bitsandbytes does on a CPU.
class TrainingProducts {
 public:
  TrainingProducts();
  ~TrainingProducts();
  TrainingProducts(const TrainingProducts&) = delete;
  TrainingProducts& operator=(const TrainingProducts&) = delete;
  static bool here();  ///< in this process
};

/// A checkpoint's tensors of one weight, by the ends of their names; "" the packed numbers.
using StoredParts = std::map<std::string, torch::Tensor>;

/// The tensor half of a kind.
struct WeightPacking {
  const WeightKind* kind;  ///< the torch-free half
  /// `weight` is of float32, bfloat16 or float16, on the CPU, of any shape. An Input error where
  /// its numbers cannot be packed; `where` is the tensor's place.
  Result<PackedPointer> (*pack)(const torch::Tensor& weight, const Json& settings,
                                const std::string& where);
  /// Of tensors that a file holds: whatever does not fit a weight [rows, cols] is an Input error.
  Result<PackedPointer> (*read)(const StoredParts& parts, std::int64_t rows, std::int64_t cols,
                                const Json& settings, const std::string& where);
};
/// null: the kind has no products here.
const WeightPacking* weight_packing(const WeightKind& kind);

}  // namespace luthier
