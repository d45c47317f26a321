// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a name is one of a list that is written in the source.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>

namespace luthier::templates {

template <std::size_t N>
[[nodiscard]] bool among(const char* const (&names)[N], const std::string& name) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](const char* each) { return name == each; });
}

}  // namespace luthier::templates
