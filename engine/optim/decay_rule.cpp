// SPDX-License-Identifier: GPL-3.0-or-later
// The rule's name patterns, as searches over the lower-cased name: bias, layernorm, rmsnorm, a path
// component "norm" and one that ends in "_norm".
#include "engine/optim/decay_rule.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "engine/base/text.h"

namespace luthier {

bool decays(std::string_view name, bool in_layer_norm) {
  if (in_layer_norm) return false;
  const std::string lower = ascii_lower(name);
  for (const char* word : {"bias", "layernorm", "rmsnorm"}) {
    if (lower.find(word) != std::string::npos) return false;
  }
  for (std::size_t begin = 0; begin <= lower.size();) {
    const std::size_t end = std::min(lower.find('.', begin), lower.size());
    const std::string_view component = std::string_view(lower).substr(begin, end - begin);
    if (component == "norm" || component.ends_with("_norm")) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace luthier
