// SPDX-License-Identifier: GPL-3.0-or-later
// All methods side by side for one model, from names and shapes alone: what trains, what stands in
// memory for it whatever the rows are, and how large the result's file is. A config.json is enough;
// activations are the forecast's (forecast.h), which needs rows. No LibTorch here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"
#include "engine/models/model_summary.h"

namespace luthier {

/// A method, and whether it goes over a base of four bits: nullopt, as the recipe has it.
struct MethodChoice {
  std::string method;
  std::optional<bool> four_bits = {};
  bool operator==(const MethodChoice&) const = default;
};

/// Every method. `four_bits_beside`: those that hang something on the base twice, over its plain
/// weights and over packed ones.
std::vector<MethodChoice> method_choices(bool four_bits_beside);

/// The recipe under that method: what it shares with the recipe's own method stays as it is set,
/// defaults that go by the method move. `settings` ("adapter.r=32") are those of it that the method
/// has.
Result<Recipe> recipe_of(const Recipe& base, const MethodChoice& choice,
                         const std::vector<std::string>& settings = {});

/// Whether the recipe's base is packed to four bits.
bool has_four_bits(const Recipe& recipe);

/// "lora", "lora-4bit": a word that a folder can be called by.
std::string choice_name(const std::string& method, bool four_bits);

/// Bytes, but for the parameters.
struct MethodRow {
  std::string method;
  bool four_bits = false;        ///< the base's linears are packed to four bits
  std::optional<Error> refused;  ///< why the method does not go with this model or the settings
  std::int64_t trained = 0;      ///< parameters
  std::int64_t weights = 0;      ///< the base's, packed where the settings say so
  std::int64_t adapter = 0;      ///< what is added to it
  std::int64_t gradients = 0;    ///< of one micro-batch
  std::int64_t moments = 0;      ///< the optimizer's state
  std::int64_t masters = 0;      ///< float32 values of trained tensors that are narrower
  std::int64_t file = 0;         ///< what the run leaves behind
  std::int64_t total() const { return weights + adapter + gradients + moments + masters; }
};

struct MethodTable {
  std::int64_t parameters = 0;  ///< the model's
  std::string optimizer, dtype;
  std::vector<MethodRow> rows;  ///< in the order of the choices
};

/// `dtype`: float32 | bfloat16. A setting that no method has is refused.
Result<MethodTable> method_table(const ModelSummary& model, const Recipe& base,
                                 const std::vector<MethodChoice>& choices,
                                 const std::vector<std::string>& settings,
                                 const std::string& dtype);
/// All methods with their defaults but for the settings.
Result<MethodTable> method_table(const ModelSummary& model,
                                 const std::vector<std::string>& settings,
                                 const std::string& dtype);

Json to_json(const MethodTable& table);

}  // namespace luthier
