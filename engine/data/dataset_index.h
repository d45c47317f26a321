// SPDX-License-Identifier: GPL-3.0-or-later
// Where each row of one dataset file stands: found in a single pass over the bytes, without parsing
// them, so that a file of any size opens in seconds and rows are read when they are wanted.
// Internal to the data room.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier::detail {

struct RowSpan {
  std::uint64_t begin = 0, end = 0;  ///< bytes of the file
  std::uint64_t line = 0;            ///< 1-based line it starts on
};

/// Rows in their order, in 16 bytes each; they are never moved, so that all of them stand in memory
/// once.
class RowSpans {
 public:
  void push_back(const RowSpan& span);
  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  RowSpan operator[](std::size_t row) const;

 private:
  struct Place {
    std::uint64_t begin;
    std::uint32_t size;       // what is longer than this says is not read either
    std::int32_t more_lines;  // than there were rows up to this one
  };
  std::deque<Place> places_;
};

/// Hears how far the bytes were gone through: those before need not stand in memory any more.
using Passed = std::function<void(std::size_t end)>;

/// Lines that are not blank.
RowSpans index_lines(std::string_view text, const Passed& passed = {});

/// The elements of a JSON list, or of the list under "data" of a JSON object; an object without it
/// is one row. Empty when the text is neither, or when brackets and quotes do not close.
Result<RowSpans> index_json(std::string_view text, const std::string& where,
                            const Passed& passed = {});

/// The elements of the list under each of these keys of a JSON object, in the keys' order; without
/// the key, or where no list is under it, none. An Input error as of index_json.
Result<std::vector<RowSpans>> index_lists(std::string_view text,
                                          const std::vector<std::string>& keys,
                                          const std::string& where, const Passed& passed = {});

/// JSON or JSON lines? By the name's ending, else by the first object ending before its line does.
bool looks_like_lines(std::string_view text, const std::filesystem::path& path);

}  // namespace luthier::detail
