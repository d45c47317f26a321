// SPDX-License-Identifier: GPL-3.0-or-later
// Work that ranks divide among themselves, piece by piece: each does its own, and all have what was
// made of all, in the order of the pieces. Which rank makes a piece has no part in what comes out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/ranks/ranks.h"

namespace luthier {

class SharedWork {
 public:
  explicit SharedWork(std::shared_ptr<Ranks> ranks) : ranks_(std::move(ranks)) {}

  /// What was made of each of `count` pieces. Piece i is rank (first + i) mod n's. Where one could
  /// not make its own, all get its error, or Interrupted; what `make` throws is told to the others
  /// and goes on its way. Numbers come as they were, NaN too. All ranks call it alike.
  Result<std::vector<Json>> each(std::size_t count,
                                 const std::function<Result<Json>(std::size_t)>& make,
                                 std::int64_t first = 0) const;

 private:
  std::shared_ptr<Ranks> ranks_;
};

/// A tensor among what is made: its type, shape and bytes.
Json tensor_json(const torch::Tensor& tensor);
/// On the CPU. Throws what the JSON library does where this is none.
torch::Tensor tensor_of(const Json& json);

/// An error that a rank told the others of.
Error said_by(std::size_t rank, const std::string& fault);

}  // namespace luthier
