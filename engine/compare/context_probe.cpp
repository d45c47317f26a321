// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/context_probe.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/base/random_stream.h"
#include "engine/base/text.h"
#include "engine/compare/context_texts.h"
#include "engine/generate/generate.h"

namespace luthier {

namespace {

constexpr std::size_t kMostSentences = 1u << 22;

std::vector<std::string> sentences_of(const std::string& text) {
  std::vector<std::string> sentences;
  std::string sentence;
  for (std::size_t i = 0; i < text.size(); ++i) {
    sentence += text[i];
    const bool ends = text[i] == '.' || text[i] == '!' || text[i] == '?' || text[i] == '\n';
    if (!ends && i + 1 < text.size()) continue;
    sentence = trimmed(sentence);
    if (!sentence.empty()) sentences.push_back(sentence);
    sentence.clear();
  }
  return sentences;
}

std::string digits_of(const std::string& text) {
  std::string digits;
  for (const char letter : text)
    if (letter >= '0' && letter <= '9') digits += letter;
  return digits;
}

Conversation asked_of(const std::string& text) {
  Conversation conversation;
  conversation.messages = {{"user", {ContentPart::of_text(text)}}};
  return conversation;
}

/// The text around the key with so many sentences of filler.
std::string text_around(const std::string& key, const std::vector<std::string>& filler,
                        std::size_t first, std::size_t count, double depth) {
  const auto before = static_cast<std::size_t>(std::llround(depth * static_cast<double>(count)));
  std::string text = kContextBeginning;
  for (std::size_t i = 0; i <= count; ++i) {
    if (i == before) text += " " + key_sentence(key);
    if (i < count) text += " " + filler[(first + i) % filler.size()];
  }
  return text + "\n" + kContextQuestion;
}

std::string depth_text(double depth) {
  char text[24];
  std::snprintf(text, sizeof text, "%.0f %%", depth * 100);
  return text;
}

}  // namespace

Result<ContextQuestion> context_question(const ChatProcessor& processor, const ContextProbe& probe,
                                         std::int64_t length, double depth, std::uint64_t trial) {
  const std::vector<std::string> filler =
      sentences_of(probe.filler.empty() ? kOwnFiller : probe.filler);
  if (filler.empty())
    return input_error("The filler holds no sentence.", "--filler", "Give a file with text.");
  const auto place = static_cast<std::uint64_t>(std::llround(depth * 1e6));
  RandomStream stream(probe.seed, static_cast<std::uint64_t>(length) * 0x10001u + place, trial);
  std::string key(1, static_cast<char>('1' + stream.below(9)));
  while (key.size() < static_cast<std::size_t>(probe.digits))
    key += static_cast<char>('0' + stream.below(10));
  const auto first = static_cast<std::size_t>(stream.below(static_cast<int>(filler.size())));
  const std::string where = "a text of " + std::to_string(length) + " tokens";
  const auto made = [&](std::size_t count) -> Result<ContextQuestion> {
    ContextQuestion question;
    question.sample = {asked_of(text_around(key, filler, first, count, depth)), where};
    question.key = key;
    LUTHIER_TRY(const Example prompt, processor.encode_prompt(question.sample.conversation, where));
    question.tokens = static_cast<std::int64_t>(
        prompt.source_ids.empty() ? prompt.input_ids.size() : prompt.source_ids.size());
    return question;
  };
  LUTHIER_TRY(ContextQuestion best, made(0));
  if (best.tokens > length)
    return input_error("A text of " + std::to_string(length) +
                           " tokens is too short for the key and its question, which take " +
                           std::to_string(best.tokens) + ".",
                       "--lengths", "Ask for longer ones.");
  // The most sentences that fit: doubled until they do not, then halved in between.
  std::size_t fits = 0, too_many = 1;
  for (; too_many < kMostSentences; too_many *= 2) {
    LUTHIER_TRY(ContextQuestion next, made(too_many));
    if (next.tokens > length) break;
    fits = too_many;
    best = std::move(next);
  }
  while (too_many - fits > 1) {
    const std::size_t middle = fits + (too_many - fits) / 2;
    LUTHIER_TRY(ContextQuestion next, made(middle));
    if (next.tokens > length) {
      too_many = middle;
    } else {
      fits = middle;
      best = std::move(next);
    }
  }
  best.sample.conversation.messages.push_back({"assistant", {ContentPart::of_text(key)}});
  return best;
}

Result<std::vector<ContextCell>> probe_context(
    const LoadedModel& model, const ResidentColumn& column, const ContextProbe& probe,
    const std::function<bool(std::size_t, std::size_t)>& progress) {
  LUTHIER_CHECK(check_writes_text(model));
  if (probe.lengths.empty() || probe.depths.empty() || probe.trials < 1)
    return input_error("There is nothing to ask: lengths, depths and trials are needed.",
                       "--lengths");
  GenerationOptions options;
  options.max_new_tokens = probe.new_tokens;
  options.alternatives = 0;
  const std::size_t total =
      probe.lengths.size() * probe.depths.size() * static_cast<std::size_t>(probe.trials);
  std::size_t done = 0;
  std::vector<ContextCell> cells;
  for (const std::int64_t length : probe.lengths) {
    for (const double depth : probe.depths) {
      ContextCell cell{length, depth, probe.trials, 0, 0};
      std::vector<Sample> samples;
      std::vector<std::string> keys;
      for (std::int64_t trial = 0; trial < probe.trials; ++trial) {
        LUTHIER_TRY(ContextQuestion question,
                    context_question(*column.processor, probe, length, depth,
                                     static_cast<std::uint64_t>(trial)));
        cell.tokens += static_cast<double>(question.tokens) / static_cast<double>(probe.trials);
        samples.push_back(std::move(question.sample));
        keys.push_back(std::move(question.key));
      }
      LUTHIER_CHECK(answer_columns(model, {column}, samples, {}, options,
                                   [&](std::size_t, std::size_t index, const Generated& so_far) {
                                     if (!so_far.finish.empty()) {
                                       cell.right += digits_of(so_far.text) == keys[index] ? 1 : 0;
                                       ++done;
                                     }
                                     return !progress || progress(done, total);
                                   }));
      cells.push_back(cell);
    }
  }
  return cells;
}

std::string context_table_text(const std::vector<ContextCell>& cells, const ContextProbe& probe) {
  char text[64];
  std::string table = "  tokens";
  for (const double depth : probe.depths) {
    std::snprintf(text, sizeof text, "  %8s", depth_text(depth).c_str());
    table += text;
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i % probe.depths.size() == 0) {
      std::snprintf(text, sizeof text, "\n%8lld", static_cast<long long>(cells[i].length));
      table += text;
    }
    const std::string share =
        std::to_string(cells[i].right) + " of " + std::to_string(cells[i].asked);
    std::snprintf(text, sizeof text, "  %8s", share.c_str());
    table += text;
  }
  return table + "\n";
}

Json to_json(const std::vector<ContextCell>& cells, const ContextProbe& probe) {
  Json list = Json::array();
  for (const ContextCell& cell : cells) {
    list.push_back(
        {{"length", cell.length},
         {"depth", cell.depth},
         {"prompt_tokens", cell.tokens},
         {"asked", cell.asked},
         {"right", cell.right},
         {"exact_match", static_cast<double>(cell.right) /
                             static_cast<double>(std::max<std::int64_t>(1, cell.asked))}});
  }
  return {{"format_version", 1},
          {"seed", probe.seed},
          {"trials", probe.trials},
          {"digits", probe.digits},
          {"cells", std::move(list)}};
}

}  // namespace luthier
