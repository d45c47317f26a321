// SPDX-License-Identifier: GPL-3.0-or-later
// A plug among the patches of a picture tower, and its port (see plugs.h): tokens that are no
// patches, in front of each frame's own before the tower's blocks.
#pragma once

#include "engine/nn/plugs.h"

namespace luthier {

class PatchPlug : public Plug {
 public:
  /// x [frames, tokens, width]: what `block` takes. In front of it stands, but for the first block,
  /// what the block before has made of the plug's tokens → with those that this block takes.
  virtual torch::Tensor before(const torch::Tensor& x, std::int64_t block) const = 0;
  /// How many they are.
  virtual std::int64_t count() const = 0;
};

/// Of a module that is a picture tower.
class PatchPort {
 public:
  struct Facts {
    std::int64_t width = 0, blocks = 0;
    std::int64_t patch_numbers = 0;   ///< that a patch is made of
    const char* entry = "";           ///< the module, within the tower, whose states they join
    const char* no_tokens = nullptr;  ///< why such tokens have no place; null: they have
  };
  explicit PatchPort(const Facts& facts) : facts_(facts) {}
  const Facts& patch_facts() const { return facts_; }
  /// What `block` takes of the states before it.
  torch::Tensor with_tokens(const torch::Tensor& x, std::int64_t block) const {
    return patch_plug ? patch_plug->before(x, block) : x;
  }
  /// The frames' own of a block's states.
  torch::Tensor without_tokens(const torch::Tensor& x) const {
    const std::int64_t count = patch_plug ? patch_plug->count() : 0;
    return count > 0 ? x.slice(1, count) : x;
  }

  const PatchPlug* patch_plug = nullptr;  ///< not owned

 protected:
  ~PatchPort() = default;

 private:
  Facts facts_;
};

}  // namespace luthier
