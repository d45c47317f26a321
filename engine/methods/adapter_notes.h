// SPDX-License-Identifier: GPL-3.0-or-later
// What an adapter was trained under that PEFT's files have no place for: luthier.json beside them.
// Today the limits of its run for pictures and films, without which its answers would be to
// pictures of another size and to other frames than it has seen.
#pragma once

#include <filesystem>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/film_processor.h"

namespace luthier {

inline constexpr const char* kAdapterNotesName = "luthier.json";

Status write_adapter_notes(const std::filesystem::path& folder, const MediaLimits& pixels);

/// The limits that the adapter in this folder was trained under: its luthier.json; for runs of
/// older versions the recipe.yaml of the run that the folder lies in; else none.
Result<MediaLimits> adapter_pixels(const std::filesystem::path& folder);

/// What is asked for, and the adapter's own where nothing is.
MediaLimits chosen_pixels(const MediaLimits& asked, const MediaLimits& adapter);

/// Each limit by its name; null where there is none.
Json film_limits_json(const FilmLimits& film);
/// The same read back. Input errors name the limit that cannot be used.
Result<FilmLimits> read_film_limits(const Json& film, const std::string& where);

/// "image.min_pixels 3136, image.max_pixels 50176"; empty without limits.
std::string pixels_text(const MediaLimits& pixels);

}  // namespace luthier
