// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint folder as files for llama.cpp and Ollama: the language model with its tokenizer, the
// picture half beside it, and a Modelfile. One tensor at a time stands in memory, as it is stored.
//   LUTHIER_TRY(report, export_gguf("merged", "gguf", {.type = "q8_0"}));
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct GgufOptions {
  std::string type = "f16";  ///< of the weights: f32, f16 or q8_0
  std::string name;          ///< of the files and in them; empty: the folder's
  std::string system;        ///< the Modelfile's system prompt; empty: the chat template's own
  std::function<bool(double share)> go_on = {};  ///< false ends it (Interrupted)
};

struct GgufReport {
  std::vector<std::string> files;  ///< the language model's first
  std::uint64_t bytes = 0;
  std::int64_t tensors = 0;
  std::vector<std::string> notes;  ///< what llama.cpp does otherwise
};
Json to_json(const GgufReport& report);

/// The types that `GgufOptions::type` may be.
const std::vector<std::string>& gguf_types();

/// Whether it is one of them.
Status check_gguf_type(const std::string& type);

/// Whether the checkpoint can be written so, from its small files and headers alone.
Status check_gguf(const std::filesystem::path& model);

/// Writes `out`, which is new or empty; nothing is left of it where an error comes.
Result<GgufReport> export_gguf(const std::filesystem::path& model, const std::filesystem::path& out,
                               const GgufOptions& options = {});

}  // namespace luthier
