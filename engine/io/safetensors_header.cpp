// SPDX-License-Identifier: GPL-3.0-or-later
// The header of a safetensors file, read event by event into a map of tensors: no document is
// built, so memory stays within a small multiple of the header whatever it holds. Every refusal
// names the tensor.
#include <algorithm>
#include <array>

#include "engine/base/utf8.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace luthier {

namespace {

struct DTypeRow {
  DType dtype;
  const char* name;
  std::size_t size;
};

constexpr std::array<DTypeRow, 15> kDTypes{{{DType::BOOL, "BOOL", 1},
                                            {DType::U8, "U8", 1},
                                            {DType::I8, "I8", 1},
                                            {DType::I16, "I16", 2},
                                            {DType::U16, "U16", 2},
                                            {DType::F16, "F16", 2},
                                            {DType::BF16, "BF16", 2},
                                            {DType::I32, "I32", 4},
                                            {DType::U32, "U32", 4},
                                            {DType::F32, "F32", 4},
                                            {DType::F64, "F64", 8},
                                            {DType::I64, "I64", 8},
                                            {DType::U64, "U64", 8},
                                            {DType::F8_E4M3, "F8_E4M3", 1},
                                            {DType::F8_E5M2, "F8_E5M2", 1}}};

constexpr std::size_t kMaxRank = 64;

/// A name as a message shows it: not megabytes of it.
std::string shown(const std::string& name) { return shortened(name, 200); }

/// What a tensor's entry said, and which of its fields were there.
struct Entry {
  TensorInfo info;
  bool has_dtype = false, has_shape = false;
  std::size_t offsets = 0;
  bool has_offsets = false;
};

/// The grammar of a header: {"__metadata__": {text: text}, name: {"dtype": text, "shape": [n...],
/// "data_offsets": [a, b]}, ...}.
class HeaderReader {
 public:
  using number_integer_t = SortedJson::number_integer_t;
  using number_unsigned_t = SortedJson::number_unsigned_t;
  using number_float_t = SortedJson::number_float_t;
  using string_t = SortedJson::string_t;
  using binary_t = SortedJson::binary_t;

  explicit HeaderReader(const std::string& where) : where_(where) {}

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("true or false"); }
  bool number_integer(number_integer_t) { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) {
    return unexpected("a fraction or a number that is too large");
  }
  bool binary(binary_t&) { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) {
    if (state_ == State::Shape) {
      if (value > static_cast<std::uint64_t>(INT64_MAX))
        return fail("A dimension of the shape is too large.");
      if (entry_.info.shape.size() == kMaxRank)
        return fail("The shape has more than " + std::to_string(kMaxRank) + " dimensions.");
      entry_.info.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (state_ == State::Offsets) {
      if (entry_.offsets == 2) return fail("data_offsets must hold two numbers.");
      (entry_.offsets++ == 0 ? entry_.info.begin : entry_.info.end) = value;
      return true;
    }
    return unexpected("a number");
  }

  bool string(string_t& value) {
    if (state_ == State::Metadata) {
      if (!metadata_.emplace(std::move(key_), std::move(value)).second)
        return fail("A key of the metadata stands twice.");
      return true;
    }
    if (state_ == State::DTypeValue) {
      const auto row = std::find_if(kDTypes.begin(), kDTypes.end(),
                                    [&](const DTypeRow& each) { return value == each.name; });
      if (row == kDTypes.end())
        return fail("The dtype \"" + shown(value) + "\" is not one that Luthier reads.");
      entry_.info.dtype = row->dtype;
      state_ = State::Tensor;
      return true;
    }
    return unexpected("a text");
  }

  bool start_object(std::size_t) {
    switch (state_) {
      case State::Start: state_ = State::Top; return true;
      case State::MetadataValue: state_ = State::Metadata; return true;
      case State::TensorValue: state_ = State::Tensor; return true;
      default: return unexpected("an object");
    }
  }

  bool end_object() {
    if (state_ == State::Metadata) {
      state_ = State::Top;
      return true;
    }
    if (state_ == State::Tensor) {
      if (!entry_.has_dtype) return fail("The field dtype is missing.");
      if (!entry_.has_shape) return fail("The field shape is missing.");
      if (!entry_.has_offsets) return fail("The field data_offsets is missing.");
      if (!tensors_.emplace(std::move(tensor_), std::move(entry_.info)).second)
        return fail("This tensor's name stands twice.");
      state_ = State::Top;
      return true;
    }
    state_ = State::End;
    return true;
  }

  bool start_array(std::size_t) {
    if (state_ == State::ShapeValue) {
      state_ = State::Shape;
      return true;
    }
    if (state_ == State::OffsetsValue) {
      state_ = State::Offsets;
      return true;
    }
    return unexpected("a list");
  }

  bool end_array() {
    if (state_ == State::Offsets && entry_.offsets != 2)
      return fail("data_offsets must hold two numbers.");
    state_ = State::Tensor;
    return true;
  }

  bool key(string_t& name) {
    if (state_ == State::Metadata) {
      key_ = std::move(name);
      return true;
    }
    if (state_ == State::Top) {
      if (name == "__metadata__") {
        tensor_ = name;
        if (has_metadata_) return fail("The metadata stands twice.");
        has_metadata_ = true;
        state_ = State::MetadataValue;
        return true;
      }
      tensor_ = std::move(name);
      if (tensors_.count(tensor_)) return fail("This tensor's name stands twice.");
      entry_ = {};
      state_ = State::TensorValue;
      return true;
    }
    if (name == "dtype") return field(entry_.has_dtype, State::DTypeValue, name);
    if (name == "shape") return field(entry_.has_shape, State::ShapeValue, name);
    if (name == "data_offsets") return field(entry_.has_offsets, State::OffsetsValue, name);
    return fail("The field \"" + shown(name) + "\" is not one of dtype, shape and data_offsets.");
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    error_ = input_error(
        "The safetensors header is not valid JSON at byte " + std::to_string(position) + ".",
        where_, "The file is damaged; copy or download it again.");
    return false;
  }

  Result<SafetensorsHeader> finish(std::uint64_t data_bytes);

 private:
  enum class State {
    Start,
    Top,
    MetadataValue,
    Metadata,
    TensorValue,
    Tensor,
    DTypeValue,
    ShapeValue,
    Shape,
    OffsetsValue,
    Offsets,
    End
  };

  bool field(bool& seen, State next, const std::string& name) {
    if (seen) return fail("The field " + name + " stands twice.");
    seen = true;
    state_ = next;
    return true;
  }

  Error about(const std::string& tensor, const std::string& sentence) const {
    return input_error(sentence, tensor.empty() ? where_ : where_ + ": " + shown(tensor),
                       "The file is damaged or was made to mislead; get it again.");
  }

  bool fail(const std::string& sentence) {
    error_ = about(tensor_, sentence);
    return false;
  }

  bool unexpected(const char* found) {
    return fail(std::string("The safetensors header has ") + found + " where it may not stand.");
  }

  const std::string& where_;
  State state_ = State::Start;
  bool has_metadata_ = false;
  std::string tensor_, key_;
  Entry entry_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::optional<Error> error_;
};

/// The byte size that dtype and shape ask for, or nullopt when it does not fit 63 bits even with
/// empty dimensions counted as 1 (strides are computed so).
std::optional<std::uint64_t> bytes_of(const TensorInfo& info) {
  std::uint64_t with_ones = dtype_size(info.dtype);
  bool empty = false;
  for (const std::int64_t size : info.shape) {
    if (size == 0) {
      empty = true;
      continue;
    }
    if (__builtin_mul_overflow(with_ones, static_cast<std::uint64_t>(size), &with_ones))
      return std::nullopt;
    if (with_ones > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  }
  return empty ? 0 : with_ones;
}

Result<SafetensorsHeader> HeaderReader::finish(std::uint64_t data_bytes) {
  if (error_) return *error_;
  SafetensorsHeader header;
  header.metadata = std::move(metadata_);
  header.tensors.reserve(tensors_.size());
  while (!tensors_.empty()) {
    auto node = tensors_.extract(tensors_.begin());
    header.tensors.emplace_back(std::move(node.key()), std::move(node.mapped()));
  }
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const auto& left, const auto& right) {
                     return std::pair(left.second.begin, left.second.end) <
                            std::pair(right.second.begin, right.second.end);
                   });
  std::uint64_t expected = 0;
  for (const auto& [name, info] : header.tensors) {
    const std::string offsets =
        "[" + std::to_string(info.begin) + ", " + std::to_string(info.end) + "]";
    if (info.end < info.begin)
      return about(name, "data_offsets " + offsets + " end before they begin.");
    if (info.begin < expected)
      return about(name, "data_offsets " + offsets + " overlap the tensor before, which ends at " +
                             std::to_string(expected) + ".");
    if (info.begin > expected)
      return about(name, "data_offsets " + offsets + " leave a hole after byte " +
                             std::to_string(expected) + ".");
    const std::optional<std::uint64_t> bytes = bytes_of(info);
    if (!bytes) return about(name, "The shape asks for more bytes than a file can hold.");
    if (*bytes != info.end - info.begin) {
      return about(name, "dtype and shape ask for " + std::to_string(*bytes) +
                             " bytes, and data_offsets " + offsets + " hold " +
                             std::to_string(info.end - info.begin) + ".");
    }
    if (info.end > data_bytes) {
      return input_error("The file is cut off: this tensor ends at byte " +
                             std::to_string(info.end) + " of the data, and there are " +
                             std::to_string(data_bytes) + ".",
                         where_ + ": " + shown(name), "Copy or download it again.");
    }
    expected = info.end;
  }
  if (expected != data_bytes) {
    return input_error("The file goes on for " + std::to_string(data_bytes - expected) +
                           " bytes after its last tensor.",
                       where_, "The file is damaged or was made to mislead; get it again.");
  }
  return header;
}

}  // namespace

std::string dtype_name(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].name; }

std::size_t dtype_size(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].size; }

std::int64_t TensorInfo::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size == 0) return 0;
    count *= size;
  }
  return count;
}

Result<SafetensorsHeader> parse_safetensors_header(std::string_view header,
                                                   std::uint64_t data_bytes,
                                                   const std::string& where) {
  if (header.empty() || header.front() != '{')
    return input_error("The safetensors header does not begin with {.", where,
                       "This is not a safetensors file.");
  if (header.find('\0') != std::string_view::npos)
    return input_error("The safetensors header holds a zero byte.", where,
                       "This is not a safetensors file.");
  HeaderReader reader(where);
  SortedJson::sax_parse(header.begin(), header.end(), &reader);
  return reader.finish(data_bytes);
}

}  // namespace luthier
