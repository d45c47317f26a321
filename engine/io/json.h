// SPDX-License-Identifier: GPL-3.0-or-later
// JSON in: nlohmann's parser behind limits and sentences. `Json` keeps the order of keys (what we
// write back and what chat templates iterate over); `SortedJson` finds keys fast and is for files
// with very many of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/base/result.h"

namespace luthier {

using Json = nlohmann::ordered_json;
using SortedJson = nlohmann::json;

struct JsonLimits {
  std::size_t max_depth = 64;
  std::size_t max_bytes = 256u << 20;
};

/// Parses one JSON document. Refuses invalid UTF-8, duplicate keys, deeper nesting than the limit.
/// `where` names the file.
Result<Json> parse_json(std::string_view text, const std::string& where,
                        const JsonLimits& limits = {});
Result<SortedJson> parse_sorted_json(std::string_view text, const std::string& where,
                                     const JsonLimits& limits = {});

/// Reads and parses a whole file; a missing or unreadable one is an Input error that names it.
Result<Json> read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

/// One field of an object with its type checked; `fallback` overloads return it when the key is
/// absent or null. Errors name `where: key` and what was found instead.
Result<std::int64_t> json_int(const Json& object, const std::string& key, const std::string& where);
Result<std::int64_t> json_int(const Json& object, const std::string& key, const std::string& where,
                              std::int64_t fallback);
Result<double> json_number(const Json& object, const std::string& key, const std::string& where,
                           double fallback);
Result<bool> json_bool(const Json& object, const std::string& key, const std::string& where,
                       bool fallback);
Result<std::string> json_string(const Json& object, const std::string& key,
                                const std::string& where);
Result<std::string> json_string(const Json& object, const std::string& key,
                                const std::string& where, const std::string& fallback);

}  // namespace luthier
