// SPDX-License-Identifier: GPL-3.0-or-later
// A folder with a sentencepiece model alone: its pieces under the rules of transformers' former
// LlamaTokenizer, whose `legacy`, prefix space and added tokens decide what reaches the model, or
// of SiglipTokenizer, which lowers letters and leaves punctuation out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace luthier {

enum class SentencePieceRules { Llama, Siglip };

/// `model`: the file's bytes (validated here). `where` names the file.
Result<std::unique_ptr<Tokenizer>> load_sentencepiece(
    std::string_view model, const std::string& where, const TokenizerConfig& config,
    SentencePieceRules rules = SentencePieceRules::Llama);

}  // namespace luthier
