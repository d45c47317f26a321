// SPDX-License-Identifier: GPL-3.0-or-later
// The limits live in a SAX handler that builds the document itself: nlohmann's own builder accepts
// duplicate keys, and inserting into its ordered objects takes time linear in their size, which a
// hostile file turns into hours.
#include "engine/io/json.h"

#include <cmath>
#include <unordered_set>
#include <vector>

#include "engine/base/utf8.h"
#include "engine/io/file_kind.h"
#include "engine/io/files.h"

namespace luthier {

namespace {

std::string place(std::string_view text, std::size_t position) {
  if (position > text.size()) position = text.size();
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i + 1 < position; ++i) {
    ++column;
    if (text[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// One open container. `keys` is filled only once an object of ordered keys has grown.
template <class Document>
struct Frame {
  Document value;
  std::string key;
  std::unordered_set<std::string> keys;
};

template <class Document>
class Builder {
 public:
  using number_integer_t = typename Document::number_integer_t;
  using number_unsigned_t = typename Document::number_unsigned_t;
  using number_float_t = typename Document::number_float_t;
  using string_t = typename Document::string_t;
  using binary_t = typename Document::binary_t;

  Builder(std::string_view text, const std::string& where, const JsonLimits& limits)
      : text_(text), where_(where), limits_(limits) {}

  bool null() { return add(Document(nullptr)); }
  bool boolean(bool value) { return add(Document(value)); }
  bool number_integer(number_integer_t value) { return add(Document(value)); }
  bool number_unsigned(number_unsigned_t value) { return add(Document(value)); }
  bool number_float(number_float_t value, const string_t&) { return add(Document(value)); }
  bool string(string_t& value) { return add(Document(std::move(value))); }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(Document::object()); }
  bool start_array(std::size_t) { return open(Document::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    Frame<Document>& frame = stack_.back();
    if (already_has(frame, name)) {
      error_ = input_error("The key \"" + shortened(name, 80) + "\" stands twice in one object.",
                           where_, "Keep one of them.");
      return false;
    }
    frame.key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& problem) {
    if (problem.id == 406) {
      error_ = input_error("A number is too large at " + place(text_, position) + ".", where_);
    } else if (position > text_.size()) {
      error_ = input_error("The JSON ends too early.", where_,
                           "The file may have been cut off; copy or download it again.");
    } else {
      error_ = input_error("This is not valid JSON at " + place(text_, position) + ".", where_);
    }
    return false;
  }

  Result<Document> finish() {
    if (error_) return *error_;
    return std::move(root_);
  }

 private:
  static bool already_has(Frame<Document>& frame, const std::string& name) {
    constexpr std::size_t kFew = 16;
    if constexpr (std::is_same_v<Document, SortedJson>) {
      return frame.value.contains(name);
    } else {
      const auto& entries = frame.value.template get_ref<const typename Document::object_t&>();
      if (entries.size() < kFew) {
        for (const auto& entry : entries) {
          if (entry.first == name) return true;
        }
        return false;
      }
      if (frame.keys.empty()) {
        for (const auto& entry : entries) frame.keys.insert(entry.first);
      }
      return !frame.keys.insert(name).second;
    }
  }

  bool open(Document container) {
    if (stack_.size() >= limits_.max_depth) {
      error_ = input_error(
          "Lists and objects are nested more than " + std::to_string(limits_.max_depth) + " deep.",
          where_);
      return false;
    }
    stack_.push_back({std::move(container), {}, {}});
    return true;
  }

  bool close() {
    Document done = std::move(stack_.back().value);
    stack_.pop_back();
    return add(std::move(done));
  }

  bool add(Document value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame<Document>& frame = stack_.back();
    if (frame.value.is_array()) {
      frame.value.push_back(std::move(value));
    } else {
      auto& entries = frame.value.template get_ref<typename Document::object_t&>();
      if constexpr (std::is_same_v<Document, SortedJson>) {
        entries.emplace(std::move(frame.key), std::move(value));
      } else {
        entries.emplace_back(std::move(frame.key), std::move(value));
      }
    }
    return true;
  }

  std::string_view text_;
  const std::string& where_;
  const JsonLimits& limits_;
  std::vector<Frame<Document>> stack_;
  Document root_;
  std::optional<Error> error_;
};

template <class Document>
Result<Document> parse(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return input_error("The JSON has " + std::to_string(text.size()) + " bytes; at most " +
                           std::to_string(limits.max_bytes) + " are read.",
                       where);
  }
  // The parser takes a zero byte for the end of its input.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return input_error(
        "This is not valid JSON at " + place(text, zero + 1) + ": there is a zero byte.", where);
  }
  Builder<Document> builder(text, where, limits);
  Document::sax_parse(text.begin(), text.end(), &builder);
  return builder.finish();
}

const char* kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "a text";
    case Json::value_t::boolean: return "true or false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: return "a whole number";
    case Json::value_t::number_float: return "a number";
    default: return "something else";
  }
}

std::string field(const std::string& where, const std::string& key) {
  return where.empty() ? key : where + ": " + key;
}

/// The value, nullptr when absent or null, or an error when `object` is no object.
Result<const Json*> look_up(const Json& object, const std::string& key, const std::string& where) {
  if (!object.is_object())
    return input_error(
        std::string("An object with \"") + key + "\" is needed here, not " + kind_of(object) + ".",
        where);
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return static_cast<const Json*>(nullptr);
  return &*found;
}

Error missing(const std::string& key, const std::string& where) {
  return input_error("This field is missing.", field(where, key));
}

Error wrong_type(const char* wanted, const Json& found, const std::string& key,
                 const std::string& where) {
  return input_error(std::string("This must be ") + wanted + ", not " + kind_of(found) + ".",
                     field(where, key));
}

Result<std::int64_t> as_int(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_number_unsigned()) {
    if (value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
      return input_error("This number is too large.", field(where, key));
    return value.get<std::int64_t>();
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (number == std::floor(number) && std::fabs(number) <= 9007199254740992.0)
      return static_cast<std::int64_t>(number);
    return input_error("This must be a whole number, not " + value.dump() + ".", field(where, key));
  }
  return wrong_type("a whole number", value, key, where);
}

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  return parse<Json>(text, where, limits);
}

Result<SortedJson> parse_sorted_json(std::string_view text, const std::string& where,
                                     const JsonLimits& limits) {
  return parse<SortedJson>(text, where, limits);
}

Result<Json> read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  LUTHIER_TRY(const std::string text, read_file(path, limits.max_bytes));
  auto document = parse_json(text, path.string(), limits);
  if (!document)
    if (const auto fault = text_fault(text, "JSON", path.string())) return *fault;
  return document;
}

Result<std::int64_t> json_int(const Json& object, const std::string& key,
                              const std::string& where) {
  LUTHIER_TRY(const Json* value, look_up(object, key, where));
  if (!value) return missing(key, where);
  return as_int(*value, key, where);
}

Result<std::int64_t> json_int(const Json& object, const std::string& key, const std::string& where,
                              std::int64_t fallback) {
  LUTHIER_TRY(const Json* value, look_up(object, key, where));
  if (!value) return fallback;
  return as_int(*value, key, where);
}

Result<double> json_number(const Json& object, const std::string& key, const std::string& where,
                           double fallback) {
  LUTHIER_TRY(const Json* value, look_up(object, key, where));
  if (!value) return fallback;
  if (!value->is_number()) return wrong_type("a number", *value, key, where);
  return value->get<double>();
}

Result<bool> json_bool(const Json& object, const std::string& key, const std::string& where,
                       bool fallback) {
  LUTHIER_TRY(const Json* value, look_up(object, key, where));
  if (!value) return fallback;
  if (!value->is_boolean()) return wrong_type("true or false", *value, key, where);
  return value->get<bool>();
}

Result<std::string> json_string(const Json& object, const std::string& key,
                                const std::string& where) {
  LUTHIER_TRY(const Json* value, look_up(object, key, where));
  if (!value) return missing(key, where);
  if (!value->is_string()) return wrong_type("a text", *value, key, where);
  return value->get<std::string>();
}

Result<std::string> json_string(const Json& object, const std::string& key,
                                const std::string& where, const std::string& fallback) {
  LUTHIER_TRY(const Json* value, look_up(object, key, where));
  if (!value) return fallback;
  if (!value->is_string()) return wrong_type("a text", *value, key, where);
  return value->get<std::string>();
}

}  // namespace luthier
