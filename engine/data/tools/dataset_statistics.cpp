// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/dataset_statistics.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/tools/row_texts.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

constexpr std::size_t kMostDistinct = 200'000, kShownAnswers = 30, kShownAnswer = 200;

/// How many rows have an answer, and the first of them: its text is read again where it is shown.
/// Of more rows than these numbers hold the index alone would take 64 GiB.
struct SeenAnswer {
  std::uint32_t rows = 0, first = 0;
};

/// Of pictures' headers: a row's is asked for twice, and rows may share one.
class PictureSizes {
 public:
  Result<ImageSize> of(const std::filesystem::path& picture) {
    constexpr std::size_t kMostKnown = 4096;
    if (is_inline_picture(picture)) return read_image_size(picture);  // as long as its row
    if (const auto known = known_.find(picture.native()); known != known_.end())
      return known->second;
    if (known_.size() >= kMostKnown) known_.clear();
    return known_.emplace(picture.native(), read_image_size(picture)).first->second;
  }

 private:
  std::unordered_map<std::string, Result<ImageSize>> known_;
};

/// What one thread has seen.
struct Seen {
  PictureSizes sizes;
  std::size_t unreadable = 0, with_pictures = 0;
  CountedValues tokens, learned, turns, words, pictures, widths, heights;
};

/// What all threads have seen: texts that are all different would stand there once for each thread.
class SeenAnswers {
 public:
  void add(const std::string& answer, std::size_t row) {
    const std::uint64_t whole = std::hash<std::string>()(answer);
    const std::lock_guard lock(mutex_);
    if (const auto known = answers_.find(whole); known != answers_.end()) {
      ++known->second.rows;
      known->second.first = std::min(known->second.first, static_cast<std::uint32_t>(row));
    } else if (answers_.size() < kMostDistinct) {
      answers_.emplace(whole, SeenAnswer{1, static_cast<std::uint32_t>(row)});
    } else {
      counted_ = false;
    }
  }
  /// Once no thread adds any more.
  const std::unordered_map<std::uint64_t, SeenAnswer>& answers() const { return answers_; }
  bool counted() const { return counted_; }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, SeenAnswer> answers_;  ///< by a hash of the whole answer
  bool counted_ = true;
};

std::size_t words_of(const std::string& text) {
  std::size_t count = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    count += !blank && !inside;
    inside = !blank;
  }
  return count;
}

void look_at_pictures(Seen& seen, const Conversation& row, bool sizes) {
  std::size_t count = 0;
  for (const Message& turn : row.messages)
    for (const ContentPart& part : turn.content) {
      if (part.kind != ContentPart::Kind::Image) continue;
      ++count;
      if (!sizes) continue;
      const auto size = seen.sizes.of(part.image);
      if (!size) continue;
      ++seen.widths[size->width];
      ++seen.heights[size->height];
    }
  ++seen.pictures[static_cast<double>(count)];
  seen.with_pictures += count > 0;
}

void look_at_row(Seen& seen, SeenAnswers& answers, const Dataset& dataset, std::size_t row,
                 const StatisticsRequest& request) {
  const RowKind& kind = request.kind ? *request.kind : any_rows();
  const auto conversation = read_row(dataset, row, kind);
  if (!conversation) {
    ++seen.unreadable;
    return;
  }
  ++seen.turns[static_cast<double>(conversation->messages.size())];
  look_at_pictures(seen, *conversation, request.pictures);
  if (const std::string answer = trimmed(answer_text(*conversation)); !answer.empty()) {
    ++seen.words[static_cast<double>(words_of(answer))];
    answers.add(answer, row);
  }
  if (!request.processor) return;
  RowEncoding how;
  how.loss_on = request.loss_on;
  how.outline = true;
  how.size_of = [&seen](const std::filesystem::path& path) { return seen.sizes.of(path); };
  const auto encoded = kind.encode(*conversation, *request.processor, how, dataset.where(row));
  if (!encoded) return;
  ++seen.tokens[static_cast<double>(encoded->tokens())];
  ++seen.learned[static_cast<double>(encoded->labels())];
}

/// Those of most rows; of equals those that come first.
std::vector<std::pair<std::string, std::size_t>> most_frequent(
    const std::unordered_map<std::uint64_t, SeenAnswer>& seen, const Dataset& dataset,
    const RowKind& kind) {
  std::vector<SeenAnswer> answers;
  answers.reserve(seen.size());
  for (const auto& [whole, answer] : seen) answers.push_back(answer);
  const std::size_t shown = std::min(kShownAnswers, answers.size());
  std::partial_sort(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(shown),
                    answers.end(), [](const SeenAnswer& a, const SeenAnswer& b) {
                      return a.rows != b.rows ? a.rows > b.rows : a.first < b.first;
                    });
  std::vector<std::pair<std::string, std::size_t>> texts;
  for (std::size_t i = 0; i < shown; ++i)
    if (const auto row = read_row(dataset, answers[i].first, kind))
      texts.emplace_back(shortened(trimmed(answer_text(*row)), kShownAnswer), answers[i].rows);
  return texts;
}

}  // namespace

Result<DatasetStatistics> dataset_statistics(const Dataset& dataset,
                                             const StatisticsRequest& request,
                                             const RowProgress& progress) {
  std::vector<Seen> seen(kMostRowWorkers);
  SeenAnswers answers;
  LUTHIER_CHECK(for_rows(dataset.size(), progress,
                         [&](std::size_t first, std::size_t last, std::size_t thread) {
                           for (std::size_t row = first; row < last; ++row)
                             look_at_row(seen[thread], answers, dataset, row, request);
                         }));
  DatasetStatistics made;
  made.rows = dataset.size();
  Seen all;
  for (const Seen& each : seen) {
    made.unreadable += each.unreadable;
    made.with_pictures += each.with_pictures;
    const auto join = [](CountedValues& to, const CountedValues& from) {
      for (const auto& [value, count] : from) to[value] += count;
    };
    join(all.tokens, each.tokens);
    join(all.learned, each.learned);
    join(all.turns, each.turns);
    join(all.words, each.words);
    join(all.pictures, each.pictures);
    join(all.widths, each.widths);
    join(all.heights, each.heights);
  }
  for (const auto& [count, rows] : all.pictures)
    made.pictures += static_cast<std::size_t>(count) * rows;
  made.tokens = histogram_of(all.tokens);
  made.learned = histogram_of(all.learned);
  made.turns = histogram_of(all.turns);
  made.answer_words = histogram_of(all.words);
  made.pictures_per_row = histogram_of(all.pictures);
  made.widths = histogram_of(all.widths);
  made.heights = histogram_of(all.heights);
  made.answers_counted = answers.counted();
  made.distinct_answers = answers.answers().size();
  made.answers =
      most_frequent(answers.answers(), dataset, request.kind ? *request.kind : any_rows());
  return made;
}

}  // namespace luthier
