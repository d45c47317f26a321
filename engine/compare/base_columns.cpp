// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/base_columns.h"

#include <algorithm>
#include <map>
#include <memory>

#include "engine/compare/compare.h"
#include "engine/methods/adapter.h"

namespace luthier {

namespace {

Status open_column(LoadedModel& base, const ComparisonColumn& column,
                   std::shared_ptr<Adapter>& adapter, const std::function<bool()>& go_on,
                   const std::function<Status(const LoadedModel&, const ChatProcessor&)>& work) {
  if (column.whole) {
    LoadOptions options;
    options.device = base.model->device().str();
    options.dtype = base.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
    options.pixels = base.pixels;
    if (go_on) options.go_on = [&](double) { return go_on(); };
    LUTHIER_TRY(const LoadedModel own, load_model(column.adapter, options));
    return work(own, *own.processor);
  }
  LUTHIER_TRY(const auto processor, processor_for(base, column.image));
  if (column.is_base()) return work(base, *processor);
  if (!adapter) {
    LUTHIER_TRY(adapter, load_adapter(base, column.adapter));
    adapter->set_training(false, 0);
    if (column.strength != 1) adapter->set_strength(column.strength);
  }
  const AdapterWhile hung(*adapter, /*rests=*/true);
  return work(base, *processor);
}

}  // namespace

ColumnDoor base_columns(LoadedModel& base, const std::vector<ComparisonColumn>& columns,
                        const std::function<bool()>& go_on) {
  const auto adapters = std::make_shared<std::map<std::size_t, std::shared_ptr<Adapter>>>();
  return [&base, &columns, go_on, adapters](std::size_t column, const auto& work) {
    return open_column(base, columns[column], (*adapters)[column], go_on, work);
  };
}

std::vector<ColumnName> column_names(const std::vector<ComparisonColumn>& columns) {
  std::vector<ColumnName> names;
  for (const ComparisonColumn& column : columns) names.push_back({column.name, column.strength});
  return names;
}

Status score_rows(Comparison& comparison, LoadedModel& base, const std::string& of,
                  const std::function<bool()>& go_on) {
  const auto whose = std::find_if(comparison.columns.begin(), comparison.columns.end(),
                                  [&](const auto& each) { return each.name == of; });
  if (whose == comparison.columns.end() && of != kExpectedAnswer)
    return input_error("There is no column \"" + of + "\" whose answers could be scored.",
                       "--score-answer", "Name a column, or \"expected\".");
  const auto place = static_cast<std::size_t>(whose - comparison.columns.begin());
  std::vector<ForcedAnswer> asked;
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < comparison.rows.size(); ++i) {
    const ComparisonRow& row = comparison.rows[i];
    ForcedAnswer answer{row.sample, of, {}};
    if (whose != comparison.columns.end()) {
      if (!row.answers[place].whole()) continue;
      for (const AnswerToken& token : row.answers[place].tokens) answer.ids.push_back(token.id);
    } else if (!row.sample.expected()) {
      continue;
    }
    asked.push_back(std::move(answer));
    rows.push_back(i);
  }
  if (asked.empty())
    return input_error("No row has an answer by \"" + of + "\".", "--score-answer",
                       "Rows whose last message is the assistant's have an expected one.");
  std::vector<ComparisonColumn> columns;
  std::size_t reference = 0;
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    if (comparison.columns[i].router) continue;
    if (i == comparison.reference) reference = columns.size();
    columns.push_back(comparison.columns[i]);
  }
  try {
    LUTHIER_TRY(auto scored, score_forced(asked, column_names(columns), reference,
                                          base_columns(base, columns, go_on), go_on));
    for (std::size_t i = 0; i < rows.size(); ++i)
      comparison.rows[rows[i]].scored.push_back(std::move(scored[i]));
  } catch (const std::exception& failure) {
    return answering_failure(failure, base);
  }
  return {};
}

}  // namespace luthier
