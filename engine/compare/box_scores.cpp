// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/box_scores.h"

#include "engine/compare/scores.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/boxes/place_tokenizer.h"
#include "engine/rewards/box_pairs.h"

namespace luthier {

namespace {

std::filesystem::path folder_of(const Comparison& comparison, std::size_t column) {
  const ComparisonColumn& own = comparison.columns[column];
  return own.whole ? std::filesystem::path(own.adapter) : comparison.model;
}

/// Nothing: the model's folder does not say how it sees pictures.
std::optional<std::map<std::string, double>> scores_of(const BoxAnswer& asked) {
  const BoxNotation& notation = box_notation_of(asked.folder);
  std::unique_ptr<ImageProcessor> pictures;
  if (notation.counts_seen_pixels())
    if (auto loaded = ImageProcessor::load(asked.folder, {}, asked.image)) pictures = loaded.take();
  const auto expected =
      boxes_text(asked.sample.conversation, {&notation, pictures.get()}, asked.sample.where);
  if (!expected) return {};
  std::map<std::string, double> scores = score_answer(asked.text, *expected);
  scores.erase("bleu");
  scores["box"] = box_overlap(notation.read(asked.text), notation.read(*expected));
  return scores;
}

}  // namespace

std::optional<BoxAnswer> box_answer(const Comparison& comparison, std::size_t row,
                                    std::size_t column, const ComparisonAnswer& answer) {
  const Sample& sample = comparison.rows[row].sample;
  if (!answer.whole() || !sample.expected() || !holds_boxes(sample.conversation)) return {};
  return BoxAnswer{sample, folder_of(comparison, column), comparison.columns[column].image,
                   answer.text};
}

std::map<std::string, double> box_scores(const BoxAnswer& asked) {
  if (auto scores = scores_of(asked)) return *std::move(scores);
  std::map<std::string, double> scores;
  if (const auto expected = asked.sample.expected()) scores = score_answer(asked.text, *expected);
  for (const char* key : {"box", "bleu"}) scores.erase(key);
  return scores;
}

void put_answer(Comparison& comparison, std::size_t row, std::size_t column,
                ComparisonAnswer answer) {
  ComparisonRow& cells = comparison.rows[row];
  const auto boxes = box_answer(comparison, row, column, answer);
  if (!boxes) return put_answer(cells, column, std::move(answer));
  answer.scores = box_scores(*boxes);
  answer.bleu = {};  // words' measures say nothing of numbers' places
  cells.answers[column] = std::move(answer);
}

}  // namespace luthier
