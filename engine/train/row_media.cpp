// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/row_media.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <unordered_map>

#include "engine/data/row_kind.h"
#include "engine/io/files.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

// A start looks at every file once: a hundred thousand of them are a gigabyte so.
constexpr std::uintmax_t kWholeUpTo = 16u << 10, kPiece = 4u << 10;

std::string digest_of(const std::string& bytes) {
  return sha256_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

/// Of one file: its length and what of it is looked at.
std::string digest_of_file(const fs::path& file) {
  std::error_code problem;
  if (!fs::is_regular_file(file, problem)) return "-";  // a pipe would be waited for
  const std::uintmax_t size = fs::file_size(file, problem);
  std::ifstream stream(file, std::ios::binary);
  if (problem || !stream) return "-";
  std::vector<std::uintmax_t> begins{0};
  if (size > kWholeUpTo) begins = {0, (size - kPiece) / 2, size - kPiece};
  const std::uintmax_t length = size > kWholeUpTo ? kPiece : size;
  std::string looked = std::to_string(size) + ":", piece(length, '\0');
  for (const std::uintmax_t begin : begins) {
    stream.seekg(static_cast<std::streamoff>(begin));
    stream.read(piece.data(), static_cast<std::streamsize>(length));
    looked.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  }
  return digest_of(looked);
}

/// A film's folder is its files, by their names.
std::string digest_of_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem))
    if (walk->is_regular_file(problem)) files.push_back(walk->path());
  std::sort(files.begin(), files.end());
  std::string all;
  for (const fs::path& file : files)
    all += file.filename().string() + "\n" + digest_of_file(file) + "\n";
  return digest_of(all);
}

/// The files of these messages, in their order. What is written into the row is the row's.
void add_files(const std::vector<Message>& messages, std::vector<fs::path>& files) {
  const auto add = [&files](const fs::path& file) {
    if (!file.empty() && !is_inline_picture(file)) files.push_back(file);
  };
  for (const Message& message : messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Image) add(part.image);
      if (part.kind != ContentPart::Kind::Film) continue;
      add(part.film.path);
      for (const fs::path& frame : part.film.pictures) add(frame);
    }
    if (!message.extra.is_object()) continue;
    for (const char* key : {"mask", "regions"})
      if (const auto found = message.extra.find(key);
          found != message.extra.end() && found->is_string())
        add(found->get<std::string>());
  }
}

}  // namespace

Result<std::string> fingerprint_media(
    const RowReader& reader, const std::vector<std::int64_t>& rows,
    const std::function<bool(std::size_t done, std::size_t total)>& progress) {
  std::unordered_map<std::string, std::string> known;
  std::string all;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (progress && !progress(i, rows.size()))
      return interrupted_error("Looking at the rows' pictures was cancelled.");
    const auto row = read_row(*reader.dataset, static_cast<std::size_t>(rows[i]), *reader.kind);
    if (!row) continue;  // said where it comes to it
    std::vector<fs::path> files;
    add_files(row->messages, files);
    for (const auto* answer : {&row->chosen, &row->rejected, &row->answer})
      if (*answer) add_files(**answer, files);
    for (const fs::path& file : files) {
      const auto [found, fresh] = known.try_emplace(file.native());
      std::error_code ignored;
      if (fresh)
        found->second =
            fs::is_directory(file, ignored) ? digest_of_folder(file) : digest_of_file(file);
      all += std::to_string(rows[i]) + " " + found->second + "\n";
    }
  }
  return all.empty() ? std::string() : digest_of(all);
}

}  // namespace luthier
