// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/sources/tar_index.h"

#include <algorithm>
#include <optional>

#include "engine/base/utf8.h"

namespace luthier::detail {

namespace {

constexpr std::uint64_t kBlockBytes = 512;
constexpr std::uint64_t kLongestHeaderText = 1u << 20;  // of a long name, of pax records

Error broken_archive(const std::string& where, const std::string& why, std::uint64_t at) {
  return input_error("The archive is damaged: " + why + " (byte " + std::to_string(at) + ").",
                     where, "Fetch or write it again.");
}

std::string_view text_field(std::string_view header, std::size_t at, std::size_t size) {
  const std::string_view field = header.substr(at, size);
  return field.substr(0, field.find('\0'));
}

/// Octal digits, or base 256 as GNU writes large numbers.
std::optional<std::uint64_t> number_field(std::string_view field) {
  std::uint64_t value = 0;
  if (static_cast<unsigned char>(field[0]) == 0x80) {
    for (const char c : field.substr(1)) {
      if (value >> 54) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  bool any = false;
  for (const char c : field) {
    if (c == ' ' || c == '\0') {
      if (any) break;
      continue;
    }
    if (c < '0' || c > '7' || (value >> 54)) return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
    any = true;
  }
  return value;
}

bool sums_up(std::string_view header) {
  const auto said = number_field(header.substr(148, 8));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlockBytes; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  return said && *said == sum;
}

/// A pax record's value: "27 path=a/long/name\n".
std::optional<std::string> pax_value(std::string_view records, std::string_view key) {
  std::optional<std::string> found;
  while (!records.empty()) {
    std::size_t length = 0, digits = 0;
    for (; digits < records.size() && records[digits] >= '0' && records[digits] <= '9'; ++digits) {
      length = length * 10 + static_cast<std::size_t>(records[digits] - '0');
      if (length > records.size()) return found;
    }
    if (digits == 0 || length <= digits + 1 || length > records.size()) return found;
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals != std::string_view::npos && record.substr(0, equals) == key)
      found = std::string(record.substr(equals + 1));
    records.remove_prefix(length);
  }
  return found;
}

bool leads_out(std::string_view name) {
  if (name.starts_with('/')) return true;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    if (name.substr(0, end) == "..") return true;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return false;
}

}  // namespace

Result<TarMember> next_member(std::string_view archive, std::uint64_t at,
                              const std::string& where) {
  TarMember member;
  member.header = at;
  std::optional<std::string> long_name;
  std::uint64_t long_size = 0;
  bool sized = false;  // by a pax header
  while (at + kBlockBytes <= archive.size()) {
    const std::string_view header = archive.substr(at, kBlockBytes);
    if (header.find_first_not_of('\0') == std::string_view::npos) return TarMember{};  // its end
    if (!sums_up(header)) return broken_archive(where, "a header's sum is wrong", at);
    const auto written = number_field(header.substr(124, 12));
    const std::uint64_t size = sized ? long_size : written.value_or(~std::uint64_t{0});
    const std::uint64_t begin = at + kBlockBytes;
    if (size > archive.size() - begin)
      return broken_archive(where, "a file in it is said to be longer than what is left", at);
    const char type = header[156];
    const std::uint64_t next = begin + (size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    if (type == 'L' || type == 'x' || type == 'g' || type == 'K') {
      if (size > kLongestHeaderText) return broken_archive(where, "a header is too long", at);
      const std::string_view text = archive.substr(begin, size);
      if (type == 'L') long_name = std::string(text.substr(0, text.find('\0')));
      if (type == 'x') {
        if (auto path = pax_value(text, "path")) long_name = std::move(path);
        if (const auto size_text = pax_value(text, "size")) {
          std::uint64_t value = 0;
          for (const char c : *size_text) {
            if (c < '0' || c > '9' || value > (~std::uint64_t{0} >> 8) / 10)
              return broken_archive(where, "a file's size is no number", at);
            value = value * 10 + static_cast<std::uint64_t>(c - '0');
          }
          long_size = value;
          sized = true;
        }
      }
    } else {
      member.name = std::string(text_field(header, 0, 100));
      const std::string_view prefix = text_field(header, 345, 155);
      if (header.substr(257, 6) == std::string_view("ustar\0", 6) && !prefix.empty())
        member.name = std::string(prefix) + "/" + member.name;
      if (long_name) member.name = std::move(*long_name);
      while (member.name.starts_with("./")) member.name.erase(0, 2);
      if (leads_out(member.name))
        return input_error("The archive holds a name that leads out of it: \"" +
                               shortened(member.name, 120) + "\".",
                           where,
                           "Such an archive was made to do harm, or by mistake; it is not read.");
      if ((type == '0' || type == '\0') && !member.name.empty() && !member.name.ends_with('/')) {
        member.begin = begin;
        member.end = begin + size;
        member.next = next;
        return member;
      }
      long_name.reset();
      sized = false;
      member.header = next;
    }
    at = next;
  }
  const std::string_view rest = archive.substr(std::min<std::uint64_t>(at, archive.size()));
  if (rest.find_first_not_of('\0') != std::string_view::npos)
    return broken_archive(where, "it ends within a header", at);
  return TarMember{};
}

SampleName sample_name(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return {name, {}};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

Result<std::vector<TarSample>> index_tar(std::string_view archive, const std::string& where,
                                         const Passed& passed) {
  std::vector<TarSample> samples;
  std::string key;
  std::uint64_t at = 0;
  while (true) {
    LUTHIER_TRY(const TarMember member, next_member(archive, at, where));
    if (member.name.empty()) return samples;
    at = member.next;
    if (passed) passed(member.begin);
    const SampleName name = sample_name(member.name);
    if (name.ending.empty()) continue;  // a hidden file, or one that is of no sample
    if (samples.empty() || name.key != key) {
      key = std::string(name.key);
      samples.push_back({member.header, member.end});
    }
    samples.back().end = member.end;
  }
}

}  // namespace luthier::detail
