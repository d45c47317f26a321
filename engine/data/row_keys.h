// SPDX-License-Identifier: GPL-3.0-or-later
// The keys of a row that are read, and what may be meant by those that are not. Internal to the
// data room.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace luthier::detail {

/// The row's keys with commas between, shortened.
std::string listed_keys(const Json& row);

struct UnreadKey {
  std::string key;
  std::string nearest;   ///< the known key it is nearly; may be empty
  bool picture = false;  ///< by its name and its value a picture, which would be lost
};

/// Keys that are not read and look as if they were meant to be.
std::vector<UnreadKey> unread_keys(const Json& row);

/// "images may be meant" for the row's key that is nearest to a known one; empty when none is near.
std::string nearest_hint(const Json& row);

}  // namespace luthier::detail
