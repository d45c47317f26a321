// SPDX-License-Identifier: GPL-3.0-or-later
// The two protocol-buffer messages that a scalar needs (Event and Summary) are written by hand:
// four fields do not justify a generator.
#include "engine/io/tensorboard.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <unistd.h>

#include "engine/io/crc32c.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}();

void put_little_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

// Protocol-buffer fields: the key is number << 3 | wire type (0 varint, 1 eight bytes, 2 length and
// bytes, 5 four bytes).
void put_double(std::string& out, int field, double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 1);
  put_little_endian(out, bits, 8);
}

void put_float(std::string& out, int field, float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 5);
  put_little_endian(out, bits, 4);
}

void put_bytes(std::string& out, int field, std::string_view value) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  put_varint(out, value.size());
  out += value;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string record(const std::string& event) {
  std::string out, length;
  put_little_endian(length, event.size(), 8);
  out = length;
  put_little_endian(out, masked_crc32c(length), 4);
  out += event;
  put_little_endian(out, masked_crc32c(event), 4);
  return out;
}

Status write_record(std::FILE* file, const fs::path& path, const std::string& event) {
  const std::string bytes = record(event);
  errno = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
    return system_error("Writing failed", path, errno ? errno : EIO);
  return {};
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t value = 0xFFFFFFFFu;
  for (const char byte : bytes)
    value = kCrcTable[(value ^ static_cast<unsigned char>(byte)) & 0xFF] ^ value >> 8;
  return value ^ 0xFFFFFFFFu;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t value = crc32c(bytes);
  return (value >> 15 | value << 17) + 0xA282EAD8u;
}

Result<TensorboardWriter> TensorboardWriter::create(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) return system_error("This folder cannot be made", folder, problem.value());
  static std::atomic<unsigned> counter{0};
  TensorboardWriter writer;
  writer.path_ =
      folder / ("events.out.tfevents." + std::to_string(static_cast<std::int64_t>(wall_time())) +
                ".luthier." + std::to_string(::getpid()) + "." + std::to_string(counter++));
  writer.file_ = std::fopen(writer.path_.c_str(), "wbxe");
  if (!writer.file_) return system_error("This file cannot be written", writer.path_, errno);
  std::string event;
  put_double(event, 1, wall_time());
  put_bytes(event, 3, "brain.Event:2");
  LUTHIER_CHECK(write_record(writer.file_, writer.path_, event));
  LUTHIER_CHECK(writer.flush());
  return writer;
}

TensorboardWriter::TensorboardWriter(TensorboardWriter&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)), path_(std::move(other.path_)) {}

TensorboardWriter& TensorboardWriter::operator=(TensorboardWriter&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(path_, other.path_);
  return *this;
}

TensorboardWriter::~TensorboardWriter() {
  if (file_) std::fclose(file_);
}

Status TensorboardWriter::add_scalar(const std::string& tag, double value, std::int64_t step) {
  std::string entry, summary, event;
  put_bytes(entry, 1, tag);
  put_float(entry, 2, static_cast<float>(value));
  put_bytes(summary, 1, entry);
  put_double(event, 1, wall_time());
  put_varint(event, 2 << 3 | 0);
  put_varint(event, static_cast<std::uint64_t>(step));
  put_bytes(event, 5, summary);
  return write_record(file_, path_, event);
}

Status TensorboardWriter::flush() {
  errno = 0;
  if (std::fflush(file_) != 0) return system_error("Writing failed", path_, errno ? errno : EIO);
  return {};
}

}  // namespace luthier
