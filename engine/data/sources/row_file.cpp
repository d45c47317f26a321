// SPDX-License-Identifier: GPL-3.0-or-later
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/file_kind.h"
#include "engine/io/files.h"

namespace luthier::detail {

namespace fs = std::filesystem;

Result<RowFile> RowFile::open(const fs::path& path) {
  const std::string where = path.string();
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    return input_error("The dataset is missing.", where, "Give a file of rows, or their folder.");
  if (!fs::is_regular_file(path, ignored))
    return input_error("This is no ordinary file.", where, "Give a .jsonl or .json file.");
  RowFile file;
  file.path_ = path;
  file.file_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (file.file_.get() < 0 || ::fstat(file.file_.get(), &info) != 0)
    return input_error(std::string("The dataset cannot be opened: ") + std::strerror(errno) + ".",
                       where, "Check its permissions.");
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  LUTHIER_TRY(file.digest_, sha256_file(path));
  return file;
}

Result<GuardedMapping> RowFile::map() const {
  return GuardedMapping::open(file_.get(), size_, path_);
}

Result<std::string> RowFile::read(std::uint64_t begin, std::uint64_t end) const {
  if (end - begin > kMaxRowBytes)
    return input_error("The row is larger than " + std::to_string(kMaxRowBytes >> 20) + " MiB.");
  std::string text(end - begin, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::pread(file_.get(), text.data() + done, text.size() - done,
                                static_cast<off_t>(begin + done));
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

/// Refused when no line of its beginning is UTF-8 beyond ASCII; a single bad line stays that row's
/// fault.
Status check_encoding(std::string_view text, const std::string& where) {
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
    if (is_utf8(line)) return {};
    foreign += '\n';  // so that no line passes for the file's beginning with its mark
    foreign += line;
  }
  if (encoding.empty()) encoding = foreign_encoding(foreign);
  if (encoding.empty()) return {};
  const std::string name = encoding.substr(0, encoding.find(' '));
  return input_error("The file is text in " + encoding + ", and UTF-8 is read.", where,
                     "Save it as UTF-8; with iconv: iconv -f " + name + " -t UTF-8 OLD > NEW");
}

Json typed_text(const std::string& key, std::string text) {
  constexpr std::array kStructured = {"messages",
                                      "conversations",
                                      "history",
                                      "images",
                                      "image",
                                      "chosen",
                                      "rejected",
                                      "completions",
                                      "labels",
                                      "tools",
                                      "rewards",
                                      "completion_ids",
                                      "old_per_token_logps",
                                      "prompt",
                                      "rejected_messages",
                                      "boxes"};
  constexpr std::array kJudgements = {"label", "kto_tag"};
  const auto is = [&](const char* name) { return key == name; };
  if (std::any_of(kJudgements.begin(), kJudgements.end(), is)) {
    const std::string said = ascii_lower(trimmed(text));
    if (said == "true" || said == "1") return true;
    if (said == "false" || said == "0") return false;
  }
  const bool list = !text.empty() && (text.front() == '[' || text.front() == '{');
  if (list && std::any_of(kStructured.begin(), kStructured.end(), is)) {
    auto json = parse_json(text, key);
    if (json && (json->is_object() || (json->is_array() && !json->empty()))) return json.take();
  }
  return text;
}

}  // namespace luthier::detail
