// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/cut_lines.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/data/sample_log.h"
#include "engine/io/files.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

/// A longer line is none that a run writes.
constexpr std::size_t kMostLineBytes = 256u << 20;

/// Hands each whole line to `take`, with the place behind it, until that says no.
Status each_whole_line(const fs::path& path,
                       const std::function<bool(std::string_view line, std::uint64_t end)>& take) {
  LUTHIER_TRY(const Descriptor file, open_for_reading(path));
  std::string held, piece(1u << 20, '\0');
  std::uint64_t end = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("This file cannot be read", path, errno);
    if (got == 0) return {};
    std::string_view left(piece.data(), static_cast<std::size_t>(got));
    for (std::size_t at; (at = left.find('\n')) != std::string_view::npos;) {
      held += left.substr(0, at);
      end += held.size() + 1;
      if (!take(held, end)) return {};
      held.clear();
      left.remove_prefix(at + 1);
    }
    held += left;
    if (held.size() > kMostLineBytes)
      return input_error("A line of this file is longer than any that a run writes.", path.string(),
                         "Move the file away.");
  }
}

Status shorten(const fs::path& path, std::uint64_t bytes) {
  if (::truncate(path.c_str(), static_cast<off_t>(bytes)) != 0)
    return system_error("This file cannot be written", path, errno);
  return sync_file(path);
}

}  // namespace

Status keep_lines(const fs::path& file, const std::function<bool(const Json&)>& keep) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) {
    if (errno == ENOENT) return {};
    return system_error("This file cannot be read", file, errno);
  }
  std::uint64_t whole = 0;  // so much of the beginning stays as it is
  bool dropped = false, later = false;
  const auto kept = [&](std::string_view line) {
    const auto json = parse_json(line, file.string());
    return json && keep(*json);
  };
  LUTHIER_CHECK(each_whole_line(file, [&](std::string_view line, std::uint64_t end) {
    const bool stays = kept(line);
    if (stays && !dropped) whole = end;
    dropped = dropped || !stays;
    later = stays && dropped;
    return !later;
  }));
  if (!later)
    return whole == static_cast<std::uint64_t>(about.st_size) ? Status() : shorten(file, whole);
  std::string all;
  LUTHIER_CHECK(each_whole_line(file, [&](std::string_view line, std::uint64_t) {
    if (kept(line)) all.append(line).append("\n");
    return true;
  }));
  return write_file_atomically(file, all);
}

Status forget_logged_step(const fs::path& run, std::int64_t step) {
  for (const char* name : {"metrics.jsonl", kSamplesFile})
    LUTHIER_CHECK(keep_lines(run / name, [&](const Json& line) {
      const auto at = json_int(line, "step", name);
      return at && *at < step;
    }));
  return {};
}

}  // namespace luthier
