// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/classify.h"

#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/data/row_kind.h"
#include "engine/device/failure.h"

namespace luthier {

namespace {

using Says = ClassOptions::Says;

/// Of one row's or word's numbers before softmax or sigmoid: [classes].
ClassSaid said_of(const ClassOptions& classes, const torch::Tensor& logits) {
  ClassSaid said;
  const torch::Tensor numbers = classes.says == Says::One       ? logits.softmax(0)
                                : classes.says == Says::Several ? logits.sigmoid()
                                                                : logits;
  const torch::Tensor here = numbers.to(torch::kFloat64).contiguous();
  said.numbers.assign(here.const_data_ptr<double>(), here.const_data_ptr<double>() + here.numel());
  if (classes.says == Says::One) said.chosen = {logits.argmax(0).item<std::int64_t>()};
  if (classes.says == Says::Several)
    for (std::size_t i = 0; i < said.numbers.size(); ++i)
      if (said.numbers[i] > 0.5) said.chosen.push_back(static_cast<std::int64_t>(i));
  return said;
}

RowSaid said_of_row(Classifier& model, const EncodedRow& row, const torch::Device& device) {
  const ClassOptions& classes = model.classes();
  const Example& example = row.sequences.front();
  const torch::Tensor logits =
      model.classify(to_device(collate(std::vector<const Example*>{&example}), device))
          .to(torch::kFloat32)
          .cpu();
  RowSaid said;
  if (classes.of != ClassOptions::Of::Token) {
    said.said.push_back(said_of(classes, logits[0]));
    said.said.front().wanted = row.targets;
    return said;
  }
  for (std::size_t at = 0; at < example.labels.size(); ++at) {
    if (example.labels[at] == kIgnoreLabel) continue;
    said.said.push_back(said_of(classes, logits[static_cast<std::int64_t>(at)]));
    said.said.back().wanted = {static_cast<double>(example.labels[at])};
  }
  return said;
}

/// Whether a row has a score for each class that it belongs to one of.
bool has_scores(const ClassOptions& classes, const std::vector<double>& wanted) {
  return classes.says == Says::One && wanted.size() > 1;
}

/// The classes that a label names; of scores the highest one's.
std::vector<std::int64_t> wanted_classes(const ClassOptions& classes,
                                         const std::vector<double>& wanted) {
  if (has_scores(classes, wanted))
    return {std::max_element(wanted.begin(), wanted.end()) - wanted.begin()};
  if (classes.says == Says::One) return {static_cast<std::int64_t>(wanted.front())};
  std::vector<std::int64_t> named;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] > 0.5) named.push_back(static_cast<std::int64_t>(i));
  return named;
}

}  // namespace

Result<std::vector<RowSaid>> classify_rows(LoadedModel& model, const Dataset& rows,
                                           const std::function<bool()>& go_on) try {
  const torch::NoGradGuard no_grad;
  Classifier* classifier = model.model->classifier();
  if (!classifier)
    return input_error("The checkpoint has no head of classes.", model.folder.string(),
                       "`luthier-cli head MODEL --classes A,B --out DIR` gives it one, drawn "
                       "anew, and objective: classification trains it.");
  std::vector<RowSaid> all;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (go_on && !go_on()) return interrupted_error();
    LUTHIER_TRY(const Conversation row, read_row(rows, i, class_rows()));
    LUTHIER_TRY(const EncodedRow encoded,
                class_rows().encode(row, *model.processor, RowEncoding(), rows.where(i)));
    all.push_back(said_of_row(*classifier, encoded, model.model->device()));
    all.back().where = rows.where(i);
  }
  return all;
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("Memory ran out over a row.", model.folder.string()),
      machine_error("The rows could not be told apart: " + first_line(problem.what()),
                    model.folder.string()));
}

ClassScores class_scores(const ClassOptions& classes, const std::vector<RowSaid>& rows) {
  const auto count = static_cast<std::size_t>(classes.numbers());
  std::vector<double> both(count), chosen(count), wanted(count);
  ClassScores scores;
  double right = 0, error = 0, numbers = 0;
  for (const RowSaid& row : rows) {
    for (const ClassSaid& said : row.said) {
      if (said.wanted.empty()) continue;
      ++scores.judged;
      if (classes.says == Says::Number) {
        for (std::size_t i = 0; i < said.wanted.size(); ++i, ++numbers)
          error += std::abs(said.numbers[i] - said.wanted[i]);
        continue;
      }
      const std::vector<std::int64_t> named = wanted_classes(classes, said.wanted);
      right += has_scores(classes, said.wanted)
                   ? said.wanted[static_cast<std::size_t>(said.chosen.front())]
               : named == said.chosen ? 1
                                      : 0;
      for (const std::int64_t each : named) ++wanted[static_cast<std::size_t>(each)];
      for (const std::int64_t each : said.chosen) {
        ++chosen[static_cast<std::size_t>(each)];
        if (std::find(named.begin(), named.end(), each) != named.end())
          ++both[static_cast<std::size_t>(each)];
      }
    }
  }
  if (scores.judged == 0) return scores;
  scores.accuracy = right / static_cast<double>(scores.judged);
  scores.mean_error = numbers > 0 ? error / numbers : 0;
  double sum = 0, met = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (wanted[i] + chosen[i] == 0) continue;
    sum += 2 * both[i] / (wanted[i] + chosen[i]);
    ++met;
  }
  scores.macro_f1 = met > 0 ? sum / met : 0;
  return scores;
}

}  // namespace luthier
