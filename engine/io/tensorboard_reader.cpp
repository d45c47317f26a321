// SPDX-License-Identifier: GPL-3.0-or-later
// Protocol buffers by hand, as the writer has them (tensorboard.cpp): of a message only the fields
// that a scalar lies in are looked at.
#include "engine/io/tensorboard_reader.h"

#include <bit>
#include <cstring>
#include <optional>

#include "engine/io/crc32c.h"

namespace luthier {

namespace {

constexpr std::size_t kMostTags = 10'000, kMostTagBytes = 1000;

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

/// One field of a message: what its wire type holds.
struct WireField {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  ///< varint, eight or four bytes
  std::string_view bytes;   ///< length-delimited
  int wire = 0;
};

class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  /// The next field; nothing at the end, or where what follows is no field.
  std::optional<WireField> next() {
    const auto key = varint();
    if (!key) return {};
    WireField field;
    field.number = *key >> 3;
    field.wire = static_cast<int>(*key & 7);
    switch (field.wire) {
      case 0: {
        const auto value = varint();
        if (!value) return {};
        field.value = *value;
        return field;
      }
      case 1:
      case 5: {
        const auto taken = take(field.wire == 1 ? 8 : 4);
        if (!taken) return {};
        field.value = little_endian(*taken);
        return field;
      }
      case 2: {
        const auto length = varint();
        const auto taken = length ? take(*length) : std::nullopt;
        if (!taken) return {};
        field.bytes = *taken;
        return field;
      }
      default: return {};
    }
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(rest_[i]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
      if (byte & 0x80) continue;
      rest_.remove_prefix(i + 1);
      return value;
    }
    return {};
  }

 private:
  std::optional<std::string_view> take(std::uint64_t count) {
    if (count > rest_.size()) return {};
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(static_cast<std::size_t>(count));
    return taken;
  }

  std::string_view rest_;
};

double as_float(std::uint64_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}

/// TensorProto: dtype (1), tensor_content (4), float_val (5), double_val (6), int_val (7),
/// int64_val (10); one number of it.
std::optional<double> scalar_of(std::string_view tensor) {
  std::uint64_t type = 0;
  std::string_view content;
  std::optional<double> found;
  Message message(tensor);
  while (const auto field = message.next()) {
    if (field->number == 1 && field->wire == 0) type = field->value;
    if (field->number == 4 && field->wire == 2) content = field->bytes;
    if (field->number == 5 && field->wire == 5) found = as_float(field->value);
    if (field->number == 5 && field->wire == 2 && field->bytes.size() == 4)
      found = as_float(little_endian(field->bytes));
    if (field->number == 6 && field->wire == 1) found = std::bit_cast<double>(field->value);
    if (field->number == 6 && field->wire == 2 && field->bytes.size() == 8)
      found = std::bit_cast<double>(little_endian(field->bytes));
    if (field->number == 7 || field->number == 10) {
      std::optional<std::uint64_t> value;
      if (field->wire == 0) value = field->value;
      if (field->wire == 2) value = Message(field->bytes).varint();
      if (value) found = static_cast<double>(static_cast<std::int64_t>(*value));
    }
  }
  if (found) return found;
  constexpr std::uint64_t kFloat = 1, kDouble = 2, kInt32 = 3, kInt64 = 9;
  if (type == kFloat && content.size() == 4) return as_float(little_endian(content));
  if (type == kDouble && content.size() == 8) return std::bit_cast<double>(little_endian(content));
  if (type == kInt32 && content.size() == 4)
    return static_cast<std::int32_t>(little_endian(content));
  if (type == kInt64 && content.size() == 8)
    return static_cast<double>(static_cast<std::int64_t>(little_endian(content)));
  return {};
}

using Scalars = std::map<std::string, std::vector<ScalarPoint>>;

/// Summary.Value: tag (1), simple_value (2), tensor (8).
void take_value(std::string_view bytes, ScalarPoint point, Scalars& scalars) {
  std::string_view tag;
  std::optional<double> value;
  Message message(bytes);
  while (const auto field = message.next()) {
    if (field->number == 1 && field->wire == 2) tag = field->bytes;
    if (field->number == 2 && field->wire == 5) value = as_float(field->value);
    if (field->number == 8 && field->wire == 2) value = scalar_of(field->bytes);
  }
  if (!value || tag.empty() || tag.size() > kMostTagBytes) return;
  const std::string name(tag);
  if (scalars.size() >= kMostTags && !scalars.contains(name)) return;
  point.value = *value;
  scalars[name].push_back(point);
}

/// Event: wall_time (1), step (2), summary (5).
void take_event(std::string_view bytes, Scalars& scalars) {
  ScalarPoint point;
  std::vector<std::string_view> summaries;
  Message message(bytes);
  while (const auto field = message.next()) {
    if (field->number == 1 && field->wire == 1)
      point.wall_time = std::bit_cast<double>(field->value);
    if (field->number == 2 && field->wire == 0)
      point.step = static_cast<std::int64_t>(field->value);
    if (field->number == 5 && field->wire == 2) summaries.push_back(field->bytes);
  }
  for (const std::string_view summary : summaries) {
    Message values(summary);
    while (const auto field = values.next())
      if (field->number == 1 && field->wire == 2) take_value(field->bytes, point, scalars);
  }
}

}  // namespace

Result<Scalars> read_tensorboard(std::string_view bytes, const std::string& where) {
  constexpr std::size_t kFrame = 16;  // length, its checksum, and the data's
  Scalars scalars;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string_view rest = bytes.substr(at);
    if (rest.size() < kFrame) break;
    const std::uint64_t length = little_endian(rest.substr(0, 8));
    const bool framed = little_endian(rest.substr(8, 4)) == masked_crc32c(rest.substr(0, 8));
    if (!framed && at == 0)
      return input_error("This is no event file of TensorBoard.", where,
                         "Choose a file whose name begins with events.out.tfevents.");
    if (!framed || length > rest.size() - kFrame) break;
    const std::string_view event = rest.substr(12, static_cast<std::size_t>(length));
    const auto sum = little_endian(rest.substr(12 + static_cast<std::size_t>(length), 4));
    if (sum != masked_crc32c(event)) break;
    take_event(event, scalars);
    at += kFrame + static_cast<std::size_t>(length);
  }
  return scalars;
}

}  // namespace luthier
