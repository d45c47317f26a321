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
                              "The base's linear layers are packed to eight bits.", false)
                     .not_built({"true"})
                     .advanced());
  rows.push_back(kind_value(Type::NameList, "quantization.llm_int8_skip_modules",
                            "Modules left unpacked",
                            "Names (beginnings as a regular expression, or endings); empty: the "
                            "output head.",
                            nullptr)
                     .advanced());
  rows.push_back(kind_number("quantization.llm_int8_threshold", "Eight-bit outlier threshold",
                             "Kept for eight bits; four bits have no outliers apart.", 6.0)
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
  if (!method_kind(recipe.strategy).hangs_adapter() || !values.flag("quantization.load_in_4bit"))
    return {};
  const std::vector<std::string> skipped = values.names("quantization.llm_int8_skip_modules");
  return {{"quant_method", "bitsandbytes"},
          {"load_in_4bit", true},
          {"bnb_4bit_quant_type", values.text("quantization.bnb_4bit_quant_type")},
          {"bnb_4bit_use_double_quant", values.flag("quantization.bnb_4bit_use_double_quant")},
          {"bnb_4bit_compute_dtype", values.text("quantization.bnb_4bit_compute_dtype")},
          {"llm_int8_skip_modules", skipped.empty() ? Json(nullptr) : Json(skipped)}};
}

}  // namespace luthier
