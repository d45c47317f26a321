// SPDX-License-Identifier: GPL-3.0-or-later
// Folders whose tokenizer is a vocabulary alone, as files before tokenizer.json have it: vocab.txt,
// vocab.json with merges.txt, or a sentencepiece model. What stands around the vocabulary is said
// by the class, as transformers 5.17 builds it; here it is put together as tokenizer.json would say
// it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/tokenizer_config.h"

namespace luthier {

/// A vocabulary of its own files, and the class that says how it is used.
struct VocabularyFiles {
  std::filesystem::path file;  ///< that the pieces stand in; errors name it
  SortedJson root;             ///< as tokenizer.json
};

/// The folder's, its class by tokenizer_config.json, else by config.json's model type; the special
/// tokens that the class has by itself are added to `config`. None: no class is known, or the files
/// that its pieces stand in are not there.
Result<std::optional<VocabularyFiles>> read_vocabulary_files(const std::filesystem::path& folder,
                                                             TokenizerConfig& config);

}  // namespace luthier
