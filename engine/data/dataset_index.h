// SPDX-License-Identifier: GPL-3.0-or-later
// Where each row of one dataset file stands: found in a single pass over the bytes, without parsing
// them, so that a file of any size opens in seconds and rows are read when they are wanted.
// Internal to the data room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier::detail {

struct RowSpan {
  std::uint64_t begin = 0, end = 0;  ///< bytes of the file
  std::uint64_t line = 0;            ///< 1-based line it starts on
};

/// Hears how far the bytes were gone through: those before need not stand in memory any more.
using Passed = std::function<void(std::size_t end)>;

/// Lines that are not blank.
std::vector<RowSpan> index_lines(std::string_view text, const Passed& passed = {});

/// The elements of a JSON list, or of the list under "data" of a JSON object; an object without it
/// is one row. Empty when the text is neither, or when brackets and quotes do not close.
Result<std::vector<RowSpan>> index_json(std::string_view text, const std::string& where,
                                        const Passed& passed = {});

/// JSON or JSON lines? By the name's ending, else by the first object ending before its line does.
bool looks_like_lines(std::string_view text, const std::filesystem::path& path);

}  // namespace luthier::detail
