// SPDX-License-Identifier: GPL-3.0-or-later
// One safetensors file: read where it lies, laid out for writing.
#include "engine/io/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "engine/base/utf8.h"
#include "engine/io/json.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

/// The order in which the reference implementation declares the dtypes; a writer sorts by it,
/// descending.
int writing_rank(DType dtype) {
  constexpr DType kOrder[] = {DType::BOOL, DType::U8,  DType::I8,  DType::F8_E5M2, DType::F8_E4M3,
                              DType::I16,  DType::U16, DType::F16, DType::BF16,    DType::I32,
                              DType::U32,  DType::F32, DType::F64, DType::I64,     DType::U64};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), dtype) -
                          std::begin(kOrder));
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

Result<std::uint64_t> bytes_to_write(const TensorOutline& tensor, const std::string& where) {
  std::uint64_t bytes = dtype_size(tensor.dtype);
  for (const std::int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) {
      return machine_error("The shape of the tensor to write is broken.", where);
    }
  }
  return bytes;
}

Error other_size(std::uint64_t bytes, std::uint64_t wanted, const std::string& where) {
  return machine_error("The tensor to write has " + std::to_string(bytes) +
                           " bytes, and its shape asks for " + std::to_string(wanted) + ".",
                       where);
}

}  // namespace

struct SafetensorsFile::Opened {
  fs::path path;
  Descriptor file;
  struct stat about {};    ///< when it was opened
  std::uint64_t data = 0;  ///< where the data section begins
  SafetensorsHeader header;
  std::unordered_map<std::string, std::size_t> index;

  std::uint64_t bytes() const { return static_cast<std::uint64_t>(about.st_size); }
};

namespace {

Error changed(const fs::path& path, std::uint64_t before, std::uint64_t now) {
  const std::string how = before == now ? "."
                                        : ": it had " + std::to_string(before) + " bytes and has " +
                                              std::to_string(now) + " now.";
  return input_error("The file was changed while being read" + how, path.string(),
                     "Wait until the program that writes it is done, then try again.");
}

Status read_at(const Descriptor& file, std::uint64_t at, std::span<std::byte> into,
               const fs::path& path, std::uint64_t bytes) {
  while (!into.empty()) {
    constexpr std::size_t kAtMost = 1u << 30;
    const std::size_t wanted = std::min(into.size(), kAtMost);
    const ssize_t got = ::pread(file.get(), into.data(), wanted, static_cast<off_t>(at));
    if (got < 0) {
      if (errno == EINTR) continue;
      return system_error("This file cannot be read", path, errno);
    }
    if (got == 0) {
      struct stat now {};
      ::fstat(file.get(), &now);
      return changed(path, bytes, static_cast<std::uint64_t>(now.st_size));
    }
    at += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

/// What `git clone` leaves in the place of a large file where Git LFS is not installed.
constexpr std::string_view kLfsPointer = "version https://git-lfs.github.com/spec/";

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const fs::path& path) {
  const std::string where = path.string();
  auto opened = std::make_shared<Opened>();
  opened->path = path;
  LUTHIER_TRY(opened->file, open_for_reading(path));
  if (::fstat(opened->file.get(), &opened->about) != 0)
    return system_error("This file cannot be read", path, errno);
  if (!S_ISREG(opened->about.st_mode)) return input_error("This is not a plain file.", where);
  const std::uint64_t bytes = opened->bytes();
  if (bytes < 8) {
    return input_error(
        "The file has " + std::to_string(bytes) + " bytes, fewer than any safetensors file.", where,
        "Copy or download it again.");
  }
  const auto read_from = [&](std::uint64_t at, void* into, std::size_t size) {
    return read_at(opened->file, at, {static_cast<std::byte*>(into), size}, path, bytes);
  };
  if (bytes >= kLfsPointer.size()) {
    std::string begin(kLfsPointer.size(), '\0');
    LUTHIER_CHECK(read_from(0, begin.data(), begin.size()));
    if (begin == kLfsPointer) {
      return input_error(
          "This is a Git LFS pointer: the repository was cloned without its large files.", where,
          "Run `git lfs pull` in that folder, or fetch the model again.");
    }
  }
  unsigned char length[8];
  LUTHIER_CHECK(read_from(0, length, sizeof length));
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | length[i];
  if (header_bytes > kMaxHeaderBytes) {
    return input_error("The header is said to have " + std::to_string(header_bytes) +
                           " bytes; at most " + std::to_string(kMaxHeaderBytes) + " are allowed.",
                       where, "This is not a safetensors file, or a damaged one.");
  }
  if (header_bytes > bytes - 8) {
    return input_error("The file is cut off: its header has " + std::to_string(header_bytes) +
                           " bytes, and only " + std::to_string(bytes - 8) + " follow.",
                       where, "Copy or download it again.");
  }
  opened->data = 8 + header_bytes;
  {
    std::string text(header_bytes, '\0');
    LUTHIER_CHECK(read_from(8, text.data(), text.size()));
    LUTHIER_TRY(opened->header, parse_safetensors_header(text, bytes - opened->data, where));
  }
  opened->index.reserve(opened->header.tensors.size());
  for (std::size_t i = 0; i < opened->header.tensors.size(); ++i)
    opened->index.emplace(opened->header.tensors[i].first, i);
  SafetensorsFile result;
  result.opened_ = std::move(opened);
  return result;
}

const SafetensorsHeader& SafetensorsFile::header() const { return opened_->header; }

std::optional<TensorView> SafetensorsFile::find(const std::string& name) const {
  const auto found = opened_->index.find(name);
  if (found == opened_->index.end()) return std::nullopt;
  return TensorView{opened_->header.tensors[found->second].second, *this};
}

const fs::path& SafetensorsFile::path() const { return opened_->path; }

std::uint64_t SafetensorsFile::size() const { return opened_->bytes(); }

Status SafetensorsFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  return read_at(opened_->file, opened_->data + offset, into, opened_->path, opened_->bytes());
}

Status SafetensorsFile::check_unchanged() const {
  struct stat now {};
  const struct stat& before = opened_->about;
  if (::fstat(opened_->file.get(), &now) != 0)
    return system_error("This file cannot be read", opened_->path, errno);
  const bool same = now.st_size == before.st_size && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
  if (!same)
    return changed(opened_->path, opened_->bytes(), static_cast<std::uint64_t>(now.st_size));
  return {};
}

Result<std::vector<std::byte>> TensorView::bytes() const {
  std::vector<std::byte> all(size());
  LUTHIER_CHECK(read(0, all));
  return all;
}

Result<bool> same_tensor(const TensorView& left, const TensorView& right) {
  if (left.info.dtype != right.info.dtype || left.info.shape != right.info.shape) return false;
  constexpr std::uint64_t kPiece = 1u << 20;
  std::vector<std::byte> a(std::min(kPiece, left.size())), b(a.size());
  for (std::uint64_t at = 0; at < left.size(); at += kPiece) {
    const std::size_t count = std::min(kPiece, left.size() - at);
    const std::span<std::byte> first(a.data(), count), second(b.data(), count);
    LUTHIER_CHECK(left.read(at, first));
    LUTHIER_CHECK(right.read(at, second));
    if (std::memcmp(first.data(), second.data(), count) != 0) return false;
  }
  return true;
}

Status write_safetensors(const fs::path& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<TensorOutline> outlines;
  for (const TensorToWrite& tensor : tensors) {
    TensorOutline outline{tensor.name, tensor.dtype, tensor.shape};
    const std::string where = path.string() + ": " + tensor.name;
    LUTHIER_TRY(const std::uint64_t wanted, bytes_to_write(outline, where));
    if (wanted != tensor.bytes.size()) return other_size(tensor.bytes.size(), wanted, where);
    outlines.push_back(std::move(outline));
  }
  return write_safetensors(
      path, outlines,
      [&](std::size_t index, const TakeBytes& take) { return take(tensors[index].bytes); },
      metadata);
}

Status write_safetensors(const fs::path& path, const std::vector<TensorOutline>& outlines,
                         const GiveBytes& give,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<std::size_t> order(outlines.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto key = [&](std::size_t index) {
    return std::pair(-writing_rank(outlines[index].dtype), std::string_view(outlines[index].name));
  };
  std::sort(order.begin(), order.end(),
            [&](std::size_t left, std::size_t right) { return key(left) < key(right); });

  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [name, value] : metadata) {
      if (!is_utf8(name) || !is_utf8(value))
        return machine_error("The metadata to write is not valid UTF-8.", path.string());
      header += (first ? "" : ",") + quoted(name) + ":" + quoted(value);
      first = false;
    }
    header += "}";
  }
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> sizes(outlines.size());
  std::unordered_set<std::string_view> names;
  for (const std::size_t index : order) {
    const TensorOutline& tensor = outlines[index];
    const std::string where = path.string() + ": " + tensor.name;
    if (!is_utf8(tensor.name) || tensor.name == "__metadata__" ||
        !names.insert(tensor.name).second) {
      return machine_error("The name of the tensor to write is broken or stands twice.", where);
    }
    LUTHIER_TRY(sizes[index], bytes_to_write(tensor, where));
    if (header.size() > 1) header += ",";
    header += quoted(tensor.name) + ":{\"dtype\":\"" + dtype_name(tensor.dtype) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i ? "," : "") + std::to_string(tensor.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," +
              std::to_string(offset + sizes[index]) + "]}";
    offset += sizes[index];
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > kMaxHeaderBytes)
    return machine_error("There are too many tensors for one safetensors file.", path.string());

  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i)
    length[static_cast<std::size_t>(i)] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) return system_error("This file cannot be written", path, errno);
  LUTHIER_CHECK(write_all(file, length + header, path));
  for (const std::size_t index : order) {
    const std::string where = path.string() + ": " + outlines[index].name;
    std::uint64_t given = 0;
    const TakeBytes take = [&](std::span<const std::byte> bytes) -> Status {
      given += bytes.size();
      if (given > sizes[index]) return other_size(given, sizes[index], where);
      return write_all(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
    };
    LUTHIER_CHECK(give(index, take));
    if (given != sizes[index]) return other_size(given, sizes[index], where);
  }
  if (!file.close()) return system_error("Writing failed", path, errno);
  return {};
}

}  // namespace luthier
