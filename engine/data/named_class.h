// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "engine/io/json.h"

namespace luthier {

/// transformers' class of a checkpoint: the first that config.json's `architectures` names; empty
/// where it names none.
inline std::string named_class(const Json& config) {
  const auto list = config.find("architectures");
  const bool named =
      list != config.end() && list->is_array() && !list->empty() && list->front().is_string();
  return named ? list->front().get<std::string>() : std::string();
}

}  // namespace luthier
