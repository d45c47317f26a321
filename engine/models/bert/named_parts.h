// SPDX-License-Identifier: GPL-3.0-or-later
// Modules by the dotted names that checkpoints have them under: what stands between holds others
// and nothing else. Families whose layers compute the same differ in these names alone.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/device/torch.h"

namespace luthier {

/// Holds others under a name of theirs.
class NamedPart : public torch::nn::Module {};

/// Where `path` ("attention.self.query") ends below `root`: what holds the last name, and that.
inline std::pair<torch::nn::Module*, std::string> place_within(torch::nn::Module& root,
                                                               const std::string& path) {
  torch::nn::Module* owner = &root;
  std::size_t from = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', from)) {
    const std::string name = path.substr(from, dot - from);
    const auto children = owner->named_children();
    owner = children.contains(name)
                ? children[name].get()
                : owner->register_module(name, std::make_shared<NamedPart>()).get();
    from = dot + 1;
  }
  return {owner, path.substr(from)};
}

/// Registers a module, a holder or a pointer, at the end of `path`.
template <class Module>
Module register_at(torch::nn::Module& root, const std::string& path, Module module) {
  const auto [owner, name] = place_within(root, path);
  owner->register_module(name, module);
  return module;
}

}  // namespace luthier
