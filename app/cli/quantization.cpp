// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/quantization.h"

namespace luthier::cli {

namespace {

constexpr const char *kFour = "--load-in-4bit", *kEight = "--load-in-8bit";
constexpr const char* kOfFour[] = {"--bnb-4bit-quant-type", "--bnb-4bit-use-double-quant",
                                   "--bnb-4bit-compute-dtype"};
constexpr const char* kOfEight = "--llm-int8-threshold";

}  // namespace

void add_quantization_options(CLI::App& app, QuantizationOptions& options, bool switched) {
  options.load_in_4bit = !switched;
  if (switched)
    app.add_flag(kFour, options.load_in_4bit,
                 "Pack the linear layers to four bits while the model loads");
  app.add_flag(kEight, options.load_in_8bit,
               switched ? "Pack them to eight bits (LLM.int8)" : "Eight bits instead of four");
  app.add_option(kOfFour[0], options.quant_type, "What four bits stand for: nf4 or fp4")
      ->capture_default_str();
  app.add_flag(kOfFour[1], options.double_quant, "Pack the blocks' scales too");
  app.add_option(kOfFour[2], options.compute_dtype,
                 "What products with packed weights are computed in: float32, bfloat16 or auto")
      ->capture_default_str();
  app.add_option(kOfEight, options.threshold,
                 "Eight bits: columns of the input with a number as large as this stay plain")
      ->capture_default_str();
}

Result<Json> quantization_settings(const CLI::App& app, const QuantizationOptions& options) {
  const bool eight = options.load_in_8bit,
             four = app.get_option_no_throw(kFour) ? options.load_in_4bit : !eight;
  for (const char* detail : kOfFour) {
    if (!four && app.count(detail) > 0) {
      return input_error(eight ? "This is of four bits, and eight are asked for."
                               : "This means nothing without --load-in-4bit.",
                         detail);
    }
  }
  if (!eight && app.count(kOfEight) > 0)
    return input_error("This means nothing without --load-in-8bit.", kOfEight);
  if (!four && !eight) return Json();
  if (four && eight)
    return input_error("Weights are packed to four bits or to eight, not to both.", kEight,
                       std::string("Leave out ") + kFour + " or " + kEight + ".");
  if (four && options.quant_type != "nf4" && options.quant_type != "fp4")
    return input_error("\"" + options.quant_type + "\" is nothing that four bits stand for.",
                       kOfFour[0], "Use nf4 or fp4.");
  Json settings{{"quant_method", "bitsandbytes"}, {"llm_int8_skip_modules", nullptr}};
  if (four) {
    settings["load_in_4bit"] = true;
    settings["bnb_4bit_quant_type"] = options.quant_type;
    settings["bnb_4bit_use_double_quant"] = options.double_quant;
    settings["bnb_4bit_compute_dtype"] = options.compute_dtype;
  }
  if (eight) {
    settings["load_in_8bit"] = true;
    settings["llm_int8_threshold"] = options.threshold;
  }
  return settings;
}

}  // namespace luthier::cli
