// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>
#include <optional>

#include "app/cli/data.h"
#include "app/cli/data_columns.h"
#include "app/cli/pixels.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

namespace {

struct DataOptions {
  RowOptions rows;
  std::string model, loss_on = "completion";
  std::int64_t max_length = 2048;
  MediaLimits pixels;
  bool json = false;
};

/// "99.9 %": rounded down, so that 100 % means every row.
std::string share_text(std::size_t part, std::size_t whole) {
  const std::size_t permille = part * 1000 / whole;
  return std::to_string(permille / 10) + "." + std::to_string(permille % 10) + " %";
}

Status check(const DataOptions& o) {
  LUTHIER_TRY(const auto processor, load_processor(o.model, o.pixels));
  LUTHIER_TRY(const auto dataset, open_rows(o.rows));
  DatasetCheck how;
  how.max_length = o.max_length;
  how.loss_on = loss_on_from_name(o.loss_on);
  if (!o.rows.objective.empty()) how.kind = &row_kind_of(o.rows);
  LUTHIER_TRY(const DatasetReport report,
              check_dataset(*dataset, *processor, how, [](std::size_t, std::size_t) {
                return !interrupted().stop_requested();
              }));
  if (interrupted().stop_requested()) return interrupted_error();
  Json findings = Json::array();
  for (const Finding& finding : report.findings) {
    const std::size_t row = finding.row + 1;  // as people count
    findings.push_back({{"row", row}, {"kind", finding.kind}, {"message", finding.message}});
    if (!o.json)
      print_line("row " + std::to_string(row) + ": " + finding.kind + ": " + finding.message);
  }
  const double share = static_cast<double>(report.usable) / static_cast<double>(report.rows);
  const std::string counted = grouped(static_cast<std::int64_t>(report.usable)) + " of " +
                              grouped(static_cast<std::int64_t>(report.rows));
  if (o.json) {
    print_json({{"rows", report.rows},
                {"usable", report.usable},
                {"share", share},
                {"findings", findings}});
  } else {
    print_line(counted + " rows are usable (" + share_text(report.usable, report.rows) + ").");
  }
  if (report.usable == 0)
    return input_error("No row is usable.", o.rows.dataset,
                       "Each finding says what is wrong with its row.");
  return {};
}

}  // namespace

Action add_data(CLI::App& app) {
  const auto o = std::make_shared<DataOptions>();
  app.require_subcommand(1);
  // Each part with what it does; the first that was named runs.
  struct Part {
    CLI::App* app;
    Action action;
  };
  const auto parts = std::make_shared<std::vector<Part>>();
  const auto add_part = [&](const char* name, const char* what, Action (*add)(CLI::App&)) {
    CLI::App* part = app.add_subcommand(name, what);
    parts->push_back({part, add(*part)});
  };
  add_part("label",
           "Answer rows with a model, and write those that it is sure of as rows to train on",
           add_data_label);
  add_part("select", "Write the rows that tell a model most (FisherSFT)", add_data_select);
  add_part("show", "One row as the model gets it: tokens, positions and pixels", add_data_show);
  add_part("columns", "Show a table's columns, and guess which is what", add_data_columns);
  add_part("stats", "Count what a dataset is made of: tokens, pictures' sizes, answers",
           add_data_stats);
  add_part("search", "Find rows by a text or by conditions on their columns", add_data_search);
  add_part("clean",
           "Write a copy without what a check finds: dropped, put right, filtered, sampled",
           add_data_clean);
  add_part("split", "Write a dataset as two files, one of them for validation", add_data_split);
  CLI::App* sub = app.add_subcommand(
      "check", "Check every row before training: pictures, marks, answers, lengths, duplicates");
  add_row_options(*sub, o->rows);
  sub->add_option("--model", o->model, "The checkpoint whose tokenizer and processor count")
      ->required();
  sub->add_option("--max-length", o->max_length, "Tokens a row may have; 0: no limit")
      ->check(CLI::Range(0, 16'777'216))
      ->capture_default_str();
  sub->add_option("--loss-on", o->loss_on, "completion, assistant or all")
      ->check(CLI::IsMember({"completion", "assistant", "all"}))
      ->capture_default_str();
  add_pixel_options(*sub, o->pixels);
  sub->add_flag("--json", o->json, "One JSON document on stdout");
  return [o, parts]() -> Ending {
    for (const Part& part : *parts)
      if (part.app->parsed()) return part.action();
    return check(*o);
  };
}

}  // namespace luthier::cli
