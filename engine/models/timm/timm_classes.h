// SPDX-License-Identifier: GPL-3.0-or-later
// What timm's config.json says of classes: `num_classes`, and `label_names` in the order of their
// numbers.
#pragma once

#include <optional>
#include <string>

#include "engine/data/class_options.h"

namespace luthier {

/// None where num_classes is 0: the model has no head. An Input error names `where` and the field.
Result<std::optional<ClassOptions>> read_timm_classes(const Json& config, const std::string& where);

/// Writes them into timm's configuration, and leaves out what only transformers' say.
void write_timm_classes(const ClassOptions& classes, Json& config);

}  // namespace luthier
