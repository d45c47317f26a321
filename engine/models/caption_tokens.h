// SPDX-License-Identifier: GPL-3.0-or-later
// What captioners have in common whose pictures are one square frame each: the check that the
// folder's processor makes such, and rows in which a picture is all that is read.
#pragma once

#include <filesystem>

#include "engine/data/processor.h"

namespace luthier {

/// Input error unless the folder's processor makes one frame of so many pixels of a picture.
Status check_one_frame(const std::filesystem::path& folder, const ProcessorDefaults& defaults,
                       std::int64_t height, std::int64_t width);

/// RowForm::SourceAnswer of a picture of so many states and nothing else: captions begin with
/// `start`, which is not learned, and end with `end`.
ImageTokens caption_tokens(std::int64_t states, TokenId start, TokenId end);

}  // namespace luthier
