// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/gguf.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "engine/base/utf8.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace {

constexpr std::uint32_t kGgufVersion = 3;
constexpr std::uint64_t kGgufAlignment = 32;
constexpr std::size_t kLongestTensorName = 63;
constexpr std::size_t kQ8BlockBytes = 2 + kQ8Block;

/// The format's codes of a field's type.
enum : std::uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

class GgufBytes {
 public:
  template <class Number>
  void number(Number value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.append(raw, sizeof value);
  }
  void text(const std::string& value) {
    number<std::uint64_t>(value.size());
    bytes += value;
  }
  void align() {
    bytes.append((kGgufAlignment - bytes.size() % kGgufAlignment) % kGgufAlignment, '\0');
  }

  void value(std::uint32_t v) { number(kU32), number(v); }
  void value(std::int32_t v) { number(kI32), number(v); }
  void value(float v) { number(kF32), number(v); }
  void value(bool v) { number(kBool), number<std::uint8_t>(v); }
  void value(const std::string& v) { number(kString), text(v); }
  void value(const std::vector<std::int32_t>& list) {
    begin_array(kI32, list.size());
    for (const std::int32_t each : list) number(each);
  }
  void value(const std::vector<float>& list) {
    begin_array(kF32, list.size());
    for (const float each : list) number(each);
  }
  void value(const std::vector<bool>& list) {
    begin_array(kBool, list.size());
    for (const bool each : list) number<std::uint8_t>(each);
  }
  void value(const std::vector<std::string>& list) {
    begin_array(kString, list.size());
    for (const std::string& each : list) text(each);
  }

  std::string bytes;

 private:
  void begin_array(std::uint32_t type, std::uint64_t count) {
    number(kArray), number(type), number(count);
  }
};

std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment;
}

}  // namespace

Result<std::uint64_t> gguf_bytes(const GgufOutline& outline) {
  std::uint64_t numbers = 1;
  for (const std::int64_t size : outline.shape) {
    if (size < 0 || __builtin_mul_overflow(numbers, static_cast<std::uint64_t>(size), &numbers))
      return machine_error("The shape of the tensor to write is broken.", outline.name);
  }
  std::uint64_t bytes = 0;
  bool over = false;
  if (outline.type == GgufType::Q8_0) {
    if (outline.shape.empty() || outline.shape.back() % kQ8Block != 0)
      return machine_error("Rows of this tensor do not divide into blocks.", outline.name);
    over = __builtin_mul_overflow(numbers / kQ8Block, kQ8BlockBytes, &bytes);
  } else {
    over = __builtin_mul_overflow(numbers, outline.type == GgufType::F32 ? 4u : 2u, &bytes);
  }
  if (over) return machine_error("The shape of the tensor to write is broken.", outline.name);
  return bytes;
}

Status write_gguf(const std::filesystem::path& path, const GgufFields& fields,
                  const std::vector<GgufOutline>& outlines, const GiveBytes& give) {
  GgufBytes head;
  head.bytes = "GGUF";
  head.number(kGgufVersion);
  head.number<std::uint64_t>(outlines.size());
  head.number<std::uint64_t>(fields.size());
  std::unordered_set<std::string_view> keys, names;
  for (const GgufField& field : fields) {
    if (field.key.empty() || !is_utf8(field.key) || !keys.insert(field.key).second)
      return machine_error("A field's name is broken or stands twice.",
                           path.string() + ": " + field.key);
    head.text(field.key);
    std::visit([&](const auto& value) { head.value(value); }, field.value);
  }
  std::uint64_t place = 0;
  std::vector<std::uint64_t> sizes(outlines.size());
  for (std::size_t i = 0; i < outlines.size(); ++i) {
    const GgufOutline& tensor = outlines[i];
    const bool named = !tensor.name.empty() && tensor.name.size() <= kLongestTensorName;
    if (!named || tensor.shape.size() > 4 || !names.insert(tensor.name).second)
      return machine_error("The name of the tensor to write is broken or stands twice.",
                           path.string() + ": " + tensor.name);
    LUTHIER_TRY(sizes[i], gguf_bytes(tensor));
    head.text(tensor.name);
    head.number(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)
      head.number(static_cast<std::uint64_t>(*size));
    head.number(static_cast<std::uint32_t>(tensor.type));
    head.number(place);
    place += padded(sizes[i]);
  }
  head.align();

  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", path, errno);
  LUTHIER_CHECK(write_all(file, head.bytes, path));
  for (std::size_t i = 0; i < outlines.size(); ++i) {
    std::uint64_t given = 0;
    const TakeBytes take = [&](std::span<const std::byte> bytes) -> Status {
      given += bytes.size();
      if (given > sizes[i])
        return machine_error("The tensor to write has too many bytes.", outlines[i].name);
      return write_all(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
    };
    LUTHIER_CHECK(give(i, take));
    if (given != sizes[i])
      return machine_error("The tensor to write has too few bytes.", outlines[i].name);
    LUTHIER_CHECK(write_all(file, std::string(padded(given) - given, '\0'), path));
  }
  if (!file.close()) return system_error("Writing failed", path, errno);
  return {};
}

std::uint16_t half_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);  // NaN
  // 65520 and above are nearer to the float16 behind the largest one.
  if (magnitude >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);
  std::uint32_t kept = 0, rest = 0, half = 0;
  if (magnitude >= 0x38800000u) {
    const std::uint32_t moved = magnitude - 0x38000000u;  // the exponent's other bias
    kept = moved >> 13, rest = moved & 0x1FFFu, half = 0x1000u;
  } else if (magnitude >= 0x33000000u) {  // below that all is nearer to 0
    const std::uint32_t shift = 126 - (magnitude >> 23);
    const std::uint32_t digits = (magnitude & 0x7FFFFFu) | 0x800000u;
    kept = digits >> shift, rest = digits & ((1u << shift) - 1), half = 1u << (shift - 1);
  }
  if (rest > half || (rest == half && half != 0 && (kept & 1))) ++kept;
  return static_cast<std::uint16_t>(sign | kept);
}

float half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int digits = bits & 0x3FF;
  float magnitude = 0;
  if (exponent == 0x1F)
    magnitude = digits ? std::nanf("") : HUGE_VALF;
  else
    magnitude = exponent ? std::ldexp(static_cast<float>(digits + 1024), exponent - 25)
                         : std::ldexp(static_cast<float>(digits), -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

void encode_q8_0(std::span<const float> numbers, std::span<std::byte> blocks) {
  for (std::size_t at = 0; at + kQ8Block <= numbers.size(); at += kQ8Block) {
    const std::span<const float> block = numbers.subspan(at, kQ8Block);
    float largest = 0;
    for (const float number : block) largest = std::max(largest, std::fabs(number));
    const float scale = largest / 127;
    const float inverse = scale != 0 ? 1 / scale : 0;
    std::byte* out = blocks.data() + at / kQ8Block * kQ8BlockBytes;
    const std::uint16_t stored = half_bits(scale);
    std::memcpy(out, &stored, sizeof stored);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const float rounded = std::round(block[i] * inverse);
      const auto whole = static_cast<std::int8_t>(std::clamp(rounded, -127.0F, 127.0F));
      std::memcpy(out + 2 + i, &whole, 1);
    }
  }
}

}  // namespace luthier
