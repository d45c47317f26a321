// SPDX-License-Identifier: GPL-3.0-or-later
// A folder with tokenizer.model alone: sentencepiece's pieces under the rules of transformers'
// former LlamaTokenizer, whose `legacy`, prefix space and added tokens decide what reaches the
// model.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace luthier {

/// `model`: the file's bytes (validated here). `where` names the file.
Result<std::unique_ptr<Tokenizer>> load_sentencepiece(std::string_view model,
                                                      const std::string& where,
                                                      const TokenizerConfig& config);

}  // namespace luthier
