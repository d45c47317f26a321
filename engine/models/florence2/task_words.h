// SPDX-License-Identifier: GPL-3.0-or-later
// Florence-2 learned sentences, and its rows name them by a word: `<OCR>` asks what the text in the
// picture is. As Florence2Processor of transformers 5.17 writes them.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace luthier::florence2 {

/// What stands for a question. One without a task word stays as it is. An Input error where a word
/// that is a whole question has something beside it.
Result<std::string> sentence_of(const std::string& question);

}  // namespace luthier::florence2
