// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint whose rotary positions are scaled, so that it can be trained and asked beyond the
// length that it was made for: position interpolation (Chen et al. 2023: linear), NTK-aware scaling
// that goes by the length (dynamic), YaRN (Peng et al. 2024), LongRoPE (Ding et al. 2024) and
// Llama 3's. Only config.json changes, in the words of transformers' rope_parameters, so that every
// adapter over the folder and every other program read the same positions.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct RopeScaling {
  std::string type = "linear";  ///< linear | dynamic | yarn | longrope | llama3
  double factor = 2;            ///< by which the length grows; above 1
  /// That the checkpoint was made for; none: as its config.json says.
  std::optional<std::int64_t> original_length = {};
  Json more = Json::object();  ///< other keys of rope_parameters: beta_fast, long_factor, …
};

/// config.json with its text positions scaled, checked by the family's own reading. An Input error
/// where the family has no rotary positions, or several kinds of them, and where settings are not
/// those of the type.
Result<Json> scaled_config(const Json& config, const std::filesystem::path& folder,
                           const RopeScaling& scaling);

/// The checkpoint in `model` with that config.json, as a folder of its own (new or empty). Its
/// weights are linked to where the file system can, else copied.
Status write_scaled_checkpoint(const std::filesystem::path& model, const std::filesystem::path& out,
                               const RopeScaling& scaling);

}  // namespace luthier
