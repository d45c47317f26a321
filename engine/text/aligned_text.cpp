// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/aligned_text.h"

#include <algorithm>

#include "engine/text/unicode.h"

namespace luthier {

Span AlignedText::span(std::size_t begin, std::size_t end) const {
  if (spans_.empty())
    return {base_ + static_cast<std::uint32_t>(begin), base_ + static_cast<std::uint32_t>(end)};
  if (begin >= end) {
    const std::uint32_t at = begin < spans_.size() ? spans_[begin].begin : spans_.back().end;
    return {at, at};
  }
  return {spans_[begin].begin, std::max(spans_[begin].begin, spans_[end - 1].end)};
}

AlignedText AlignedText::slice(std::size_t begin, std::size_t end) const {
  AlignedText part(std::string_view(text_).substr(begin, end - begin),
                   base_ + static_cast<std::uint32_t>(begin));
  if (!spans_.empty()) {
    part.base_ = spans_[std::min(begin, spans_.size() - 1)].begin;
    part.spans_.assign(spans_.begin() + static_cast<std::ptrdiff_t>(begin),
                       spans_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return part;
}

void AlignedText::prepend(std::string_view prefix) {
  if (text_.empty() || prefix.empty()) return;
  if (spans_.empty()) {
    spans_.reserve(text_.size() + prefix.size());
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const auto at = base_ + static_cast<std::uint32_t>(i);
      spans_.push_back({at, at + 1});
    }
  }
  const Span first{spans_[0].begin, spans_[std::min(utf8_length(text_[0]), text_.size()) - 1].end};
  spans_.insert(spans_.begin(), prefix.size(), first);
  text_.insert(0, prefix);
}

void AlignedText::replace(const std::vector<std::pair<std::size_t, std::size_t>>& ranges,
                          std::string_view content) {
  if (ranges.empty()) return;
  Writer writer(*this);
  std::size_t at = 0;
  const auto copy = [&](std::size_t end) {
    for (; at < end; ++at) writer.put(std::string_view(text_).substr(at, 1), at, at + 1);
  };
  for (const auto& [begin, end] : ranges) {
    copy(begin);
    writer.put(content, begin, end);
    at = std::max(at, end);
  }
  copy(text_.size());
  *this = writer.take();
}

void AlignedText::replace(std::string_view from, std::string_view content) {
  if (from == content) return;
  replace(find_literal(text_, from), content);
}

AlignedText::Writer::Writer(const AlignedText& source) : source_(source) {
  target_.base_ = source.origin();
  target_.text_.reserve(source.size());
  target_.spans_.reserve(source.size());
}

void AlignedText::Writer::put(std::string_view bytes, std::size_t begin, std::size_t end) {
  target_.text_.append(bytes);
  target_.spans_.insert(target_.spans_.end(), bytes.size(), source_.span(begin, end));
}

std::vector<Match> cover(const std::vector<std::pair<std::size_t, std::size_t>>& ranges,
                         std::size_t size) {
  std::vector<Match> matches;
  matches.reserve(ranges.size() * 2 + 1);
  std::size_t at = 0;
  for (const auto& [begin, end] : ranges) {
    if (at < begin) matches.push_back({at, begin, false});
    matches.push_back({begin, end, true});
    at = end;
  }
  if (at < size) matches.push_back({at, size, false});
  return matches;
}

std::vector<AlignedText> split(const AlignedText& text, const std::vector<Match>& matches,
                               SplitBehavior behavior) {
  std::vector<AlignedText> parts;
  const auto add = [&](std::size_t begin, std::size_t end) {
    if (begin < end) parts.push_back(text.slice(begin, end));
  };
  if (behavior == SplitBehavior::Removed || behavior == SplitBehavior::Isolated) {
    for (const Match& match : matches) {
      if (!match.matched || behavior == SplitBehavior::Isolated) add(match.begin, match.end);
    }
    return parts;
  }
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  bool previous = false;
  if (behavior == SplitBehavior::MergedWithNext) {
    for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
      if (match->matched && !previous && !ranges.empty()) {
        ranges.back().first = match->begin;
      } else {
        ranges.emplace_back(match->begin, match->end);
      }
      previous = match->matched;
    }
    std::reverse(ranges.begin(), ranges.end());
  } else {
    const bool contiguous = behavior == SplitBehavior::Contiguous;
    for (const Match& match : matches) {
      const bool joins = contiguous ? match.matched == previous : match.matched && !previous;
      if (joins && !ranges.empty()) {
        ranges.back().second = match.end;
      } else {
        ranges.emplace_back(match.begin, match.end);
      }
      previous = match.matched;
    }
  }
  for (const auto& [begin, end] : ranges) add(begin, end);
  return parts;
}

std::vector<std::pair<std::size_t, std::size_t>> find_literal(std::string_view text,
                                                              std::string_view needle) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  if (needle.empty()) return found;
  for (std::size_t at = text.find(needle); at != std::string_view::npos;
       at = text.find(needle, at + needle.size())) {
    found.emplace_back(at, at + needle.size());
  }
  return found;
}

}  // namespace luthier
