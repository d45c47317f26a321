// SPDX-License-Identifier: GPL-3.0-or-later
// What a family reads of a checkpoint folder's processor besides the pictures' own settings: how it
// writes pictures into the text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/base/result.h"
#include "engine/vision/image_processor.h"

namespace luthier {

/// A named token of tokenizer_config.json (at its top level, or in extra_special_tokens), as
/// transformers makes it an attribute of the tokenizer.
Result<std::string> tokenizer_attribute(const std::filesystem::path& folder, const std::string& key,
                                        const std::string& fallback);

/// A token's text in processor_config.json.
Result<std::string> processor_token(const std::filesystem::path& folder, const std::string& key,
                                    const std::string& fallback);

/// A count in processor_config.json, 1 to 2^20.
Result<std::int64_t> processor_count(const std::filesystem::path& folder, const std::string& key,
                                     std::int64_t fallback);

/// What the processor makes of a picture of this size; an error that names no place names `where`.
Result<PixelValues> outline_of(const ImageProcessor& processor, int width, int height,
                               const std::string& where);

/// Whether a picture processor's number is the tower's: one that cuts other patches would fail in
/// the middle of a run. `standard` is its number where `config`, read from `where`, has none.
Status check_processor_number(const Json& config, const std::string& where, const std::string& key,
                              std::int64_t standard, std::int64_t tower);

/// For a picture processor that makes what another family's tower takes; `type` would be right.
Error other_processor(const std::string& where, const std::string& type);

/// What the folder's picture processor makes of a small picture: an Input error unless that is
/// frames [n, 3, height, width] with a grid of `grid` numbers. So a family can trust both later.
Result<PixelValues> frame_outline(const std::filesystem::path& folder,
                                  const ProcessorDefaults& defaults, std::size_t grid);

/// Whether the text has as many tokens for a frame as the tower's features come to; `key` names the
/// field of processor_config.json.
Status check_frame_tokens(std::int64_t written, std::int64_t features,
                          const std::filesystem::path& folder, const std::string& key);

/// Whether a frame of so many patches can be folded (see fold_patches) by `side`; `where` names the
/// field that says so.
Status check_fold(std::int64_t rows, std::int64_t columns, std::int64_t side,
                  const std::string& where);

/// `count` tokens one after another.
std::string repeated(const std::string& token, std::int64_t count);

}  // namespace luthier
