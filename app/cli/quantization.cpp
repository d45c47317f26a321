// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/quantization.h"

namespace luthier::cli {

namespace {

constexpr const char* kSwitch = "--load-in-4bit";
constexpr const char* kDetails[] = {"--bnb-4bit-quant-type", "--bnb-4bit-use-double-quant",
                                    "--bnb-4bit-compute-dtype"};

}  // namespace

void add_quantization_options(CLI::App& app, QuantizationOptions& options, bool switched) {
  if (switched)
    app.add_flag(kSwitch, options.load_in_4bit,
                 "Pack the linear layers to four bits while the model loads");
  else
    options.load_in_4bit = true;
  app.add_option(kDetails[0], options.quant_type, "What four bits stand for: nf4")
      ->capture_default_str();
  app.add_flag(kDetails[1], options.double_quant, "Pack the blocks' scales too");
  app.add_option(kDetails[2], options.compute_dtype,
                 "What products with packed weights are computed in: float32, bfloat16 or auto")
      ->capture_default_str();
}

Result<Json> quantization_settings(const CLI::App& app, const QuantizationOptions& options) {
  if (options.load_in_4bit) {
    return Json{{"quant_method", "bitsandbytes"},
                {"load_in_4bit", true},
                {"bnb_4bit_quant_type", options.quant_type},
                {"bnb_4bit_use_double_quant", options.double_quant},
                {"bnb_4bit_compute_dtype", options.compute_dtype},
                {"llm_int8_skip_modules", nullptr}};
  }
  for (const char* detail : kDetails) {
    if (app.count(detail) > 0)
      return input_error("This means nothing without --load-in-4bit.", detail);
  }
  return Json();
}

}  // namespace luthier::cli
