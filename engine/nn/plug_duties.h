// SPDX-License-Identifier: GPL-3.0-or-later
// What some plugs do besides their forward, asked of them by whoever trains. A plug is one of these
// beside its kind (nn/plugs.h), as it may keep copies (nn/narrow_copy.h).
#pragma once

namespace luthier {

/// Before the forward of each micro-batch in training, outside autograd, it puts its own tensors
/// right.
class PreparesItself {
 public:
  virtual void prepare() = 0;

 protected:
  ~PreparesItself() = default;
};

/// Whether it draws on the host or waits for it, so that a device cannot do its work again by
/// itself (device/graph).
class AsksTheHost {
 public:
  virtual bool asks_the_host() const = 0;

 protected:
  ~AsksTheHost() = default;
};

}  // namespace luthier
