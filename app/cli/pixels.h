// SPDX-License-Identifier: GPL-3.0-or-later
// --min-pixels and --max-pixels, which several verbs take, and the limits that an adapter was
// trained under, which hold where nothing else is asked for.
#pragma once

#include <string>

#include "app/cli/verbs.h"
#include "engine/vision/film_processor.h"

namespace luthier::cli {

void add_pixel_options(CLI::App& app, MediaLimits& pixels);

/// What is asked for, else the adapter's own, which is then said on stderr.
MediaLimits pixels_for(const std::string& adapter_folder, const MediaLimits& own,
                       const MediaLimits& asked);

}  // namespace luthier::cli
