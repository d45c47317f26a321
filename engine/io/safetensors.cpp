// SPDX-License-Identifier: GPL-3.0-or-later
// One safetensors file: mapped for reading, laid out for writing.
#include "engine/io/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "engine/base/utf8.h"
#include "engine/io/json.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t max_header_bytes = 100'000'000;

/// The order in which the reference implementation declares the dtypes; a writer sorts by it, descending.
int writing_rank(DType dtype) {
  constexpr DType order[] = {DType::BOOL, DType::U8,   DType::I8,  DType::F8_E5M2, DType::F8_E4M3, DType::I16, DType::U16, DType::F16,
                             DType::BF16, DType::I32, DType::U32, DType::F32,     DType::F64,     DType::I64, DType::U64};
  return static_cast<int>(std::find(std::begin(order), std::end(order), dtype) - std::begin(order));
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

Result<std::uint64_t> bytes_to_write(const TensorToWrite& tensor, const std::string& where) {
  std::uint64_t bytes = dtype_size(tensor.dtype);
  for (const std::int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) {
      return machine_error("The shape of the tensor to write is broken.", where);
    }
  }
  if (bytes != tensor.bytes.size()) {
    return machine_error("The tensor to write has " + std::to_string(tensor.bytes.size()) + " bytes, and its shape asks for " + std::to_string(bytes) + ".",
                         where);
  }
  return bytes;
}

}  // namespace

struct SafetensorsFile::Mapping {
  fs::path path;
  const std::byte* address = nullptr;
  std::uint64_t bytes = 0;
  std::uint64_t data = 0;   ///< where the data section begins
  SafetensorsHeader header;
  std::unordered_map<std::string, std::size_t> index;

  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (address) ::munmap(const_cast<std::byte*>(address), bytes);
  }
};

Result<SafetensorsFile> SafetensorsFile::open(const fs::path& path) {
  const std::string where = path.string();
  LUTHIER_TRY(const Descriptor file, open_for_reading(path));
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return system_error("This file cannot be read", path, errno);
  if (!S_ISREG(about.st_mode)) return input_error("This is not a plain file.", where);
  const auto bytes = static_cast<std::uint64_t>(about.st_size);
  if (bytes < 8) {
    return input_error("The file has " + std::to_string(bytes) + " bytes, fewer than any safetensors file.", where, "Copy or download it again.");
  }
  auto mapping = std::make_shared<Mapping>();
  mapping->path = path;
  mapping->bytes = bytes;
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return system_error("This file cannot be mapped into memory", path, errno);
  mapping->address = static_cast<const std::byte*>(address);

  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | std::to_integer<std::uint64_t>(mapping->address[i]);
  if (header_bytes > max_header_bytes) {
    return input_error("The header is said to have " + std::to_string(header_bytes) + " bytes; at most " + std::to_string(max_header_bytes) + " are allowed.", where,
                       "This is not a safetensors file, or a damaged one.");
  }
  if (header_bytes > bytes - 8) {
    return input_error("The file is cut off: its header has " + std::to_string(header_bytes) + " bytes, and only " + std::to_string(bytes - 8) + " follow.", where,
                       "Copy or download it again.");
  }
  mapping->data = 8 + header_bytes;
  const std::string_view text(reinterpret_cast<const char*>(mapping->address) + 8, header_bytes);
  LUTHIER_TRY(mapping->header, parse_safetensors_header(text, bytes - mapping->data, where));
  mapping->index.reserve(mapping->header.tensors.size());
  for (std::size_t i = 0; i < mapping->header.tensors.size(); ++i) mapping->index.emplace(mapping->header.tensors[i].first, i);
  SafetensorsFile opened;
  opened.mapping_ = std::move(mapping);
  return opened;
}

const SafetensorsHeader& SafetensorsFile::header() const { return mapping_->header; }

std::optional<TensorView> SafetensorsFile::find(const std::string& name) const {
  const auto found = mapping_->index.find(name);
  if (found == mapping_->index.end()) return std::nullopt;
  const TensorInfo& info = mapping_->header.tensors[found->second].second;
  return TensorView{info, std::span(mapping_->address + mapping_->data + info.begin, info.end - info.begin)};
}

const fs::path& SafetensorsFile::path() const { return mapping_->path; }

std::uint64_t SafetensorsFile::size() const { return mapping_->bytes; }

Status write_safetensors(const fs::path& path, const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorToWrite*> sorted;
  for (const TensorToWrite& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorToWrite* left, const TensorToWrite* right) {
    return std::pair(-writing_rank(left->dtype), std::string_view(left->name)) < std::pair(-writing_rank(right->dtype), std::string_view(right->name));
  });

  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!is_utf8(key) || !is_utf8(value)) return machine_error("The metadata to write is not valid UTF-8.", path.string());
      header += (first ? "" : ",") + quoted(key) + ":" + quoted(value);
      first = false;
    }
    header += "}";
  }
  std::uint64_t offset = 0;
  std::unordered_map<std::string_view, bool> names;
  for (const TensorToWrite* tensor : sorted) {
    const std::string where = path.string() + ": " + tensor->name;
    if (!is_utf8(tensor->name) || tensor->name == "__metadata__" || !names.emplace(tensor->name, true).second) {
      return machine_error("The name of the tensor to write is broken or stands twice.", where);
    }
    LUTHIER_TRY(const std::uint64_t bytes, bytes_to_write(*tensor, where));
    if (header.size() > 1) header += ",";
    header += quoted(tensor->name) + ":{\"dtype\":\"" + dtype_name(tensor->dtype) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor->shape.size(); ++i) header += (i ? "," : "") + std::to_string(tensor->shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + bytes) + "]}";
    offset += bytes;
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > max_header_bytes) return machine_error("There are too many tensors for one safetensors file.", path.string());

  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[static_cast<std::size_t>(i)] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", path, errno);
  LUTHIER_CHECK(write_all(file, length + header, path));
  for (const TensorToWrite* tensor : sorted) {
    LUTHIER_CHECK(write_all(file, {reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size()}, path));
  }
  if (!file.close()) return system_error("Writing failed", path, errno);
  return {};
}

}  // namespace luthier
