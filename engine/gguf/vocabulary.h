// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint's tokenizer as GGUF has it: every token with its kind, how pieces are joined (by a
// score, as sentencepiece does, or by the list of merges), and which tokens mean what.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/io/gguf.h"
#include "engine/text/tokenizer.h"

namespace luthier {

/// The fields `tokenizer.*`. `rows`: of the embedding, which has a token for each. `ends`: the
/// tokens that end an answer. A tokenizer that llama.cpp has no name for is refused.
Result<GgufFields> gguf_vocabulary(const std::filesystem::path& folder, std::int64_t rows,
                                   const std::vector<TokenId>& ends);

}  // namespace luthier
