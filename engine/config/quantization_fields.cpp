// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/quantization_fields.h"

#include <algorithm>

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/io/weight_kinds.h"

namespace luthier {

namespace {

using namespace rows;

/// The values of bnb_4bit_quant_type that are there, and of those that exist elsewhere the others.
Row quant_type() {
  std::vector<std::string> built, missing;
  for (const char* type : {"nf4", "fp4"}) {
    const bool there =
        std::any_of(weight_kinds().begin(), weight_kinds().end(),
                    [&](const WeightKind* kind) { return std::string_view(kind->name) == type; });
    (there ? built : missing).emplace_back(type);
  }
  return kind_choice("quantization.bnb_4bit_quant_type", "Four-bit type",
                     "The sixteen numbers that four bits stand for.", std::move(built), "nf4")
      .not_built(std::move(missing))
      .advanced();
}

}  // namespace

std::vector<RecipeField> quantization_fields() {
  std::vector<Row> rows;
  rows.push_back(kind_boolean("quantization.load_in_4bit", "Base in 4 bits",
                              "The base's linear layers are packed to four bits while it loads, an "
                              "eighth of float32's memory; "
                              "the adapter trains over them in full precision.",
                              false));
  rows.push_back(quant_type());
  rows.push_back(kind_boolean("quantization.bnb_4bit_use_double_quant", "Double quantization",
                              "The scales of the blocks are packed too: 0.4 bits a number less.",
                              false)
                     .advanced());
  rows.push_back(kind_choice("quantization.bnb_4bit_compute_dtype", "Four-bit compute type",
                             "What products with packed weights are computed in; auto: the "
                             "compute type of the run.",
                             {"float32", "bfloat16", "auto"}, "float32")
                     .advanced());
  rows.push_back(kind_boolean("quantization.load_in_8bit", "Base in 8 bits",
                              "The base's linear layers are packed to eight bits while it loads, a "
                              "quarter of float32's memory. Answers and evaluations are made of "
                              "whole numbers (LLM.int8), training of the plain ones.",
                              false)
                     .advanced());
  rows.push_back(kind_value(Type::NameList, "quantization.llm_int8_skip_modules",
                            "Modules left unpacked",
                            "Names (beginnings as a regular expression, or endings); empty: the "
                            "output head.",
                            nullptr)
                     .advanced());
  rows.push_back(kind_number("quantization.llm_int8_threshold", "Eight-bit outlier threshold",
                             "Columns of a layer's input that hold a number as large as this are "
                             "multiplied in full precision; 0: none.",
                             6.0)
                     .at_least(0)
                     .at_most(1e6)
                     .advanced());
  std::vector<RecipeField> fields = fields_of(std::move(rows));
  for (const MethodKind& method : method_kinds()) {
    if (!method.hangs_adapter()) continue;
    for (RecipeField& field : fields) field.about.strategies.push_back(method.name);
  }
  return fields;
}

Json quantization_settings(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  if (!method_kind(recipe.strategy).hangs_adapter()) return {};
  const bool four = values.flag("quantization.load_in_4bit"),
             eight = values.flag("quantization.load_in_8bit");
  if (!four && !eight) return {};
  const std::vector<std::string> skipped = values.names("quantization.llm_int8_skip_modules");
  Json settings{{"quant_method", "bitsandbytes"},
                {"llm_int8_skip_modules", skipped.empty() ? Json(nullptr) : Json(skipped)}};
  if (four) {
    settings["load_in_4bit"] = true;
    for (const char* key : {"bnb_4bit_quant_type", "bnb_4bit_compute_dtype"})
      settings[key] = values.text(std::string("quantization.") + key);
    settings["bnb_4bit_use_double_quant"] = values.flag("quantization.bnb_4bit_use_double_quant");
  }
  if (eight) {
    settings["load_in_8bit"] = true;
    settings["llm_int8_threshold"] = values.number("quantization.llm_int8_threshold");
  }
  return settings;
}

Status check_quantization(const Recipe& recipe) {
  const auto kind = find_weight_kind(quantization_settings(recipe), "quantization");
  if (!kind) return kind.error();
  return {};
}

}  // namespace luthier
