// SPDX-License-Identifier: GPL-3.0-or-later
// A question about a picture and its answer as Prismatic VLMs are asked (Karamcheti et al. 2024),
// before they are taught to move: "In: …\nOut:" and the answer, each tokenized apart, the picture's
// tokens behind the first token. Internal to the data room.
#pragma once

#include <string>

#include "engine/data/conversation.h"
#include "engine/data/processor.h"

namespace luthier {

/// What stands before an answer.
std::string in_out_question(const std::string& asked);

/// bos, `pictures` tokens `picture`, `question`, and the answer with eos where there is one, which
/// is labelled. Without images.
Result<Example> encode_in_out(const Tokenizer& tokenizer, const std::string& question,
                              const std::string* answer, TokenId picture, std::int64_t pictures);

}  // namespace luthier
