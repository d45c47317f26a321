// SPDX-License-Identifier: GPL-3.0-or-later
// A result on its way out: as a checkpoint by itself, as a PEFT folder, or as GGUF for llama.cpp
// and Ollama; and a run on its way elsewhere, as a script for TRL. What the window's dialog and
// `luthier-cli export` call. No LibTorch header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/handover/hand_over.h"
#include "engine/io/json.h"
#include "engine/methods/arithmetic/combine_options.h"

namespace luthier {

enum class ExportKind {
  Checkpoint,  ///< safetensors; an adapter is merged into its base first
  Adapter,     ///< the PEFT folder
  Gguf,        ///< an adapter is merged first, too
  Trl          ///< a recipe's run as a script (handover/)
};

struct ExportRequest {
  ExportKind kind = ExportKind::Gguf;
  /// As find_result takes it: a model, an adapter, a run; of Trl: a recipe or a run.
  std::filesystem::path result;
  /// Adapters that become one first, in the place of `result`; with `how`. Empty: `result`.
  std::vector<std::filesystem::path> adapters;
  CombineOptions how;
  std::filesystem::path base;         ///< of an adapter; empty: the one that it was trained on
  std::filesystem::path out;          ///< new or empty
  std::string type = "f16";           ///< GGUF's: f32, f16 or q8_0
  std::string name = {};              ///< GGUF's files'; empty: the result's
  std::string system;                 ///< of the Modelfile; empty: the chat template's own
  std::vector<std::string> set = {};  ///< Trl: KEY=VALUE in place of the recipe's
  ClusterSettings cluster = {};       ///< Trl
};

struct ExportOutcome {
  std::filesystem::path folder;
  std::vector<std::string> files;  ///< of GGUF and Trl: what was written, the main one first
  std::uint64_t bytes = 0;         ///< of all files
  std::string sentence;            ///< of a merge: how near its answers are
  std::vector<std::string> notes;  ///< what who reads the files does otherwise
};
Json to_json(const ExportOutcome& outcome);

/// `go_on`: what is being done and how far; false ends it (Interrupted). Nothing is left of `out`
/// where an error comes.
using ExportWatch = std::function<bool(const std::string& what, double share)>;
Result<ExportOutcome> export_result(const ExportRequest& request, const ExportWatch& go_on = {});

/// The checkpoint that an adapter's result was trained on: its run's recipe, else what
/// adapter_config.json names. An Input error where that is not on this machine.
Result<std::filesystem::path> base_of_adapter(const std::filesystem::path& adapter);

}  // namespace luthier
