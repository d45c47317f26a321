// SPDX-License-Identifier: GPL-3.0-or-later
// A line is written by one call and counts once its end is there. Written anew, the file is another
// one under the same name, which a reader sees by its inode.
#include "engine/runs/elsewhere/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include "engine/io/files.h"
#include "engine/runs/elsewhere/protocol.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPieceRead = std::size_t{1} << 16;
constexpr const char* kNumberMark = "{\"n\":";

std::string event_name(const Json& event) {
  const auto found = event.find("event");
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_unfinished_answer(const Json& event) {
  const auto final = event.find("final");
  return event_name(event) == "answer" && final != event.end() && *final == false;
}

/// Events that the next of their kind overtakes.
bool is_fleeting(const Json& event) {
  return event_name(event) == "progress" || is_unfinished_answer(event);
}

/// Whose request an answer is to.
std::string asked_by(const Json& event) {
  std::string key;
  for (const char* part : {"client", "request"}) {
    const auto found = event.find(part);
    key += (found == event.end() ? std::string() : found->dump()) + " ";
  }
  return key;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    if (line_number(text.substr(begin, end - begin)) > 0)
      lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// Up to the last line's end: what a killed process was writing is no line.
std::size_t whole_bytes(const std::string& text) {
  const std::size_t end = text.rfind('\n');
  return end == std::string::npos ? 0 : end + 1;
}

}  // namespace

std::uint64_t line_number(const std::string& line) {
  const std::string mark = kNumberMark;
  if (!line.starts_with(mark)) return 0;
  return std::strtoull(line.c_str() + mark.size(), nullptr, 10);
}

std::vector<std::string> kept_lines(const std::vector<std::string>& lines,
                                    const JournalLimits& limits) {
  enum class Kind { Stays, Overtaken, Answer, Step };
  std::vector<Kind> kinds;
  std::vector<std::string> askers;  // of answers
  std::size_t steps = 0, answers = 0;
  for (const std::string& line : lines) {
    const auto event = parse_json(line, "journal");
    Kind kind = Kind::Stays;
    if (event && is_fleeting(*event))
      kind = Kind::Overtaken;
    else if (event && event_name(*event) == "answer")
      kind = Kind::Answer;
    else if (event && event_name(*event) == "step" && event->contains("line") &&
             !(*event)["line"].contains("eval_loss"))
      kind = Kind::Step;
    steps += kind == Kind::Step;
    answers += kind == Kind::Answer;
    kinds.push_back(kind);
    askers.push_back(kind == Kind::Answer ? asked_by(*event) : std::string());
  }
  std::set<std::string> newest;
  for (std::size_t i = lines.size(); i-- > 0 && newest.size() < limits.requests;)
    if (kinds[i] == Kind::Answer) newest.insert(askers[i]);
  std::vector<std::string> kept;
  std::size_t step = 0, answer = 0;
  const std::size_t older = steps > limits.steps ? steps - limits.steps / 2 : 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (kinds[i] == Kind::Overtaken) continue;
    if (kinds[i] == Kind::Answer && answer++ + limits.answers < answers &&
        !newest.contains(askers[i]))
      continue;
    if (kinds[i] == Kind::Step && step++ < older && step % 2 == 0) continue;
    kept.push_back(lines[i]);
  }
  return kept;
}

Result<JournalWriter> JournalWriter::open(const fs::path& file, const JournalLimits& limits) {
  JournalWriter journal;
  journal.file_ = file;
  journal.limits_ = limits;
  journal.anew_above_ = limits.bytes;
  journal.descriptor_ =
      Descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (journal.descriptor_.get() < 0)
    return system_error("The run's journal cannot be written", file, errno);
  LUTHIER_TRY(const std::string text, read_file(file));
  journal.bytes_ = whole_bytes(text);
  if (journal.bytes_ != text.size() &&
      ::ftruncate(journal.descriptor_.get(), static_cast<off_t>(journal.bytes_)) != 0)
    return system_error("The run's journal cannot be written", file, errno);
  const std::vector<std::string> lines = lines_of(text);
  if (!lines.empty()) journal.last_ = line_number(lines.back());
  return journal;
}

Status JournalWriter::append(Json event) {
  Json numbered{{"n", last_ + 1}};
  for (auto& [key, value] : event.items()) numbered[key] = std::move(value);
  ++last_;
  const bool waits = !waiting_.empty();
  if (waits && is_fleeting(numbered)) return flush();
  waiting_ += json_line(numbered) + "\n";
  LUTHIER_CHECK(flush());
  return bytes_ > anew_above_ ? write_anew() : Status();
}

Status JournalWriter::flush() {
  if (waiting_.empty()) return {};
  if (Status written = write_all(descriptor_, waiting_, file_); !written) {
    // What came through of it would be a torn line in the middle.
    if (::ftruncate(descriptor_.get(), static_cast<off_t>(bytes_)) != 0)
      return system_error("The run's journal cannot be written", file_, errno);
    return written;
  }
  bytes_ += waiting_.size();
  waiting_.clear();
  return {};
}

Status JournalWriter::write_anew() {
  fs::path fresh = file_;
  fresh += ".new";
  if (const Status replaced = replace_by(fresh); !replaced) {
    ::unlink(fresh.c_str());
    anew_above_ = 2 * bytes_;  // not with every event anew
    return replaced;
  }
  // Where all of it is wanted, it may grow to twice that before it is looked through again.
  anew_above_ = std::max(limits_.bytes, 2 * bytes_);
  return {};
}

Status JournalWriter::replace_by(const fs::path& fresh) {
  LUTHIER_TRY(const std::string text, read_file(file_));
  std::string kept;
  for (const std::string& line : kept_lines(lines_of(text), limits_)) kept += line + "\n";
  Descriptor out(
      ::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (out.get() < 0) return system_error("The run's journal cannot be written", fresh, errno);
  LUTHIER_CHECK(write_all(out, kept, fresh));
  // A name that stands before its lines do would be an empty journal behind a power cut.
  if (::fsync(out.get()) != 0)
    return system_error("The run's journal cannot be written", fresh, errno);
  LUTHIER_CHECK(rename_path(fresh, file_));
  descriptor_ = std::move(out);
  bytes_ = kept.size();
  return {};
}

Status JournalReader::open_newest() {
  descriptor_ = Descriptor(::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  begun_.clear();
  if (descriptor_.get() < 0 && errno != ENOENT)
    return system_error("The run's journal cannot be read", file_, errno);
  return {};
}

Result<std::vector<std::string>> JournalReader::read_on() {
  if (descriptor_.get() < 0) LUTHIER_CHECK(open_newest());
  std::vector<std::string> lines;
  while (descriptor_.get() >= 0) {
    char piece[kPieceRead];
    const ssize_t got = ::read(descriptor_.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("The run's journal cannot be read", file_, errno);
    if (got > 0) {
      begun_.append(piece, static_cast<std::size_t>(got));
      std::size_t begin = 0;
      for (std::size_t end = begun_.find('\n'); end != std::string::npos;
           end = begun_.find('\n', begin)) {
        std::string line = begun_.substr(begin, end - begin);
        begin = end + 1;
        const std::uint64_t number = line_number(line);
        if (number <= after_) continue;
        after_ = number;
        lines.push_back(std::move(line));
      }
      begun_.erase(0, begin);
      continue;
    }
    struct stat here {
    }, named{};
    if (::fstat(descriptor_.get(), &here) != 0 || ::stat(file_.c_str(), &named) != 0 ||
        (here.st_ino == named.st_ino && here.st_dev == named.st_dev))
      break;
    // What was written to the old one before it was replaced has been read: it is the end of it.
    LUTHIER_CHECK(open_newest());
  }
  return lines;
}

}  // namespace luthier
