// SPDX-License-Identifier: GPL-3.0-or-later
// layers_to_transform and layers_pattern: which of the numbered layers keep the modules that
// target_modules names, as PEFT 0.21 decides it (tuners_utils.check_target_module_exists).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/methods/module_patterns.h"
#include "engine/text/regex.h"

namespace luthier {

inline constexpr const char* kLayers = "adapter.layers_to_transform";
inline constexpr const char* kLayersPattern = "adapter.layers_pattern";

class LayerChoice {
 public:
  static Result<LayerChoice> compile(const AdapterSettings& settings);
  /// Whether layers are chosen at all.
  bool chooses() const { return !layers_.empty(); }
  const std::set<std::int64_t>& layers() const { return layers_; }
  const std::vector<std::string>& patterns() const { return texts_; }
  /// The number of the layer that a module stands in: the first one in its name, or the first
  /// behind one of the patterns. None: it stands in no such layer.
  Result<std::optional<std::int64_t>> layer_of(const std::string& name) const;
  /// The same behind one of the patterns, by its place among them.
  Result<std::optional<std::int64_t>> layer_behind(std::size_t pattern,
                                                   const std::string& name) const;
  /// Whether a module that `targets` has found stays. One that stands there by its whole name does,
  /// whatever its layer.
  Result<bool> keeps(const std::string& name, const std::vector<NamePattern>& targets) const;

 private:
  std::set<std::int64_t> layers_;
  std::vector<std::string> texts_;
  std::vector<Regex> patterns_;
};

}  // namespace luthier
