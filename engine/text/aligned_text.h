// SPDX-License-Identifier: GPL-3.0-or-later
// Text that remembers where it came from: each byte knows the byte range of the original it stands
// for, through normalizing and splitting. Untouched text costs no more than a string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

/// A byte range of the original text.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// How a split treats what its pattern matched.
enum class SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

class AlignedText {
 public:
  AlignedText() = default;
  /// `base`: where `text` begins in the original.
  explicit AlignedText(std::string_view text, std::uint32_t base = 0) : text_(text), base_(base) {}

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  std::size_t size() const { return text_.size(); }
  /// The original range of the bytes [begin, end); an empty range is an empty span where `begin`
  /// stands.
  Span span(std::size_t begin, std::size_t end) const;
  std::uint32_t origin() const { return span(0, 0).begin; }

  AlignedText slice(std::size_t begin, std::size_t end) const;
  /// Puts `prefix` before the text; it belongs to the first character. Nothing happens to an empty
  /// text.
  void prepend(std::string_view prefix);
  /// Replaces sorted, disjoint byte ranges by `content`, which then stands for the whole range.
  void replace(const std::vector<std::pair<std::size_t, std::size_t>>& ranges,
               std::string_view content);
  /// Replaces every occurrence of `from`.
  void replace(std::string_view from, std::string_view content);

  class Writer;

 private:
  std::string text_;
  std::vector<Span> spans_;  ///< one a byte; empty: byte i stands for original byte base_ + i
  std::uint32_t base_ = 0;
};

/// Builds a changed copy piece by piece.
class AlignedText::Writer {
 public:
  explicit Writer(const AlignedText& source);
  /// `bytes` stand for source bytes [begin, end).
  void put(std::string_view bytes, std::size_t begin, std::size_t end);
  AlignedText take() { return std::move(target_); }

 private:
  const AlignedText& source_;
  AlignedText target_;
};

/// A stretch of the text and whether the pattern matched it.
struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool matched = false;
};

/// The whole text as stretches, from the matched ranges alone.
std::vector<Match> cover(const std::vector<std::pair<std::size_t, std::size_t>>& ranges,
                         std::size_t size);
/// Cuts the text at the stretches as `behavior` says; empty parts are left out.
std::vector<AlignedText> split(const AlignedText& text, const std::vector<Match>& matches,
                               SplitBehavior behavior);
/// All places where `needle` stands, from left to right without overlap.
std::vector<std::pair<std::size_t, std::size_t>> find_literal(std::string_view text,
                                                              std::string_view needle);

}  // namespace luthier
