// SPDX-License-Identifier: GPL-3.0-or-later
// The numbered events of a run elsewhere, a JSON line each: {"n": 12, "event": "step", ...}. One
// process appends; any number read on behind the number that they have. It is kept small by writing
// it anew without what has been overtaken; numbers stay. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/io/system_error.h"

namespace luthier {

struct JournalLimits {
  std::size_t bytes = std::size_t{8} << 20;  ///< above which it is written anew
  std::size_t steps = 8192;                  ///< of more, every other of the older half goes
  std::size_t answers = 256;                 ///< events of answers that stay, and
  std::size_t requests = 8;                  ///< of the newest of these all answers
};

class JournalWriter {
 public:
  /// Goes on behind what stands there; a line that was not finished is cut off.
  static Result<JournalWriter> open(const std::filesystem::path& file,
                                    const JournalLimits& limits = {});
  /// `event` is an object with "event". A full disk loses nothing: what could not be written waits,
  /// and is tried again with the next one (then the error is only told); progress does not wait.
  Status append(Json event);
  /// Tries again what waits; done where nothing does.
  Status flush();
  std::uint64_t last() const { return last_; }  ///< number; 0: none
  /// The next event's number is higher by so many: behind any that was told and is here no more.
  void skip(std::uint64_t numbers) { last_ += numbers; }

 private:
  JournalWriter() = default;
  Status write_anew();
  Status replace_by(const std::filesystem::path& fresh);

  std::filesystem::path file_;
  JournalLimits limits_;
  Descriptor descriptor_;
  std::uint64_t last_ = 0;
  std::size_t bytes_ = 0, anew_above_ = 0;
  std::string waiting_;
};

/// What stays of a journal's lines when it is written anew.
std::vector<std::string> kept_lines(const std::vector<std::string>& lines,
                                    const JournalLimits& limits);

/// The number that a line begins with; 0: it is none of ours.
std::uint64_t line_number(const std::string& line);

class JournalReader {
 public:
  JournalReader(std::filesystem::path file, std::uint64_t after)
      : file_(std::move(file)), after_(after) {}
  /// Whole lines with a number above what was read; none where there is nothing new.
  Result<std::vector<std::string>> read_on();
  std::uint64_t last() const { return after_; }

 private:
  Status open_newest();

  std::filesystem::path file_;
  std::uint64_t after_;
  Descriptor descriptor_;
  std::string begun_;  ///< of a line whose end is not there yet
};

}  // namespace luthier
