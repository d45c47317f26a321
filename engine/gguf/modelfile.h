// SPDX-License-Identifier: GPL-3.0-or-later
// Ollama's Modelfile: which files make the model, how turns are written (in the words of Go's
// templates), the system prompt, and how answers are drawn.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct ModelfileParts {
  std::vector<std::string> files;  ///< beside it; the language model first
  std::string system;              ///< empty: the one that the chat template has, if it has one
  std::int64_t context = 0;        ///< tokens; 0: Ollama's own
  std::vector<std::string> stops;  ///< texts that end an answer
};

/// What the chat template of `folder` writes around a system prompt, a question and an answer.
struct TurnWords {
  std::string before_system, after_system, before_prompt, after_prompt, after_answer;
  std::string system;  ///< the template's own
};
/// None: the template cannot be told apart so (it refuses a plain conversation, say).
std::optional<TurnWords> turn_words(const std::filesystem::path& folder);

/// Sampling is generation_config.json's.
Result<std::string> modelfile(const std::filesystem::path& folder, const ModelfileParts& parts);

}  // namespace luthier
