// SPDX-License-Identifier: GPL-3.0-or-later
// --load-in-4bit, --load-in-8bit and what goes with them, which several verbs take, in the words of
// transformers' BitsAndBytesConfig.
#pragma once

#include <string>

#include "app/cli/verbs.h"

namespace luthier::cli {

struct QuantizationOptions {
  bool load_in_4bit = false, load_in_8bit = false;
  std::string quant_type = "nf4", compute_dtype = "float32";
  bool double_quant = false;
  double threshold = 6;
};

/// The options of a verb that loads a model; `switched`: with --load-in-4bit itself, else that is
/// what happens where --load-in-8bit is not given.
void add_quantization_options(CLI::App& app, QuantizationOptions& options, bool switched);

/// As a checkpoint's quantization_config says it; null where nothing is asked for. A detail without
/// what it is a detail of is refused.
Result<Json> quantization_settings(const CLI::App& app, const QuantizationOptions& options);

}  // namespace luthier::cli
