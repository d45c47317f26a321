// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the comparison's page: text made safe, pictures as data URIs. No LibTorch.
#pragma once

#include <filesystem>
#include <string>

#include "engine/vision/image.h"

namespace luthier {

/// Every character that means something in HTML, in text and in quoted attributes alike. Invalid
/// UTF-8 and control characters become U+FFFD.
std::string html_escaped(const std::string& text);

/// A small copy of the picture as a PNG data URI; empty when it cannot be read.
std::string picture_data_uri(const std::filesystem::path& path, int longest_edge);
std::string data_uri(const Image& image);

}  // namespace luthier
