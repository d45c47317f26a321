// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

namespace luthier {

/// A row whose picture was found missing or broken when it was to be trained on.
struct BrokenRow {
  std::int64_t row = 0;
  std::string sentence;
};

}  // namespace luthier
