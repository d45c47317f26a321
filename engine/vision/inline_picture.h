// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures that stand in a row itself. Where others have a path, they have their text: a data URI,
// "data:image/png;base64,...". decode_image and read_image_size read either.
#pragma once

#include <filesystem>
#include <string>

#include "engine/base/result.h"

namespace luthier {

bool is_inline_picture(const std::filesystem::path& picture);

/// What stands for a picture whose bytes are given as base64 (without their own data URI).
std::filesystem::path inline_picture(const std::string& base64);

/// The bytes of an inline picture.
Result<std::string> inline_picture_bytes(const std::filesystem::path& picture);

/// What to call a picture: its path, or "a picture in base64 (12 KiB)".
std::string picture_name(const std::filesystem::path& picture);

/// Base64 whose first bytes are a picture's, also of a format that is not read. Other texts cost no
/// more than a look at their beginning.
bool looks_like_base64_picture(const std::string& text);

}  // namespace luthier
