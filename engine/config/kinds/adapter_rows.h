// SPDX-License-Identifier: GPL-3.0-or-later
// Settings that several methods have, each under the name that PEFT gives it in that method's
// config: ranks and alphas lie where LoRA's do, so that what goes by them (patterns, sizes, files)
// is written once. Where methods take other values or mean other things by one name, each has a row
// of its own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/config/recipe_rows.h"

namespace luthier::rows {

/// A name of AdapterSettings::r.
inline Row rank_called(const char* key, const char* label, const char* help) {
  return integer(key, label, help, LUTHIER_FIELD(adapter.r));
}

/// adapter.r of a method whose rank means something of its own.
inline Row rank(const char* help, double least = 1) {
  return rank_called("adapter.r", "Rank", help).at_least(least).at_most(65536);
}

/// adapter.init_lora_weights of another method than LoRA, by its words.
inline Row initial_adapter(const char* help, std::vector<std::string> words) {
  return choice("adapter.init_lora_weights", "Initial adapter", help, std::move(words),
                LUTHIER_FIELD(adapter.init_lora_weights))
      .advanced();
}

/// AdapterSettings::lora_alpha as the methods of LyCORIS call it.
inline Row alpha() {
  return number("adapter.alpha", "Alpha", "What the adapter adds is scaled by alpha / rank.",
                LUTHIER_FIELD(adapter.lora_alpha))
      .above(0)
      .at_most(1e6);
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
  return choice("adapter.bias", "Biases",
                "Which of the base's biases train beside the adapter: none, all, or those of "
                "the modules that have one (METHOD_only, as in lora_only).",
                {"none", "all", own}, LUTHIER_FIELD(adapter.bias))
      .advanced();
}

inline Row use_effective_conv2d() {
  return kind_boolean("adapter.use_effective_conv2d", "Effective convolutions",
                      "Of convolutions alone: the window is taken apart into a core and narrow "
                      "matrices, which are fewer numbers to train.",
                      false)
      .advanced();
}

}  // namespace luthier::rows
