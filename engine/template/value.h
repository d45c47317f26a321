// SPDX-License-Identifier: GPL-3.0-or-later
// The values of chat templates: those of Python that Jinja works with. Containers never change once
// made, so a value can be shared freely; their nesting is bounded, so walking and freeing them
// needs little stack.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier::templates {

class Value;
struct List;
struct Dict;
class Object;

/// A name or attribute that is not there; `name` is for the sentence when it is used after all.
struct Undefined {
  std::shared_ptr<const std::string> name;
};
struct None {};

using StringRef = std::shared_ptr<const std::string>;
using ListRef = std::shared_ptr<const List>;
using DictRef = std::shared_ptr<const Dict>;

/// Containers nest no deeper than this.
inline constexpr std::size_t kMaxNesting = 100;

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(List list);
  Value(Dict dict);
  Value(Object* object) : data_(object) {}
  static Value none() { return Value(None{}); }
  static Value undefined(std::string name);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_integral() const { return is_bool() || is_int(); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_integral() || is_float(); }
  bool is_string() const { return std::holds_alternative<StringRef>(data_); }
  bool is_list() const { return std::holds_alternative<ListRef>(data_); }
  bool is_dict() const { return std::holds_alternative<DictRef>(data_); }
  bool is_object() const { return std::holds_alternative<Object*>(data_); }

  std::int64_t integer() const {
    return is_bool() ? static_cast<std::int64_t>(std::get<bool>(data_))
                     : std::get<std::int64_t>(data_);
  }
  double number() const {
    return is_float() ? std::get<double>(data_) : static_cast<double>(integer());
  }
  bool boolean() const { return std::get<bool>(data_); }
  const std::string& string() const { return *std::get<StringRef>(data_); }
  const List& list() const { return *std::get<ListRef>(data_); }
  const Dict& dict() const { return *std::get<DictRef>(data_); }
  Object* object() const { return std::get<Object*>(data_); }
  std::string undefined_name() const;

  bool truthy() const;
  /// Levels of containers inside.
  std::size_t nesting() const;
  /// What Python calls the type.
  std::string type_name() const;

 private:
  explicit Value(None none) : data_(none) {}
  std::variant<Undefined, None, bool, std::int64_t, double, StringRef, ListRef, DictRef, Object*>
      data_;
};

/// Lists, and what iterates like one. A Generator has no length and is always true.
struct List {
  enum class Kind : std::uint8_t { List, Tuple, View, Generator };
  std::vector<Value> items;
  Kind kind = Kind::List;
  std::size_t nesting = 1;

  void add(Value value) {
    nesting = std::max(nesting, value.nesting() + 1);
    items.push_back(std::move(value));
  }
};

/// Keys in the order they came. Keys are strings, numbers, booleans, None, or tuples of such.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  std::unordered_map<std::string, std::size_t> index;
  std::size_t nesting = 1;

  /// nullptr where the key is not there.
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
  /// False where the key cannot be one.
  bool set(const Value& key, Value value);
};

/// Things with an identity: namespaces, macros, methods. They live as long as the rendering.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;
  virtual bool callable() const { return false; }
};

/// A JSON document as a value; false where it nests too deep.
bool from_json(const Json& json, Value& value, std::size_t depth = 0);

/// Python's shortest representation of a float ("1.0", "1e+16", "inf").
std::string float_text(double value);
/// Python's repr() of a string.
std::string python_quoted(std::string_view text);

}  // namespace luthier::templates
