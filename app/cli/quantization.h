// SPDX-License-Identifier: GPL-3.0-or-later
// --load-in-4bit and what goes with it, which several verbs take, in the words of transformers'
// BitsAndBytesConfig.
#pragma once

#include <string>

#include "app/cli/verbs.h"

namespace luthier::cli {

struct QuantizationOptions {
  bool load_in_4bit = false;
  std::string quant_type = "nf4", compute_dtype = "float32";
  bool double_quant = false;
};

/// The options of a verb that loads a model; `switched`: with --load-in-4bit itself.
void add_quantization_options(CLI::App& app, QuantizationOptions& options, bool switched);

/// As a checkpoint's quantization_config says it; null where nothing is asked for. One of the
/// others without --load-in-4bit is refused.
Result<Json> quantization_settings(const CLI::App& app, const QuantizationOptions& options);

}  // namespace luthier::cli
