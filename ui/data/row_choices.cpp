// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/row_choices.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>

#include "engine/data/tools/row_texts.h"

namespace luthier {

namespace {

constexpr std::size_t kPreviewedRows = 3;

}  // namespace

Result<ColumnsLooked> looked_at(const Dataset& dataset, const RowKind& kind,
                                const std::string& question) {
  ColumnsLooked looked;
  looked.survey = survey_columns(dataset);
  looked.guess = guess_columns(dataset, kind, looked.survey, question);
  for (std::size_t row = 0; row < dataset.size() && looked.rows.size() < kPreviewedRows; ++row) {
    auto json = dataset.unmapped_row(row);
    if (!json) continue;
    looked.rows.push_back(json.take());
    looked.folders.push_back(dataset.folder_of(row));
  }
  return looked;
}

RowQuery query_of(const Dataset& dataset, const std::string& text) {
  RowQuery query;
  if (auto condition = row_condition(text)) {
    constexpr std::size_t kLooked = 16;
    for (std::size_t row = 0; row < std::min(kLooked, dataset.size()); ++row) {
      const auto json = dataset.row(row);
      if (!json || !column_value(*json, condition->column)) continue;
      query.conditions.push_back(condition.take());
      return query;
    }
  }
  query.text = text;
  return query;
}

Result<RowLengthList> text_lengths(const Dataset& dataset, const RowProgress& progress) {
  constexpr std::size_t kLongest = std::numeric_limits<std::uint32_t>::max();
  RowLengthList lengths(dataset.size());
  LUTHIER_CHECK(
      for_rows(dataset.size(), progress, [&](std::size_t first, std::size_t last, std::size_t) {
        for (std::size_t row = first; row < last; ++row)
          if (const auto json = dataset.row(row)) {
            std::size_t length = 0;
            each_text(*json, [&](const std::string&, std::string_view text) {
              length += text.size();
              return true;
            });
            lengths[row] = static_cast<std::uint32_t>(std::min(length, kLongest));
          }
      }));
  return lengths;
}

std::string rows_key(const Recipe& recipe, const std::vector<std::string>& files) {
  std::string key = recipe.image_folder;
  for (const char* field : {"dataset_columns", "dataset_prompt", "dataset_answer"})
    key += '\n' + get_field(recipe, field).take();
  for (const std::string& file : files) {
    std::error_code problem;
    const auto written = std::filesystem::last_write_time(file, problem);
    key += '\n' + file;
    if (!problem) key += '\n' + std::to_string(written.time_since_epoch().count());
  }
  return key;
}

std::vector<std::size_t> chosen_rows(RowChoice choice) {
  std::vector<std::size_t> rows;
  if (choice.found) {
    rows = std::move(*choice.found);
  } else {
    rows.resize(choice.rows);
    std::iota(rows.begin(), rows.end(), std::size_t{0});
  }
  const bool by_findings = choice.by == FindingsFirst, by_length = !by_findings && choice.lengths;
  std::vector<std::uint32_t> findings;  // how many a row has
  if (by_findings || choice.only_findings) {
    findings.resize(choice.rows);
    for (std::size_t i = 0; i < choice.findings.size(); ++i)
      if (const std::size_t row = choice.findings[i].row; row < findings.size()) ++findings[row];
  }
  const std::vector<std::uint32_t>& values = by_length ? *choice.lengths : findings;
  const auto value = [&](std::size_t row) {
    return row < values.size() ? values[row] : std::uint32_t{0};
  };
  if (choice.only_findings)
    std::erase_if(rows,
                  [&](std::size_t row) { return row >= findings.size() || findings[row] == 0; });
  if (choice.by != InFileOrder)
    // Equal ones as they stand in the file. A stable sort would take as much memory again.
    std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
      if (value(a) == value(b)) return a < b;
      return (value(a) < value(b)) == (choice.by == ShortestFirst);
    });
  return rows;
}

Result<FixedRows> fixed_rows(const Dataset& dataset, const std::string& kind, const RowList& rows,
                             const ReplacedRows& before, const RowProgress& progress) {
  FixedRows made;
  std::vector<ReplacedRows::Row> fixed;
  PictureFinder pictures([&] { return progress(0, rows.size()); });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!progress(i, rows.size())) return interrupted_error();
    const auto json = edited_row(dataset, rows[i], before);
    const auto right =
        json ? fixed_row(kind, *json, dataset.folder_of(rows[i]), pictures) : std::nullopt;
    if (right)
      fixed.push_back(ReplacedRows::row(rows[i], *right));
    else
      ++made.failed;
  }
  made.rows = ReplacedRows(std::move(fixed));
  return made;
}

}  // namespace luthier
