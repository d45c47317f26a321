// SPDX-License-Identifier: GPL-3.0-or-later
// A file's time decides nothing: a data folder that was copied to another machine has other times,
// and a `touch` changes no picture. It is told where what is looked at cannot say that the file is
// the same.
#include "engine/train/row_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>
#include <span>

#include "engine/base/random_stream.h"
#include "engine/data/picture_beside.h"
#include "engine/io/files.h"
#include "engine/io/system_error.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kAllTogether = 256u << 20, kWholeInAnyCase = 16u << 10, kPiece = 4u << 10;
constexpr const char* kOfToday = "files-2 ";
constexpr std::size_t kNamed = 2;

/// What is known of a file: 0 and 0 where there is none.
struct Look {
  std::uint64_t contents = 0;
  std::uint32_t time = 0;
};

std::uint64_t number_of(const std::string& bytes) {
  const std::string digest = sha256_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return std::stoull(digest.substr(0, 16), nullptr, 16);
}

std::uint64_t both(std::uint64_t left, std::uint64_t right) {
  return mixed_bits(left * kGoldenStep ^ mixed_bits(right + kGoldenStep));
}

/// Of what is looked at whole, one of so many files.
std::uintmax_t share_of(std::uintmax_t whole, std::size_t files) {
  return std::max(kWholeInAnyCase, whole / std::max<std::size_t>(1, files));
}

Look look_at_file(const fs::path& path, std::uintmax_t whole) {
  const Look none{number_of("-"), 0};
  const auto file = open_for_reading(path);  // a pipe would be waited for
  struct stat about {};
  if (!file || ::fstat(file->get(), &about) != 0 || !S_ISREG(about.st_mode)) return none;
  const auto size = static_cast<std::uintmax_t>(about.st_size);
  std::vector<std::uintmax_t> begins{0};
  if (size > whole) begins = {0, (size - kPiece) / 2, size - kPiece};
  const std::uintmax_t length = size > whole ? kPiece : size;
  std::string looked = std::to_string(size) + ":";
  for (const std::uintmax_t begin : begins) {
    const std::size_t at = looked.size();
    looked.resize(at + length);
    std::size_t got = 0;
    while (got < length) {
      const ssize_t more = ::pread(file->get(), looked.data() + at + got, length - got,
                                   static_cast<off_t>(begin + got));
      if (more <= 0) break;
      got += static_cast<std::size_t>(more);
    }
    looked.resize(at + got);
  }
  Look look{number_of(looked), 0};
  if (size > whole)
    look.time = static_cast<std::uint32_t>(both(static_cast<std::uint64_t>(about.st_mtim.tv_sec),
                                                static_cast<std::uint64_t>(about.st_mtim.tv_nsec)));
  return look;
}

/// A film's folder is its files, by their names.
Look look_at_folder(const fs::path& folder, std::uintmax_t whole) {
  std::vector<fs::path> files;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem))
    if (walk->is_regular_file(problem)) files.push_back(walk->path());
  std::sort(files.begin(), files.end());
  whole = share_of(whole, files.size());
  Look all{number_of("folder"), 0};
  for (const fs::path& file : files) {
    const Look look = look_at_file(file, whole);
    all.contents = both(both(all.contents, number_of(file.filename().string())), look.contents);
    if (look.time) all.time = static_cast<std::uint32_t>(both(all.time, look.time));
  }
  return all;
}

/// A mark of a number that is not 0.
std::uint16_t mark_of(std::uint64_t number) {
  if (number == 0) return 0;
  return static_cast<std::uint16_t>(1 + mixed_bits(number) % 0xffff);
}

/// Of these rows those whose mark was another; none where nobody had looked.
template <class Number>
std::vector<std::size_t> others(const std::vector<std::uint16_t>& before,
                                const std::vector<Number>& now,
                                const std::vector<std::int64_t>& rows) {
  std::vector<std::size_t> found;
  if (before.size() != now.size()) return found;
  for (const std::int64_t row : rows) {
    const auto at = static_cast<std::size_t>(row);
    if (before[at] != mark_of(now[at])) found.push_back(at);
  }
  return found;
}

}  // namespace

/// Rows that name one file mostly stand together: of the last files what was found is known.
struct RowFiles::Known {
  struct Entry {
    std::uint64_t path = 0;
    Look look;
  };
  std::mutex mutex;
  std::array<Entry, 1u << 14> entries;

  Look of(const std::string& path, std::uintmax_t whole) {
    std::uint64_t key = both(kGoldenStep, whole);
    for (const char letter : path) key = both(key, static_cast<unsigned char>(letter));
    Entry& entry = entries[key % entries.size()];
    {
      const std::lock_guard lock(mutex);
      if (entry.path == key) return entry.look;
    }
    std::error_code ignored;
    const Look look =
        fs::is_directory(path, ignored) ? look_at_folder(path, whole) : look_at_file(path, whole);
    const std::lock_guard lock(mutex);
    entry = {key, look};
    return look;
  }
};

RowFiles::RowFiles(const RowReader& reader) : reader_(reader), known_(std::make_unique<Known>()) {
  const std::size_t rows = reader.dataset->size();
  whole_ = share_of(kAllTogether, rows);
  contents_.resize(rows);
  times_.resize(rows);
  if (!reader.processor) return;
  const std::string kind = reader.kind->name();
  pictures_ = kind == "text" ? reads_picture_beside(*reader.processor)
                             : reader.processor->image_processor() != nullptr;
}

RowFiles::~RowFiles() = default;
RowFiles::RowFiles(RowFiles&&) noexcept = default;

/// In their order. What is written into the row is the row's.
std::vector<std::string> RowFiles::files_of(const Conversation& read) const {
  std::vector<std::string> files;
  const auto add = [&files](const fs::path& file) {
    if (!file.empty() && !is_inline_picture(file)) files.push_back(file.native());
  };
  // Other kinds hand on what a template may read of a turn, by any key.
  const std::string kind = reader_.kind->name();
  const char* key = kind == "masks" ? "mask" : kind == "regions" ? "regions" : nullptr;
  const auto add_all = [&](const std::vector<Message>& messages) {
    for (const Message& message : messages) {
      for (const ContentPart& part : message.content) {
        if (!pictures_) break;
        if (part.kind == ContentPart::Kind::Image) add(part.image);
        if (part.kind != ContentPart::Kind::Film) continue;
        add(part.film.path);
        for (const fs::path& frame : part.film.pictures) add(frame);
      }
      if (!key || !message.extra.is_object()) continue;
      if (const auto found = message.extra.find(key);
          found != message.extra.end() && found->is_string())
        add(found->get<std::string>());
    }
  };
  add_all(read.messages);
  for (const auto* answer : {&read.chosen, &read.rejected, &read.answer})
    if (*answer) add_all(**answer);
  return files;
}

void RowFiles::look(std::size_t row, const Conversation& read) {
  Look all;
  const std::vector<std::string> files = files_of(read);
  const std::uintmax_t whole = share_of(whole_, files.size());
  for (const std::string& file : files) {
    const Look look = known_->of(file, whole);
    all.contents = both(all.contents, look.contents);
    if (look.time) all.time = static_cast<std::uint32_t>(both(all.time, look.time));
  }
  contents_[row] = all.contents;
  times_[row] = all.time;
}

Status RowFiles::look_at(const std::vector<std::int64_t>& rows,
                         const std::function<bool(std::size_t done, std::size_t total)>& progress) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (progress && !progress(i, rows.size()))
      return interrupted_error("Looking at the rows' pictures was cancelled.");
    const auto row = static_cast<std::size_t>(rows[i]);
    const auto read = read_row(*reader_.dataset, row, *reader_.kind);
    if (read) look(row, *read);  // what cannot be read is said where it comes to it
  }
  return {};
}

std::string RowFiles::fingerprint(const std::vector<std::int64_t>& rows) const {
  constexpr std::size_t kTogether = 1024;
  std::string digest;
  std::vector<std::uint64_t> numbers;
  const auto take = [&] {
    std::string bytes = digest;
    bytes.append(reinterpret_cast<const char*>(numbers.data()),
                 numbers.size() * sizeof(numbers[0]));
    digest = sha256_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
    numbers.clear();
  };
  for (const std::int64_t row : rows) {
    const std::uint64_t contents = contents_[static_cast<std::size_t>(row)];
    if (contents == 0) continue;
    numbers.insert(numbers.end(), {static_cast<std::uint64_t>(row), contents});
    if (numbers.size() >= 2 * kTogether) take();
  }
  if (!numbers.empty()) take();
  return digest.empty() ? digest : kOfToday + digest;
}

RowMarks RowFiles::marks() const {
  RowMarks marks;
  marks.contents.reserve(contents_.size());
  marks.times.reserve(times_.size());
  for (const std::uint64_t each : contents_) marks.contents.push_back(mark_of(each));
  for (const std::uint32_t each : times_) marks.times.push_back(mark_of(each));
  return marks;
}

std::string RowFiles::named(const std::vector<std::size_t>& found) const {
  std::string text;
  for (std::size_t i = 0; i < std::min(kNamed, found.size()); ++i) {
    const auto read = read_row(*reader_.dataset, found[i], *reader_.kind);
    std::string files;
    if (read)
      for (const std::string& file : files_of(*read)) files += (files.empty() ? "" : ", ") + file;
    text += (text.empty() ? "" : "; ") + files + " (" + reader_.dataset->where(found[i]) + ")";
  }
  if (found.size() > kNamed) text += "; +" + std::to_string(found.size() - kNamed);
  return text;
}

std::string RowFiles::changed_since(const RowMarks& before,
                                    const std::vector<std::int64_t>& rows) const {
  return named(others(before.contents, contents_, rows));
}

std::string RowFiles::rewritten_since(const RowMarks& before,
                                      const std::vector<std::int64_t>& rows) const {
  return named(others(before.times, times_, rows));
}

bool compares_row_files(const std::string& fingerprint) {
  return fingerprint.starts_with(kOfToday);
}

}  // namespace luthier
