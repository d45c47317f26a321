// SPDX-License-Identifier: GPL-3.0-or-later
// DeepSeek-OCR-2's text config: Llama's, with experts in the layers that it names and one MLP for
// the experts that all tokens go through.
#pragma once

#include "engine/models/decoder.h"

namespace luthier {

/// With DeepseekOcr2TextConfig's defaults; what its model fails without is refused by name.
Result<DecoderOptions> read_deepseek_text_options(const Json& config, const std::string& where);

}  // namespace luthier
