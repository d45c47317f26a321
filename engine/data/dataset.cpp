// SPDX-License-Identifier: GPL-3.0-or-later
// Datasets on disk: the files are mapped while they are indexed and read by position after that, so that any thread may read any row.
#include "engine/data/dataset.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/data/dataset_index.h"
#include "engine/io/files.h"

namespace luthier {

namespace {

constexpr std::uint64_t kMaxRowBytes = 64u << 20;

class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }

 private:
  int value_;
};

/// The whole file's bytes for the time of indexing.
class Mapping {
 public:
  Mapping(int file, std::size_t size) : size_(size) {
    if (size > 0) data_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (ok() && size_ > 0) ::munmap(data_, size_);
  }
  bool ok() const { return size_ == 0 || data_ != MAP_FAILED; }
  std::string_view text() const { return size_ == 0 ? std::string_view() : std::string_view(static_cast<const char*>(data_), size_); }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};

}  // namespace

struct Dataset::Source {
  std::filesystem::path path;
  Descriptor file;
  std::vector<detail::RowSpan> rows;
  std::size_t first = 0;  // its first row in the whole dataset

  Status open();
  Result<std::string> read(std::size_t row) const;
};

Status Dataset::Source::open() {
  const std::string where = path.string();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    return input_error("The dataset is missing.", where, "Give a .jsonl or .json file.");
  file = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0)
    return input_error(std::string("The dataset cannot be opened: ") + std::strerror(errno) + ".", where, "Check its permissions.");
  const Mapping mapping(file.get(), static_cast<std::size_t>(info.st_size));
  if (!mapping.ok()) return machine_error(std::string("The dataset cannot be mapped: ") + std::strerror(errno) + ".", where);
  const std::string_view text = mapping.text();
  if (detail::looks_like_lines(text, path)) {
    rows = detail::index_lines(text);
    const auto is_object = [text](const detail::RowSpan& row) { return text[row.begin] == '{'; };
    if (!rows.empty() && std::none_of(rows.begin(), rows.end(), is_object))
      return input_error("The file is not JSON lines: no line of it is an object.", where,
                         "A dataset is one JSON object a line, or one JSON list of objects.");
  } else {
    LUTHIER_TRY(rows, detail::index_json(text, where));
  }
  if (rows.empty()) return input_error("The dataset has no rows.", where, "Give a file with at least one row.");
  return {};
}

Result<std::string> Dataset::Source::read(std::size_t row) const {
  const detail::RowSpan span = rows[row];
  if (span.end - span.begin > kMaxRowBytes) return input_error("The row is larger than " + std::to_string(kMaxRowBytes >> 20) + " MiB.");
  std::string text(span.end - span.begin, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::pread(file.get(), text.data() + done, text.size() - done, static_cast<off_t>(span.begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return machine_error(std::string("The dataset cannot be read: ") + std::strerror(errno) + ".");
    if (got == 0) return input_error("The dataset became shorter while it was in use.", {}, "Open it again.");
    done += static_cast<std::size_t>(got);
  }
  return text;
}

Result<std::shared_ptr<const Dataset>> Dataset::open(const std::vector<std::filesystem::path>& files) {
  if (files.empty()) return input_error("No dataset is given.", "dataset", "Name at least one .jsonl or .json file.");
  auto dataset = std::make_shared<Dataset>();
  std::string digests;
  for (const std::filesystem::path& path : files) {
    auto source = std::make_shared<Source>();
    source->path = path;
    source->first = dataset->size();
    LUTHIER_CHECK(source->open());
    LUTHIER_TRY(const std::string digest, sha256_file(path));
    digests += digest;
    dataset->sources_.push_back(std::move(source));
  }
  dataset->fingerprint_ = files.size() == 1 ? digests : sha256_bytes(std::as_bytes(std::span(digests)));
  return std::shared_ptr<const Dataset>(std::move(dataset));
}

std::size_t Dataset::size() const { return sources_.empty() ? 0 : sources_.back()->first + sources_.back()->rows.size(); }

const Dataset::Source& Dataset::source_of(std::size_t row) const {
  auto after =
      std::upper_bound(sources_.begin(), sources_.end(), row, [](std::size_t value, const auto& source) { return value < source->first; });
  return **std::prev(after);
}

std::string Dataset::where(std::size_t row) const {
  if (row >= size()) return "row " + std::to_string(row + 1);
  const Source& source = source_of(row);
  const std::size_t number = row - source.first + 1;
  std::string text = source.path.string() + ": row " + std::to_string(number);
  const std::uint64_t line = source.rows[number - 1].line;
  if (line != number) text += " (line " + std::to_string(line) + ")";
  return text;
}

Result<Json> Dataset::row(std::size_t row) const {
  if (row >= size())
    return input_error("The dataset has " + std::to_string(size()) + " rows; row " + std::to_string(row + 1) + " was asked for.");
  const Source& source = source_of(row);
  auto text = source.read(row - source.first);
  if (!text) {
    Error error = text.error();
    error.where = where(row);
    return error;
  }
  return parse_json(*text, where(row));
}

Result<Conversation> Dataset::read(std::size_t row, RowFault* fault) const {
  if (fault) *fault = RowFault::BadRow;
  LUTHIER_TRY(const Json json, this->row(row));
  return read_conversation(json, source_of(row).path.parent_path(), where(row), fault);
}

const std::string& Dataset::fingerprint() const { return fingerprint_; }

}  // namespace luthier
