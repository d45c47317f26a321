// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/comparison.h"

#include <cmath>

#include "engine/compare/scores.h"

namespace luthier {

double ComparisonAnswer::confidence() const {
  if (tokens.empty()) return 0;
  double sum = 0;
  for (const AnswerToken& token : tokens) sum += token.logprob;
  return std::exp(sum / static_cast<double>(tokens.size()));
}

std::size_t Comparison::answered(std::size_t column) const {
  std::size_t count = 0;
  for (const ComparisonRow& row : rows) count += row.answers[column].whole() ? 1 : 0;
  return count;
}

std::size_t Comparison::answered() const {
  std::size_t count = 0;
  for (std::size_t column = 0; column < columns.size(); ++column) count += answered(column);
  return count;
}

void put_answer(ComparisonRow& row, std::size_t column, ComparisonAnswer answer) {
  answer.scores.clear();
  if (const auto expected = row.sample.expected(); expected && answer.whole()) {
    answer.scores = score_answer(answer.text, *expected);
    answer.bleu = bleu_counts(answer.text, *expected);
  }
  row.answers[column] = std::move(answer);
}

void count_wins(Comparison& comparison) {
  for (ComparisonRow& row : comparison.rows) {
    for (ComparisonAnswer& answer : row.answers) answer.scores.erase(kWinRate);
    if (comparison.reference >= row.answers.size()) continue;
    const auto& scores = row.answers[comparison.reference].scores;
    const auto held = scores.find(kRewardScore);
    if (held == scores.end()) continue;
    for (std::size_t column = 0; column < row.answers.size(); ++column) {
      auto& own = row.answers[column].scores;
      const auto found = own.find(kRewardScore);
      if (column == comparison.reference || found == own.end()) continue;
      own[kWinRate] = found->second > held->second ? 1 : found->second == held->second ? 0.5 : 0;
    }
  }
}

std::map<std::string, ColumnScore> column_scores(const Comparison& comparison, std::size_t column) {
  std::map<std::string, ColumnScore> scores;
  BleuCounts counts;
  for (const ComparisonRow& row : comparison.rows) {
    const ComparisonAnswer& answer = row.answers[column];
    if (!answer.whole()) continue;
    counts += answer.bleu;
    for (const auto& [key, score] : answer.scores) {
      scores[key].mean += score;
      ++scores[key].of;
    }
  }
  for (auto& [key, score] : scores) score.mean /= static_cast<double>(score.of);
  if (const auto found = scores.find("bleu"); found != scores.end())
    found->second.mean = bleu(counts, false);
  return scores;
}

}  // namespace luthier
