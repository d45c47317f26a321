// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/arrow/json_values.h"

#include <charconv>
#include <cmath>

namespace luthier::arrow_module {

namespace {

constexpr int kDeepestValue = 32;

void append_base64(std::string& json, std::string_view bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  json.reserve(json.size() + bytes.size() / 3 * 4 + 6);
  json += '"';
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      json += i <= left ? kLetters[bits >> (18 - 6 * i) & 63u] : '=';
  }
  json += '"';
}

void append_number(std::string& json, double value) {
  if (!std::isfinite(value)) {
    json += "null";
    return;
  }
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  json.append(text, end.ptr);
}

template <class Integer>
void append_whole(std::string& json, Integer value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value);
  json.append(text, end.ptr);
}

arrow::Status append_value(std::string& json, const arrow::Array& array, std::int64_t at,
                           int depth);

arrow::Status append_items(std::string& json, const arrow::Array& values, std::int64_t begin,
                           std::int64_t end, int depth) {
  json += '[';
  for (std::int64_t i = begin; i < end; ++i) {
    if (i > begin) json += ',';
    ARROW_RETURN_NOT_OK(append_value(json, values, i, depth + 1));
  }
  json += ']';
  return arrow::Status::OK();
}

template <class ListArray>
arrow::Status append_list(std::string& json, const arrow::Array& array, std::int64_t at,
                          int depth) {
  const auto& list = static_cast<const ListArray&>(array);
  return append_items(json, *list.values(), list.value_offset(at),
                      list.value_offset(at) + list.value_length(at), depth);
}

arrow::Status append_map(std::string& json, const arrow::MapArray& map, std::int64_t at,
                         int depth) {
  json += '{';
  const std::int64_t begin = map.value_offset(at), end = begin + map.value_length(at);
  for (std::int64_t i = begin; i < end; ++i) {
    if (i > begin) json += ',';
    ARROW_ASSIGN_OR_RAISE(const auto key, map.keys()->GetScalar(i));
    append_text(json, key->ToString());
    json += ':';
    ARROW_RETURN_NOT_OK(append_value(json, *map.items(), i, depth + 1));
  }
  json += '}';
  return arrow::Status::OK();
}

arrow::Status append_struct(std::string& json, const arrow::StructArray& object, std::int64_t at,
                            int depth) {
  json += '{';
  for (int i = 0; i < object.num_fields(); ++i) {
    if (i > 0) json += ',';
    append_text(json, object.type()->field(i)->name());
    json += ':';
    ARROW_RETURN_NOT_OK(append_value(json, *object.field(i), at, depth + 1));
  }
  json += '}';
  return arrow::Status::OK();
}

template <class Array>
void append_integer(std::string& json, const arrow::Array& array, std::int64_t at) {
  append_whole(json, static_cast<const Array&>(array).Value(at));
}

template <class Array>
std::string_view view_of(const arrow::Array& array, std::int64_t at) {
  return static_cast<const Array&>(array).GetView(at);
}

arrow::Status append_value(std::string& json, const arrow::Array& array, std::int64_t at,
                           int depth) {
  using Type = arrow::Type;
  if (depth > kDeepestValue) return arrow::Status::Invalid("its values are nested too deeply");
  if (array.IsNull(at)) {
    json += "null";
    return arrow::Status::OK();
  }
  switch (array.type_id()) {
    case Type::NA: json += "null"; break;
    case Type::BOOL:
      json += static_cast<const arrow::BooleanArray&>(array).Value(at) ? "true" : "false";
      break;
    case Type::INT8: append_integer<arrow::Int8Array>(json, array, at); break;
    case Type::INT16: append_integer<arrow::Int16Array>(json, array, at); break;
    case Type::INT32: append_integer<arrow::Int32Array>(json, array, at); break;
    case Type::INT64: append_integer<arrow::Int64Array>(json, array, at); break;
    case Type::UINT8: append_integer<arrow::UInt8Array>(json, array, at); break;
    case Type::UINT16: append_integer<arrow::UInt16Array>(json, array, at); break;
    case Type::UINT32: append_integer<arrow::UInt32Array>(json, array, at); break;
    case Type::UINT64: append_integer<arrow::UInt64Array>(json, array, at); break;
    case Type::FLOAT:
      append_number(json,
                    static_cast<double>(static_cast<const arrow::FloatArray&>(array).Value(at)));
      break;
    case Type::DOUBLE:
      append_number(json, static_cast<const arrow::DoubleArray&>(array).Value(at));
      break;
    case Type::STRING: append_text(json, view_of<arrow::StringArray>(array, at)); break;
    case Type::LARGE_STRING: append_text(json, view_of<arrow::LargeStringArray>(array, at)); break;
    case Type::STRING_VIEW: append_text(json, view_of<arrow::StringViewArray>(array, at)); break;
    case Type::BINARY: append_base64(json, view_of<arrow::BinaryArray>(array, at)); break;
    case Type::LARGE_BINARY:
      append_base64(json, view_of<arrow::LargeBinaryArray>(array, at));
      break;
    case Type::BINARY_VIEW: append_base64(json, view_of<arrow::BinaryViewArray>(array, at)); break;
    case Type::FIXED_SIZE_BINARY:
      append_base64(json, view_of<arrow::FixedSizeBinaryArray>(array, at));
      break;
    case Type::LIST: return append_list<arrow::ListArray>(json, array, at, depth);
    case Type::LARGE_LIST: return append_list<arrow::LargeListArray>(json, array, at, depth);
    case Type::FIXED_SIZE_LIST:
      return append_list<arrow::FixedSizeListArray>(json, array, at, depth);
    case Type::MAP: return append_map(json, static_cast<const arrow::MapArray&>(array), at, depth);
    case Type::STRUCT:
      return append_struct(json, static_cast<const arrow::StructArray&>(array), at, depth);
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return append_value(json, *dictionary.dictionary(), dictionary.GetValueIndex(at), depth + 1);
    }
    case Type::EXTENSION:
      return append_value(json, *static_cast<const arrow::ExtensionArray&>(array).storage(), at,
                          depth + 1);
    default: {  // times, dates, decimals
      ARROW_ASSIGN_OR_RAISE(const auto scalar, array.GetScalar(at));
      append_text(json, scalar->ToString());
    }
  }
  return arrow::Status::OK();
}

}  // namespace

void append_text(std::string& json, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  json += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (c == '\n') {
      json += "\\n";
    } else if (byte < 0x20) {
      json += "\\u00";
      json += kDigits[byte >> 4];
      json += kDigits[byte & 15];
    } else {
      json += c;
    }
  }
  json += '"';
}

arrow::Status append_row(std::string& json, const arrow::RecordBatch& batch, std::int64_t row) {
  json += '{';
  for (int i = 0; i < batch.num_columns(); ++i) {
    if (i > 0) json += ',';
    append_text(json, batch.column_name(i));
    json += ':';
    ARROW_RETURN_NOT_OK(append_value(json, *batch.column(i), row, 0));
  }
  json += '}';
  return arrow::Status::OK();
}

}  // namespace luthier::arrow_module
