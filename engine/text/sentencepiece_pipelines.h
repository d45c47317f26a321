// SPDX-License-Identifier: GPL-3.0-or-later
// What transformers 5.17's classes put around the pieces of a sentencepiece model of unigrams, as
// tokenizer.json would say it.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/tokenizer_config.h"

namespace luthier {

/// The whole of a tokenizer.json, of a model's bytes. `where` names the file.
using SentencePiecePipeline = Result<SortedJson> (*)(std::string_view bytes,
                                                     const std::string& where,
                                                     const TokenizerConfig& config);

Result<SortedJson> t5_pipeline(std::string_view bytes, const std::string& where,
                               const TokenizerConfig& config);
Result<SortedJson> albert_pipeline(std::string_view bytes, const std::string& where,
                                   const TokenizerConfig& config);
Result<SortedJson> deberta_pipeline(std::string_view bytes, const std::string& where,
                                    const TokenizerConfig& config);
Result<SortedJson> xlm_roberta_pipeline(std::string_view bytes, const std::string& where,
                                        const TokenizerConfig& config);
Result<SortedJson> mbart_pipeline(std::string_view bytes, const std::string& where,
                                  const TokenizerConfig& config);

/// A text between `first` and `last` (each [token, id]), the second of two behind another `last`
/// and of type 1: BERT's.
SortedJson around_texts(const SortedJson& first, const SortedJson& last);
/// Each of two texts between both, which may be null, the second of type 1: GPT-2's where it is
/// asked for.
SortedJson around_each(const SortedJson& first, const SortedJson& last);

}  // namespace luthier
