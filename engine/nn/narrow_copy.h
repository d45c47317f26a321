// SPDX-License-Identifier: GPL-3.0-or-later
// Small float32 tensors that training moves, in the type that products with them are made in.
// Casting them for each product would cost a device two launches a layer and direction; so a copy
// stands until its tensor changes, as autocast keeps one for a forward.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

class NarrowCopy {
 public:
  /// `wide` in `type`, outside autograd: itself where it has that type, else a copy that is made
  /// again when `wide` is another tensor or has been written to (its version says so). What a graph
  /// holds of an earlier copy stays as it was.
  torch::Tensor of(const torch::Tensor& wide, torch::ScalarType type) const;

  /// Where the copy lies; null: there is none. A recording (device/graph) reads it there.
  const void* address() const { return copy_.defined() ? copy_.const_data_ptr() : nullptr; }

  /// Gives its memory back; `of` makes it again. What a recording holds of it is no longer there.
  void let_go() const { copy_ = of_ = torch::Tensor(); }

  /// A copy and what it is of.
  struct Pair {
    const torch::Tensor* wide;
    const NarrowCopy* copy;
  };
  /// Makes all that stand and are out of date anew, in one list operation. Copies that `of` has not
  /// made yet are left alone. Not while a graph waits for its backward: it would miss its values.
  static void refresh(const std::vector<Pair>& pairs);

 private:
  bool stale(const torch::Tensor& wide) const;
  void remember(const torch::Tensor& wide) const;

  mutable torch::Tensor copy_, of_;
  mutable std::uint32_t version_ = 0;
};

/// A plug that keeps such copies of what it trains.
class KeepsCopies {
 public:
  virtual void add_copies(std::vector<NarrowCopy::Pair>& copies) const = 0;

 protected:
  ~KeepsCopies() = default;
};

}  // namespace luthier
