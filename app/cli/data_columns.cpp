// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/data_columns.h"

#include <algorithm>

#include "app/cli/data.h"
#include "engine/base/utf8.h"
#include "engine/config/kinds.h"
#include "engine/data/row_kind.h"

namespace luthier::cli {

namespace {

Status show_columns(const RowOptions& o, bool json) {
  LUTHIER_TRY(const auto dataset, open_rows(o));
  const ColumnSurvey survey = survey_columns(*dataset);
  const ColumnMap guess = guess_columns(*dataset, row_kind_of(o), survey,
                                        o.question.empty() ? "Describe the picture." : o.question);
  if (json) {
    Json columns = Json::array();
    for (const ColumnFacts& facts : survey.columns)
      columns.push_back({{"name", facts.name},
                         {"kind", facts.kind},
                         {"filled", facts.filled},
                         {"distinct", facts.distinct},
                         {"example", facts.example}});
    print_json({{"rows", dataset->size()},
                {"looked_at", survey.rows},
                {"columns", std::move(columns)},
                {"guess", column_entries(guess)},
                {"question", guess.prompt}});
    return {};
  }
  for (const ColumnFacts& facts : survey.columns)
    print_line(facts.name + "  " + facts.kind + "  " + std::to_string(facts.filled) + " of " +
               std::to_string(survey.rows) + "  " + facts.example);
  std::string line;
  for (const std::string& entry : column_entries(guess)) line += " " + entry;
  if (!guess.prompt.empty()) line += " --question \"" + guess.prompt + "\"";
  print_line(line.empty() ? "The rows are read as they are, or no column was guessed."
                          : "Guess: --columns" + line);
  return {};
}

}  // namespace

void add_row_options(CLI::App& app, RowOptions& o) {
  app.add_option("DATASET", o.dataset,
                 "Rows: JSON lines, JSON, CSV, Parquet, Arrow, tar (WebDataset), or a folder")
      ->required();
  app.add_option("--image-folder", o.image_folder,
                 "Where relative picture paths start (else beside the dataset's file)");
  app.add_option("--columns", o.columns,
                 "Which column is what, where it is called otherwise: image=photo prompt=question");
  app.add_option("--question", o.question,
                 "What is asked where rows have no question; {column} is a column's text");
  app.add_option("--answer", o.answer, "How the answer is put together; {column} likewise");
  std::vector<std::string> objectives;
  for (const ObjectiveKind& kind : objective_kinds()) objectives.emplace_back(kind.name);
  app.add_option("--objective", o.objective,
                 "The objective that the rows are for (else whichever a row fits)")
      ->check(CLI::IsMember(objectives));
}

Error no_such_column(const Dataset& dataset, const std::string& column, const std::string& where) {
  std::vector<std::string> known;
  for (const ColumnFacts& facts : survey_columns(dataset).columns) known.push_back(facts.name);
  std::string hint = "Columns are named as the rows have them: see data columns.";
  if (!known.empty() && known.size() <= 12) {
    hint = "The rows have";
    for (const std::string& name : known) hint += (name == known.front() ? " " : ", ") + name;
    hint += ".";
  }
  return input_error("No row has the column \"" + shortened(column, 60) + "\".", where, hint);
}

namespace {

/// That each column of the map is one: a name that is wrong would leave the rows as they are.
Status check_columns(const ColumnMap& columns, const Dataset& dataset) {
  constexpr std::size_t kLookedAt = 64;
  const std::size_t rows = std::min(kLookedAt, dataset.size());
  for (const auto& [target, column] : columns.columns) {
    bool there = false;
    for (std::size_t i = 0; i < rows && !there; ++i)
      if (const auto row = dataset.unmapped_row(i)) there = column_value(*row, column) != nullptr;
    if (!there && rows > 0) return no_such_column(dataset, column, "--columns");
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Dataset>> open_rows(const RowOptions& o) {
  LUTHIER_TRY(const ColumnMap columns, column_map(o.columns, o.question, o.answer));
  LUTHIER_TRY(auto dataset, Dataset::open({o.dataset}, o.image_folder, columns));
  LUTHIER_CHECK(check_columns(columns, *dataset));
  return dataset;
}

const RowKind& row_kind_of(const RowOptions& o) {
  const RowKind* kind =
      o.objective.empty() ? nullptr : find_row_kind(objective_kind(o.objective).row_kind);
  return kind ? *kind : any_rows();
}

Action add_data_columns(CLI::App& app) {
  struct Options {
    RowOptions rows;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  add_row_options(app, o->rows);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return show_columns(o->rows, o->json); };
}

}  // namespace luthier::cli
