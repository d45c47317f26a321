// SPDX-License-Identifier: GPL-3.0-or-later
// What an objective tells about its batches besides the loss. No LibTorch.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace luthier {

/// Named numbers of one micro-batch, by TRL's names ("rewards/margins"). What is logged is each
/// one's mean over the micro-batches that have it.
using Figures = std::map<std::string, double>;

/// Sums of figures over micro-batches.
struct FigureSums {
  struct Sum {
    double sum = 0;
    std::int64_t count = 0;
    bool operator==(const Sum&) const = default;
  };
  std::map<std::string, Sum> sums;

  void add(const Figures& figures);
  void add(const FigureSums& other);
  Figures means() const;
  bool operator==(const FigureSums&) const = default;
};

}  // namespace luthier
