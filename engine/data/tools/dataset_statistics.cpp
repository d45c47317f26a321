// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/dataset_statistics.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/tools/row_texts.h"

namespace luthier {

namespace {

constexpr std::size_t kMostDistinct = 200'000, kShownAnswers = 30, kShownAnswer = 200;

/// What one thread has seen.
struct Seen {
  std::size_t unreadable = 0, with_pictures = 0;
  std::vector<double> tokens, learned, turns, words, pictures, widths, heights;
  std::unordered_map<std::string, std::size_t> answers;
  bool counted = true;
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
      const auto size = read_image_size(part.image);
      if (!size) continue;
      seen.widths.push_back(size->width);
      seen.heights.push_back(size->height);
    }
  seen.pictures.push_back(static_cast<double>(count));
  seen.with_pictures += count > 0;
}

void look_at_row(Seen& seen, const Dataset& dataset, std::size_t row,
                 const StatisticsRequest& request) {
  const RowKind& kind = request.kind ? *request.kind : any_rows();
  const auto conversation = read_row(dataset, row, kind);
  if (!conversation) {
    ++seen.unreadable;
    return;
  }
  seen.turns.push_back(static_cast<double>(conversation->messages.size()));
  look_at_pictures(seen, *conversation, request.pictures);
  if (const std::string answer = trimmed(answer_text(*conversation)); !answer.empty()) {
    seen.words.push_back(static_cast<double>(words_of(answer)));
    const std::string shown = shortened(answer, kShownAnswer);
    if (seen.answers.size() < kMostDistinct || seen.answers.contains(shown))
      ++seen.answers[shown];
    else
      seen.counted = false;
  }
  if (!request.processor) return;
  RowEncoding how;
  how.loss_on = request.loss_on;
  how.outline = true;
  const auto encoded = kind.encode(*conversation, *request.processor, how, dataset.where(row));
  if (!encoded) return;
  seen.tokens.push_back(static_cast<double>(encoded->tokens()));
  seen.learned.push_back(static_cast<double>(encoded->labels()));
}

}  // namespace

Result<DatasetStatistics> dataset_statistics(const Dataset& dataset,
                                             const StatisticsRequest& request,
                                             const RowProgress& progress) {
  std::vector<Seen> seen(kMostRowWorkers);
  LUTHIER_CHECK(for_rows(dataset.size(), progress,
                         [&](std::size_t first, std::size_t last, std::size_t thread) {
                           for (std::size_t row = first; row < last; ++row)
                             look_at_row(seen[thread], dataset, row, request);
                         }));
  DatasetStatistics made;
  made.rows = dataset.size();
  Seen all;
  for (Seen& each : seen) {
    made.unreadable += each.unreadable;
    made.with_pictures += each.with_pictures;
    made.answers_counted = made.answers_counted && each.counted;
    const auto join = [](std::vector<double>& to, const std::vector<double>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    join(all.tokens, each.tokens);
    join(all.learned, each.learned);
    join(all.turns, each.turns);
    join(all.words, each.words);
    join(all.pictures, each.pictures);
    join(all.widths, each.widths);
    join(all.heights, each.heights);
    for (const auto& [answer, count] : each.answers) all.answers[answer] += count;
  }
  for (const double count : all.pictures) made.pictures += static_cast<std::size_t>(count);
  made.tokens = histogram_of(std::move(all.tokens));
  made.learned = histogram_of(std::move(all.learned));
  made.turns = histogram_of(std::move(all.turns));
  made.answer_words = histogram_of(std::move(all.words));
  made.pictures_per_row = histogram_of(std::move(all.pictures));
  made.widths = histogram_of(std::move(all.widths));
  made.heights = histogram_of(std::move(all.heights));
  made.distinct_answers = all.answers.size();
  made.answers.assign(all.answers.begin(), all.answers.end());
  const std::size_t shown = std::min(kShownAnswers, made.answers.size());
  std::partial_sort(made.answers.begin(), made.answers.begin() + static_cast<std::ptrdiff_t>(shown),
                    made.answers.end(), [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  made.answers.resize(shown);
  return made;
}

}  // namespace luthier
