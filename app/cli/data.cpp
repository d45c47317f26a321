// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>
#include <optional>

#include "app/cli/data.h"
#include "app/cli/pixels.h"
#include "engine/config/kinds.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

namespace {

struct DataOptions {
  std::string dataset, model, image_folder, objective, loss_on = "completion";
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
  LUTHIER_TRY(const auto dataset, Dataset::open({o.dataset}, o.image_folder));
  DatasetCheck how;
  how.max_length = o.max_length;
  how.loss_on = loss_on_from_name(o.loss_on);
  if (!o.objective.empty()) how.kind = find_row_kind(objective_kind(o.objective).row_kind);
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
    return input_error("No row is usable.", o.dataset,
                       "Each finding says what is wrong with its row.");
  return {};
}

}  // namespace

Action add_data(CLI::App& app) {
  const auto o = std::make_shared<DataOptions>();
  app.require_subcommand(1);
  CLI::App* label = app.add_subcommand(
      "label", "Answer rows with a model, and write those that it is sure of as rows to train on");
  CLI::App* select =
      app.add_subcommand("select", "Write the rows that tell a model most (FisherSFT)");
  CLI::App* show =
      app.add_subcommand("show", "One row as the model gets it: tokens, positions and pixels");
  const Action labels = add_data_label(*label), selects = add_data_select(*select),
               shows = add_data_show(*show);
  CLI::App* sub = app.add_subcommand(
      "check", "Check every row before training: pictures, marks, answers, lengths, duplicates");
  sub->add_option("DATASET", o->dataset, "A JSONL or JSON file")->required();
  sub->add_option("--model", o->model, "The checkpoint whose tokenizer and processor count")
      ->required();
  sub->add_option("--image-folder", o->image_folder,
                  "Where relative picture paths start (else beside the dataset's file)");
  sub->add_option("--max-length", o->max_length, "Tokens a row may have; 0: no limit")
      ->capture_default_str();
  std::vector<std::string> objectives;
  for (const ObjectiveKind& kind : objective_kinds()) objectives.emplace_back(kind.name);
  sub->add_option("--objective", o->objective,
                  "The objective that the rows are for (else whichever a row fits)")
      ->check(CLI::IsMember(objectives));
  sub->add_option("--loss-on", o->loss_on, "completion, assistant or all")
      ->check(CLI::IsMember({"completion", "assistant", "all"}))
      ->capture_default_str();
  add_pixel_options(*sub, o->pixels);
  sub->add_flag("--json", o->json, "One JSON document on stdout");
  return [o, label, select, show, labels, selects, shows]() -> Ending {
    if (show->parsed()) return shows();
    if (label->parsed()) return labels();
    if (select->parsed()) return selects();
    return check(*o);
  };
}

}  // namespace luthier::cli
