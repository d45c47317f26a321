// SPDX-License-Identifier: GPL-3.0-or-later
// LyCORIS's methods, as far as their settings and defaults are the same.
#pragma once

#include <iterator>
#include <utility>
#include <vector>

#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

/// One of them, with its words for how it starts and the settings that it has besides.
inline MethodKind lycoris_method_kind(const char* name, const char* peft_type, const char* help,
                                      rows::Row start, std::vector<rows::Row> besides = {},
                                      Status (*check)(const Recipe& recipe) = check_layers_of) {
  std::vector<rows::Row> own{rows::alpha(), rows::rank_dropout(), rows::module_dropout(),
                             std::move(start), rows::use_effective_conv2d()};
  std::move(besides.begin(), besides.end(), std::back_inserter(own));
  own.push_back(rows::layers_to_transform());
  own.push_back(rows::layers_pattern());
  MethodKind kind{
      {name,
       help,
       rows::fields_of(std::move(own)),
       {"adapter.r", "adapter.rank_pattern", "adapter.alpha_pattern", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.modules_to_save", "adapter.init_from"},
       {{"training.learning_rate", 1e-3}, {"adapter.r", 8}, {"adapter.alpha", 8.0}},
       check}};
  kind.peft_type = peft_type;
  return kind;
}

}  // namespace luthier
