// SPDX-License-Identifier: GPL-3.0-or-later
// Settings that several methods have, each under the name that PEFT gives it in that method's
// config: ranks and alphas lie where LoRA's do, so that what goes by them (patterns, sizes, files)
// is written once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier::rows {

/// A name of AdapterSettings::r.
inline Row rank_called(const char* key, const char* label, const char* help) {
  Row row = describe(Type::Integer, key, label, help);
  row.field.read = [](const Recipe& recipe) { return Json(recipe.adapter.r); };
  row.field.write = [](Recipe& recipe, const Json& value) {
    recipe.adapter.r = value.get<std::int64_t>();
  };
  return row;
}

/// A name of AdapterSettings::rank_pattern.
inline Row rank_pattern_called(const char* key, const char* label, const char* help) {
  Row row = describe(Type::Pattern, key, label, help);
  row.field.whole_numbers = true;
  row.field.read = [](const Recipe& recipe) {
    Json map = Json::object();
    for (const auto& [name, rank] : recipe.adapter.rank_pattern) map[name] = rank;
    return map;
  };
  row.field.write = [](Recipe& recipe, const Json& value) {
    recipe.adapter.rank_pattern.clear();
    for (const auto& [name, rank] : value.items())
      recipe.adapter.rank_pattern.emplace_back(name, rank.get<std::int64_t>());
  };
  return row;
}

/// AdapterSettings::lora_alpha as the methods of LyCORIS call it.
inline Row alpha() {
  Row row = describe(Type::Number, "adapter.alpha", "Alpha",
                     "What the adapter adds is scaled by alpha / rank.");
  row.field.read = [](const Recipe& recipe) { return Json(recipe.adapter.lora_alpha); };
  row.field.write = [](Recipe& recipe, const Json& value) {
    recipe.adapter.lora_alpha = value.get<double>();
  };
  return std::move(row).above(0).at_most(1e6);
}

inline Row rank_dropout() {
  return kind_number("adapter.rank_dropout", "Row dropout",
                     "Share of the rows of what is added that are dropped while training.", 0)
      .at_least(0)
      .below(1)
      .advanced();
}

inline Row module_dropout() {
  return kind_number("adapter.module_dropout", "Module dropout",
                     "LoHa and LoKr: how often a module is left out while training. OFT: PEFT "
                     "reads it and drops nothing, and so it is here.",
                     0)
      .at_least(0)
      .below(1)
      .advanced();
}

/// How an adapter's tensors start; each method takes some of the words.
inline Row init_weights() {
  return kind_choice("adapter.init_weights", "Start of the adapter",
                     "LoHa, LoKr: true adds nothing at first, false draws all tensors, lycoris "
                     "(LoKr) zeroes the other factor. Prefix: null draws, zero does not.",
                     {"null", "zero", "true", "false", "lycoris"}, "null")
      .advanced();
}

inline Row use_effective_conv2d() {
  return kind_boolean("adapter.use_effective_conv2d", "Effective convolutions",
                      "Of convolutions alone, which these methods do not adapt here.", false)
      .advanced();
}

}  // namespace luthier::rows

namespace luthier {

/// adapter.init_weights is one of `words`.
inline Status check_init_weights(const Recipe& recipe, const std::vector<std::string>& words) {
  const std::string chosen = recipe.adapter.more.text("adapter.init_weights");
  std::string all;
  for (const std::string& word : words) {
    if (word == chosen) return {};
    all += (all.empty() ? "" : ", ") + word;
  }
  return cross_fault("adapter.init_weights",
                     "is " + chosen + ", which " + recipe.strategy + " does not know.",
                     "Write one of " + all + ".");
}

/// adapter.r is a rank.
inline Status check_rank(const Recipe& recipe) {
  if (recipe.adapter.r >= 1) return {};
  return cross_fault("adapter.r", "is 0, and a rank is at least 1.", "Write a rank of 1 or more.");
}

/// adapter.bias is none, all or what PEFT calls the wrapped modules' under this method: `own`.
inline Status check_bias(const Recipe& recipe, const std::string& own) {
  const std::string& bias = recipe.adapter.bias;
  const bool known = bias == "none" || bias == "all" || bias == own;
  if (known || !recipe.adapter.init_from.empty()) return {};
  return cross_fault("adapter.bias",
                     "is " + bias + ", which " + recipe.strategy + " does not know.",
                     "Write one of none, all, " + own + ".");
}

}  // namespace luthier
