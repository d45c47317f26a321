// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/sample_log.h"

#include <algorithm>
#include <fstream>

#include "engine/data/written_prompt.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostSampleBytes = 16u << 20;
constexpr std::int64_t kMostSamples = 4096;

/// A sample is asked once, and known by its first question.
void add_question(SampleLog& log, SampleQuestion question) {
  const bool there =
      std::any_of(log.questions.begin(), log.questions.end(),
                  [&](const SampleQuestion& each) { return each.sample == question.sample; });
  if (!there) log.questions.push_back(std::move(question));
}

void add_sample_line(SampleLog& log, const Json& line, const fs::path& file) {
  const std::string where = file.filename().string();
  const auto step = json_int(line, "step", where);
  const auto number = json_int(line, "sample", where);
  const auto text = json_string(line, "text", where);
  const auto tokens = json_int(line, "tokens", where, 0);
  const auto finish = json_string(line, "finish", where, "");
  if (!step || !number || !text || !tokens || !finish) return;
  if (*step < 0 || *number < 0 || *number >= kMostSamples) return;
  if (line.contains("messages")) {
    auto asked = read_conversation(line, file.parent_path(),
                                   where + ": sample " + std::to_string(*number + 1));
    if (asked) add_question(log, {*number, asked.take()});
  }
  if (log.frames.empty() || log.frames.back().step != *step) log.frames.push_back({*step, {}});
  log.frames.back().answers.push_back({*number, *text, *tokens, *finish});
}

}  // namespace

std::string sample_line(std::int64_t step, const SampleAnswer& answer, const Conversation* asked) {
  Json line = {{"step", step}, {"sample", answer.sample}};
  if (asked) {
    line["messages"] = written_messages(asked->messages);
    if (!asked->tools.is_null()) line["tools"] = asked->tools;
  }
  line["text"] = answer.text;
  line["tokens"] = answer.tokens;
  line["finish"] = answer.finish;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<SampleLog> read_sample_log(const fs::path& file, std::uint64_t from) {
  SampleLog log;
  std::error_code problem;
  const std::uint64_t size = fs::file_size(file, problem);
  if (problem == std::errc::no_such_file_or_directory) {
    log.anew = from > 0;
    return log;
  }
  if (problem) return system_error("This file cannot be read", file, problem.value());
  log.anew = size < from;
  const std::uint64_t begin = log.anew ? 0 : from;
  log.read_to = begin;
  std::ifstream in(file, std::ios::binary);
  std::string text(static_cast<std::size_t>(std::min(size - begin, kMostSampleBytes)), '\0');
  in.seekg(static_cast<std::streamoff>(begin));
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return input_error("This file cannot be read.", file.string());
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  const bool cut = begin + text.size() < size;
  std::size_t at = 0;
  for (std::size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const auto line = parse_json(std::string_view(text).substr(at, end - at), file.string());
    if (line && line->is_object()) add_sample_line(log, *line, file);
  }
  // A single line longer than that is none that a run writes: it is passed over.
  if (at == 0 && cut) at = text.size();
  log.read_to = begin + at;
  log.more = cut && at > 0;
  return log;
}

void join_samples(SampleLog& log, SampleLog piece) {
  if (piece.anew) log = {};
  log.read_to = piece.read_to;
  log.more = piece.more;
  for (SampleQuestion& question : piece.questions) add_question(log, std::move(question));
  for (SampleFrame& frame : piece.frames) {
    if (!log.frames.empty() && log.frames.back().step == frame.step) {
      auto& answers = log.frames.back().answers;
      answers.insert(answers.end(), frame.answers.begin(), frame.answers.end());
    } else {
      log.frames.push_back(std::move(frame));
    }
  }
}

}  // namespace luthier
