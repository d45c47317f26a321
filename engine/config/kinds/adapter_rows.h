// SPDX-License-Identifier: GPL-3.0-or-later
// Settings that several methods have, each under the name that PEFT gives it in that method's
// config: ranks and alphas lie where LoRA's do, so that what goes by them (patterns, sizes, files)
// is written once. Where methods take other values or mean other things by one name, each has a row
// of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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

/// adapter.r of a method whose rank means something of its own.
inline Row rank(const char* help, double least = 1) {
  return rank_called("adapter.r", "Rank", help).at_least(least).at_most(65536);
}

/// What stands before a key that PEFT finds behind a dot alone.
inline constexpr std::string_view kBehindADot = ".*\\.";

/// A name of AdapterSettings::rank_pattern whose keys PEFT finds behind a dot alone, or else as a
/// whole name; so each stands there behind a dot, and after all of them once more as it is.
inline Row rank_pattern_behind_dots(const char* key, const char* label, const char* help) {
  Row row = describe(Type::Pattern, key, label, help);
  row.field.whole_numbers = true;
  row.field.read = [](const Recipe& recipe) {
    Json map = Json::object();
    for (const auto& [name, rank] : recipe.adapter.rank_pattern)
      map[name.starts_with(kBehindADot) ? name.substr(kBehindADot.size()) : name] = rank;
    return map;
  };
  row.field.write = [](Recipe& recipe, const Json& value) {
    constexpr std::string_view kInNames =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    recipe.adapter.rank_pattern.clear();
    for (const bool behind : {true, false}) {
      for (const auto& [name, rank] : value.items()) {
        if (!behind && name.find_first_not_of(kInNames) != std::string::npos) continue;
        recipe.adapter.rank_pattern.emplace_back((behind ? std::string(kBehindADot) : "") + name,
                                                 rank.get<std::int64_t>());
      }
    }
  };
  return row;
}

/// adapter.init_lora_weights of another method than LoRA, by its words.
inline Row initial_adapter(const char* help, std::vector<std::string> words) {
  Row row = describe(Type::Choice, "adapter.init_lora_weights", "Initial adapter", help);
  row.field.about.choices = std::move(words);
  row.field.read = [](const Recipe& recipe) { return Json(recipe.adapter.init_lora_weights); };
  row.field.write = [](Recipe& recipe, const Json& value) {
    recipe.adapter.init_lora_weights = value.get<std::string>();
  };
  return std::move(row).advanced();
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

inline Row module_dropout(
    const char* help = "How often a module's adapter is left out while training.") {
  return kind_number("adapter.module_dropout", "Module dropout", help, 0)
      .at_least(0)
      .below(1)
      .advanced();
}

/// How an adapter's tensors start, by the method's words, the usual one first.
inline Row init_weights(const char* help, const std::vector<std::string>& words) {
  return kind_choice("adapter.init_weights", "Start of the adapter", help, words,
                     words.front().c_str())
      .advanced();
}

/// adapter.bias; `own`: what PEFT calls the biases of the modules that have an adapter here.
inline Row biases(const char* own) {
  Row row = describe(Type::Choice, "adapter.bias", "Biases",
                     "Which of the base's biases train beside the adapter: none, all, or those of "
                     "the modules that have one (METHOD_only, as in lora_only).");
  row.field.about.choices = {"none", "all", own};
  row.field.read = [](const Recipe& recipe) { return Json(recipe.adapter.bias); };
  row.field.write = [](Recipe& recipe, const Json& value) {
    recipe.adapter.bias = value.get<std::string>();
  };
  return std::move(row).advanced();
}

inline Row use_effective_conv2d() {
  return kind_boolean("adapter.use_effective_conv2d", "Effective convolutions",
                      "Of convolutions alone: true is for those whose window is one number wide.",
                      false)
      .advanced();
}

}  // namespace luthier::rows
