// SPDX-License-Identifier: GPL-3.0-or-later
// sentencepiece's compiled normalization rules: a double-array trie from byte strings to places in
// a block of zero-terminated replacements. Grapheme clusters are looked up first, then single
// characters.
#include <cstring>

#include <utf8proc.h>

#include "engine/text/charsmap.h"
#include "engine/text/json_fields.h"
#include "engine/text/normalizers.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

std::optional<std::string> decode_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    int value = 0;
    if (c >= 'A' && c <= 'Z')
      value = c - 'A';
    else if (c >= 'a' && c <= 'z')
      value = c - 'a' + 26;
    else if (c >= '0' && c <= '9')
      value = c - '0' + 52;
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else
      return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    if ((count += 6) >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return bytes;
}

/// Where the grapheme cluster that starts at `begin` ends.
std::size_t grapheme_end(std::string_view text, std::size_t begin) {
  utf8proc_int32_t state = 0;
  std::size_t at = begin;
  auto previous = static_cast<utf8proc_int32_t>(utf8_next(text, at));
  while (at < text.size()) {
    std::size_t next = at;
    const auto character = static_cast<utf8proc_int32_t>(utf8_next(text, next));
    if (utf8proc_grapheme_break_stateful(previous, character, &state)) break;
    previous = character;
    at = next;
  }
  return at;
}

class Precompiled : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}
  Status apply(AlignedText& text) const override {
    const std::string_view source = text.text();
    AlignedText::Writer writer(text);
    bool changed = false;
    const auto put = [&](std::size_t begin, std::size_t end) {
      const auto mapped = map_.find(source.substr(begin, end - begin));
      if (mapped) writer.put(*mapped, begin, end);
      changed = changed || mapped;
      return mapped.has_value();
    };
    for (std::size_t begin = 0; begin < source.size();) {
      const std::size_t end = grapheme_end(source, begin);
      if (end - begin < 6 && put(begin, end)) {
        begin = end;
        continue;
      }
      while (begin < end) {
        std::size_t next = begin;
        utf8_next(source, next);
        if (!put(begin, next)) writer.put(source.substr(begin, next - begin), begin, next);
        begin = next;
      }
    }
    if (changed) text = writer.take();
    return {};
  }

 private:
  Charsmap map_;
};

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob, const std::string& where) {
  Charsmap map;
  std::uint32_t size = 0;
  if (blob.size() >= 4) std::memcpy(&size, blob.data(), 4);
  if (blob.size() < 4 || size == 0 || size % 4 != 0 || size > blob.size() - 4) {
    return input_error("The character map is damaged: its trie does not fit into it.", where);
  }
  map.units_.resize(size / 4);
  std::memcpy(map.units_.data(), blob.data() + 4, size);
  map.strings_ = std::string(blob.substr(4 + size));
  if (!map.strings_.empty() && map.strings_.back() != '\0')
    return input_error("The character map is damaged: its strings do not end.", where);
  if (!utf8_valid(map.strings_))
    return input_error("The character map is damaged: its strings are not valid UTF-8.", where);
  for (std::size_t i = 0; i < map.strings_.size();) {
    const std::size_t length = std::strlen(map.strings_.c_str() + i);
    if (length > 256)
      return input_error("The character map holds a replacement longer than 256 bytes.", where);
    i += length + 1;
  }
  return map;
}

std::optional<std::string_view> Charsmap::find(std::string_view key) const {
  const auto offset = [](std::uint32_t unit) {
    return static_cast<std::size_t>(unit >> 10) << ((unit & (1u << 9)) >> 6);
  };
  std::size_t at = offset(units_[0]);
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    at ^= byte;
    if (at >= units_.size()) return std::nullopt;
    const std::uint32_t unit = units_[at];
    if ((unit & ((1u << 31) | 0xFF)) != byte) return std::nullopt;
    at ^= offset(unit);
    if (((unit >> 8) & 1) == 0) continue;
    if (at >= units_.size()) return std::nullopt;
    const std::size_t index = units_[at] & ((1u << 31) - 1);
    // An index inside a character would cut it: such a map is treated as having no rule here.
    if (index >= strings_.size()) return std::string_view();
    const std::string_view rule(strings_.c_str() + index);
    return utf8_valid(rule) ? std::optional(rule) : std::nullopt;
  }
  return std::nullopt;
}

Result<std::unique_ptr<Normalizer>> read_precompiled(const SortedJson& value,
                                                     const std::string& where) {
  LUTHIER_TRY(const std::string text, string_field(value, "precompiled_charsmap", where, ""));
  const auto blob = decode_base64(text);
  if (!blob)
    return input_error("The character map is not valid base64.", where + ".precompiled_charsmap");
  LUTHIER_TRY(Charsmap map, Charsmap::parse(*blob, where + ".precompiled_charsmap"));
  return std::unique_ptr<Normalizer>(std::make_unique<Precompiled>(std::move(map)));
}

}  // namespace luthier
