// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the comparison: text made safe for a page, pictures as data URIs, word differences. No LibTorch.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace luthier {

/// Every character that means something in HTML, in text and in quoted attributes alike. Invalid UTF-8 and control characters become U+FFFD.
std::string html_escaped(const std::string& text);

/// A small copy of the picture as a PNG data URI; empty when it cannot be read.
std::string picture_data_uri(const std::filesystem::path& path, int longest_edge);

/// For each word of `text` (split at white space), whether it also stands, in order, in `reference` (longest common subsequence of words).
std::vector<bool> words_in_common(const std::vector<std::string>& text, const std::vector<std::string>& reference);

/// Splits into words; the white space after a word stays with it, so that joining gives the text back.
std::vector<std::string> words_of(const std::string& text);

}  // namespace luthier
