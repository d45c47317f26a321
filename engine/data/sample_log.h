// SPDX-License-Identifier: GPL-3.0-or-later
// The answers to a run's sample questions (samples.every), as its folder keeps them: a line an
// answer, all of a step together; the lines of the first step say what was asked, as `messages`.
// Read on from where it was read to while the file grows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"

namespace luthier {

inline constexpr const char* kSamplesFile = "samples.jsonl";

struct SampleAnswer {
  std::int64_t sample = 0;  ///< its number among the run's samples, from 0
  std::string text;
  std::int64_t tokens = 0;
  std::string finish;  ///< eos | length
};
/// What was answered after so many steps.
struct SampleFrame {
  std::int64_t step = 0;
  std::vector<SampleAnswer> answers;  ///< by their numbers
};
/// A question; a trailing assistant turn is the expected answer.
struct SampleQuestion {
  std::int64_t sample = 0;
  Conversation conversation;
};
struct SampleLog {
  std::vector<SampleQuestion> questions;
  std::vector<SampleFrame> frames;
  std::uint64_t read_to = 0;  ///< where the next piece begins
  bool more = false;          ///< there are whole lines behind it
  bool anew = false;          ///< the file has become shorter: this is its beginning
};

/// A line with its end; `asked`: null where the file says already what was asked.
std::string sample_line(std::int64_t step, const SampleAnswer& answer, const Conversation* asked);

/// Reads whole lines from `from` on, at most about 16 MiB of them. A file that is not there has
/// none; a broken line is passed over.
Result<SampleLog> read_sample_log(const std::filesystem::path& file, std::uint64_t from = 0);
/// Puts a piece behind those before it; a step that both have is one.
void join_samples(SampleLog& log, SampleLog piece);

}  // namespace luthier
