// SPDX-License-Identifier: GPL-3.0-or-later
// The tensors of one packed weight in a file, which may be anything: each is asked for by its type
// and size, and what does not fit is an Input error that names it.
#pragma once

#include "engine/nn/packed_weight.h"

namespace luthier {

class PartReader {
 public:
  /// `where` ends in the name that `kind` gives the packed numbers.
  PartReader(const WeightKind& kind, const StoredParts& parts, const std::string& where);

  bool has(std::string_view end) const { return parts_.contains(std::string(end)); }
  /// Where the part of this end stands.
  std::string place(std::string_view end) const;
  Result<torch::Tensor> part(std::string_view end) const;
  /// Of this type and so many numbers: as one row.
  Result<torch::Tensor> flat(std::string_view end, torch::ScalarType type,
                             std::int64_t numbers) const;
  /// Of this type and shape.
  Result<torch::Tensor> shaped(std::string_view end, torch::ScalarType type,
                               const std::vector<std::int64_t>& shape) const;
  /// The same, of finite numbers.
  Result<torch::Tensor> finite(std::string_view end, torch::ScalarType type,
                               const std::vector<std::int64_t>& shape) const;

 private:
  const WeightKind& kind_;
  const StoredParts& parts_;
  std::string where_;
};

/// Fine where all numbers are finite, which no kind can do without.
Status check_to_pack(const torch::Tensor& numbers, const std::string& where);

}  // namespace luthier
