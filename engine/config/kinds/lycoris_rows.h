// SPDX-License-Identifier: GPL-3.0-or-later
// LyCORIS's methods, as far as their settings and defaults are the same.
#pragma once

#include <iterator>
#include <utility>
#include <vector>

#include "engine/config/kinds/adapter_rows.h"

namespace luthier {

/// One of them, with the settings that it has besides.
inline MethodKind lycoris_method_kind(const char* name, const char* peft_type, const char* help,
                                      std::vector<rows::Row> besides,
                                      Status (*check)(const Recipe& recipe)) {
  std::vector<rows::Row> own{rows::alpha(), rows::rank_dropout(), rows::module_dropout(),
                             rows::init_weights(), rows::use_effective_conv2d()};
  std::move(besides.begin(), besides.end(), std::back_inserter(own));
  MethodKind kind{
      {name,
       help,
       rows::fields_of(std::move(own)),
       {"adapter.r", "adapter.rank_pattern", "adapter.alpha_pattern", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.modules_to_save", "adapter.init_from"},
       {{"training.learning_rate", 1e-3},
        {"adapter.r", 8},
        {"adapter.alpha", 8.0},
        {"adapter.init_weights", "true"}},
       check}};
  kind.peft_type = peft_type;
  return kind;
}

}  // namespace luthier
