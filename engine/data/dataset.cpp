// SPDX-License-Identifier: GPL-3.0-or-later
// Datasets on disk: the files are mapped while they are indexed and read by position after that, so
// that any thread may read any row.
#include "engine/data/dataset.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "engine/base/utf8.h"
#include "engine/data/dataset_index.h"
#include "engine/io/file_kind.h"
#include "engine/io/files.h"
#include "engine/io/guarded_mapping.h"

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

}  // namespace

struct Dataset::Source {
  std::filesystem::path path;
  Descriptor file;
  std::vector<detail::RowSpan> rows;
  std::size_t first = 0;  // its first row in the whole dataset

  Status open();
  Status index(std::string_view text);
  Result<std::string> read(std::size_t row) const;
};

namespace {

constexpr const char* kWhatIsRead =
    "A dataset is one JSON object a line, or one JSON list of objects.";

/// A folder where a file of rows was meant: which files in it those may be.
Error folder_given(const std::filesystem::path& path) {
  std::vector<std::string> candidates;
  bool arrow = false;
  std::error_code problem;
  std::filesystem::directory_iterator walk(path, problem);
  for (const std::filesystem::directory_iterator end; !problem && walk != end;
       walk.increment(problem)) {
    const std::string ending = walk->path().extension().string();
    if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json")
      candidates.push_back(walk->path().filename().string());
    arrow = arrow || ending == ".arrow" || ending == ".parquet";
  }
  std::sort(candidates.begin(), candidates.end());
  constexpr std::size_t kMost = 4;
  std::string names;
  for (std::size_t i = 0; i < std::min(candidates.size(), kMost); ++i)
    names += (i ? ", " : "") + candidates[i];
  std::string hint =
      candidates.empty() ? "Give a .jsonl or .json file." : "Name a file in it: " + names + ".";
  if (candidates.empty() && arrow)
    hint =
        "It holds Arrow or Parquet files; write their rows as JSON lines (to_json in the datasets "
        "library).";
  return input_error("This is a folder, and a file of rows is needed.", path.string(), hint);
}

std::string how_to_convert(FileFamily family) {
  switch (family) {
    case FileFamily::Table:
      return "Write its rows as JSON lines, one object a line, with pictures as paths or base64.";
    case FileFamily::Archive: return "Unpack it and give the .jsonl or .json file in it.";
    case FileFamily::Pointer: return "Fetch it first: git lfs pull";
    case FileFamily::Picture:
    case FileFamily::Video:
    case FileFamily::Audio:
      return "A dataset is a file of rows (JSON lines or JSON) that names its pictures.";
    default: return kWhatIsRead;
  }
}

/// The first line has commas or tabs and is no JSON.
bool looks_like_table(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  return line.find(',') != std::string_view::npos || line.find('\t') != std::string_view::npos;
}

/// What the file is, where it is known not to be JSON.
Error not_json(std::string_view text, const std::filesystem::path& path, const Error& otherwise) {
  const FileKind kind = file_kind_by_name(path);
  if (kind.known())
    return input_error("This is " + kind.name + "; JSON lines and JSON are read.", path.string(),
                       how_to_convert(kind.family));
  if (text.find('{') == std::string_view::npos && looks_like_table(text))
    return input_error("This looks like a table (CSV); JSON lines and JSON are read.",
                       path.string(), how_to_convert(FileFamily::Table));
  return otherwise;
}

/// A text in another encoding than UTF-8 is refused whole, by its name, when no line of its
/// beginning is UTF-8 beyond ASCII; a single bad line stays that row's fault.
std::optional<Error> in_other_encoding(std::string_view text, const std::string& where) {
  constexpr std::size_t kSample = 1u << 20;
  std::string foreign;
  std::string_view rest = text.substr(0, kSample);
  std::string encoding;
  const std::string_view head = text.substr(0, 4);  // a mark, or zero bytes beside ASCII
  const bool marked = head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff");
  if (marked || head.find('\0') != std::string_view::npos) encoding = foreign_encoding(head);
  while (encoding.empty() && !rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    const bool cut = end == rest.size() && text.size() > kSample;
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const bool ascii = std::all_of(line.begin(), line.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii || cut) continue;
    if (is_utf8(line)) return std::nullopt;
    foreign += '\n';  // so that no line passes for the file's beginning with its mark
    foreign += line;
  }
  if (encoding.empty()) encoding = foreign_encoding(foreign);
  if (encoding.empty()) return std::nullopt;
  const std::string name = encoding.substr(0, encoding.find(' '));
  return input_error("The file is text in " + encoding + ", and UTF-8 is read.", where,
                     "Save it as UTF-8; with iconv: iconv -f " + name + " -t UTF-8 OLD > NEW");
}

}  // namespace

Status Dataset::Source::open() {
  const std::string where = path.string();
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return folder_given(path);
  if (!std::filesystem::exists(path, ignored))
    return input_error("The dataset is missing.", where, "Give a .jsonl or .json file.");
  if (!std::filesystem::is_regular_file(path, ignored))
    return input_error("This is no ordinary file.", where, "Give a .jsonl or .json file.");
  file = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0)
    return input_error(std::string("The dataset cannot be opened: ") + std::strerror(errno) + ".",
                       where, "Check its permissions.");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  LUTHIER_TRY(const GuardedMapping mapping, GuardedMapping::open(file.get(), size, path));
  const Status indexed = index(mapping.text());
  LUTHIER_CHECK(mapping.check());  // of a file that was cut short nothing else is worth saying
  return indexed;
}

Status Dataset::Source::index(std::string_view text) {
  const std::string where = path.string();
  if (const FileKind kind = file_kind(text.substr(0, 512)); kind.known())
    return input_error("This is " + kind.name + "; JSON lines and JSON are read.", where,
                       how_to_convert(kind.family));
  if (const auto fault = in_other_encoding(text, where)) return *fault;
  if (detail::looks_like_lines(text, path)) {
    rows = detail::index_lines(text);
    const auto is_object = [text](const detail::RowSpan& row) { return text[row.begin] == '{'; };
    if (!rows.empty() && std::none_of(rows.begin(), rows.end(), is_object))
      return not_json(text, path,
                      input_error("The file is not JSON lines: no line of it is an object.", where,
                                  kWhatIsRead));
  } else {
    auto found = detail::index_json(text, where);
    if (!found) return not_json(text, path, found.error());
    rows = found.take();
  }
  if (rows.empty())
    return input_error("The dataset has no rows.", where, "Give a file with at least one row.");
  return {};
}

Result<std::string> Dataset::Source::read(std::size_t row) const {
  const detail::RowSpan span = rows[row];
  if (span.end - span.begin > kMaxRowBytes)
    return input_error("The row is larger than " + std::to_string(kMaxRowBytes >> 20) + " MiB.");
  std::string text(span.end - span.begin, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::pread(file.get(), text.data() + done, text.size() - done,
                                static_cast<off_t>(span.begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return machine_error(std::string("The dataset cannot be read: ") + std::strerror(errno) +
                           ".");
    if (got == 0)
      return input_error("The dataset became shorter while it was in use.", {}, "Open it again.");
    done += static_cast<std::size_t>(got);
  }
  return text;
}

Result<std::shared_ptr<const Dataset>> Dataset::open(
    const std::vector<std::filesystem::path>& files, const std::filesystem::path& image_folder) {
  std::error_code ignored;
  if (!image_folder.empty() && !std::filesystem::is_directory(image_folder, ignored)) {
    const bool there = std::filesystem::exists(image_folder, ignored);
    return input_error(
        there ? "The picture folder is no folder." : "The picture folder is missing.",
        image_folder.string(),
        "image_folder names the folder that the rows' relative picture paths start at.");
  }
  if (files.empty())
    return input_error("No dataset is given.", "dataset",
                       "Name at least one .jsonl or .json file.");
  auto dataset = std::make_shared<Dataset>();
  dataset->image_folder_ = image_folder;
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
  dataset->fingerprint_ =
      files.size() == 1 ? digests : sha256_bytes(std::as_bytes(std::span(digests)));
  return std::shared_ptr<const Dataset>(std::move(dataset));
}

std::size_t Dataset::size() const {
  return sources_.empty() ? 0 : sources_.back()->first + sources_.back()->rows.size();
}

const Dataset::Source& Dataset::source_of(std::size_t row) const { return *sources_[file_of(row)]; }

std::size_t Dataset::file_of(std::size_t row) const {
  const auto after =
      std::upper_bound(sources_.begin(), sources_.end(), row,
                       [](std::size_t value, const auto& source) { return value < source->first; });
  return static_cast<std::size_t>(after - sources_.begin()) - 1;
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
    return input_error("The dataset has " + std::to_string(size()) + " rows; row " +
                       std::to_string(row + 1) + " was asked for.");
  const Source& source = source_of(row);
  auto text = source.read(row - source.first);
  if (!text) {
    Error error = text.error();
    error.where = where(row);
    return error;
  }
  auto json = parse_json(*text, where(row));
  if (!json)
    if (const auto fault = text_fault(*text, "a row of JSON", where(row))) return *fault;
  return json;
}

Result<Conversation> Dataset::read(std::size_t row, RowFault* fault) const {
  if (fault) *fault = RowFault::BadRow;
  LUTHIER_TRY(const Json json, this->row(row));
  return read_conversation(json, folder_of(row), where(row), fault);
}

std::filesystem::path Dataset::folder_of(std::size_t row) const {
  return image_folder_.empty() ? source_of(row).path.parent_path() : image_folder_;
}

const std::string& Dataset::fingerprint() const { return fingerprint_; }

}  // namespace luthier
