// SPDX-License-Identifier: GPL-3.0-or-later
// Which settings a resume may have otherwise than the run was started with.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"

namespace luthier {

/// The settings of a resume that differ from those it was started with and may not: all but places
/// (what is there is compared by fingerprint), device and compute type (resume_device.h), and what
/// changes no number of the result.
std::vector<FieldDifference> changed_settings(const Recipe& recorded, const Recipe& now);

/// "training.seed was 1 and is now 2; …", with `prefix` before each key.
std::string changes_text(const std::vector<FieldDifference>& changed,
                         const std::string& prefix = {});

}  // namespace luthier
