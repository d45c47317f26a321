// SPDX-License-Identifier: GPL-3.0-or-later
// Looking at a dataset and writing a better one: statistics, search, a cleaned copy, splits. The
// original is never written.
#include <atomic>
#include <cmath>
#include <memory>
#include <set>

#include "app/cli/data.h"
#include "app/cli/data_columns.h"
#include "app/cli/pixels.h"
#include "engine/data/row_kind.h"
#include "engine/data/row_writing.h"
#include "engine/data/tools/dataset_copy.h"
#include "engine/data/tools/dataset_statistics.h"
#include "engine/data/tools/finding_kinds.h"
#include "engine/data/tools/near_duplicates.h"
#include "engine/data/tools/row_fixes.h"
#include "engine/data/tools/row_search.h"
#include "engine/data/tools/row_texts.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

namespace {

bool tools_go_on(std::size_t, std::size_t) { return !interrupted().stop_requested(); }

Json histogram_json(const Histogram& histogram) {
  return {{"values", histogram.values},   {"minimum", histogram.minimum},
          {"maximum", histogram.maximum}, {"mean", histogram.mean},
          {"median", histogram.median},   {"p95", histogram.high},
          {"edges", histogram.edges},     {"counts", histogram.counts}};
}

std::string spread(const char* name, const Histogram& histogram) {
  char text[160];
  std::snprintf(text, sizeof text, "%-18s mean %.1f, median %.0f, 95 %% below %.0f, %.0f to %.0f",
                name, histogram.mean, histogram.median, histogram.high, histogram.minimum,
                histogram.maximum);
  return text;
}

struct StatsOptions {
  RowOptions rows;
  std::string model, loss_on = "completion";
  MediaLimits pixels;
  bool json = false;
};

Status stats(const StatsOptions& o) {
  LUTHIER_TRY(const auto dataset, open_rows(o.rows));
  std::shared_ptr<const ChatProcessor> processor;
  if (!o.model.empty()) {
    LUTHIER_TRY(processor, load_processor(o.model, o.pixels));
  }
  StatisticsRequest request;
  request.processor = processor.get();
  request.kind = &row_kind_of(o.rows);
  request.loss_on = loss_on_from_name(o.loss_on);
  LUTHIER_TRY(const DatasetStatistics made, dataset_statistics(*dataset, request, tools_go_on));
  const std::pair<const char*, const Histogram*> spreads[] = {{"tokens", &made.tokens},
                                                              {"learned", &made.learned},
                                                              {"turns", &made.turns},
                                                              {"answer_words", &made.answer_words},
                                                              {"pictures", &made.pictures_per_row},
                                                              {"width", &made.widths},
                                                              {"height", &made.heights}};
  if (o.json) {
    Json answers = Json::array(), all = Json::object();
    for (const auto& [answer, count] : made.answers)
      answers.push_back({{"answer", answer}, {"rows", count}});
    for (const auto& [name, histogram] : spreads) all[name] = histogram_json(*histogram);
    print_json({{"rows", made.rows},
                {"unreadable", made.unreadable},
                {"rows_with_pictures", made.with_pictures},
                {"pictures", made.pictures},
                {"distinct_answers", made.distinct_answers},
                {"answers_counted", made.answers_counted},
                {"answers", std::move(answers)},
                {"histograms", std::move(all)}});
    return {};
  }
  const auto number = [](std::size_t value) { return grouped(static_cast<std::int64_t>(value)); };
  print_line(number(made.rows) + " rows, " + number(made.unreadable) + " of them unreadable, " +
             number(made.with_pictures) + " with pictures");
  for (const auto& [name, histogram] : spreads)
    if (histogram->values > 0) print_line(spread(name, *histogram));
  print_line(number(made.distinct_answers) + (made.answers_counted ? "" : "+") +
             " different answers; the most frequent:");
  for (std::size_t i = 0; i < std::min<std::size_t>(10, made.answers.size()); ++i)
    print_line("  " + number(made.answers[i].second) + "  " + made.answers[i].first);
  return {};
}

struct SearchOptions {
  RowOptions rows;
  std::string text;
  std::vector<std::string> where;
  std::size_t most = 20;
  bool json = false;
};

Result<RowQuery> query_of(const std::string& text, const std::vector<std::string>& where) {
  RowQuery query;
  query.text = text;
  for (const std::string& condition : where) {
    LUTHIER_TRY(RowCondition one, row_condition(condition));
    query.conditions.push_back(std::move(one));
  }
  return query;
}

/// Where nothing was found: whether that is because no row has a column that is asked about.
Status check_conditions(const Dataset& dataset, const RowQuery& query) {
  for (const RowCondition& condition : query.conditions) {
    std::atomic<bool> there = false;
    LUTHIER_CHECK(for_rows(dataset.size(), tools_go_on,
                           [&](std::size_t first, std::size_t last, std::size_t) {
                             for (std::size_t row = first; row < last && !there; ++row)
                               if (const auto json = dataset.row(row))
                                 if (column_value(*json, condition.column)) there = true;
                           }));
    if (!there) return no_such_column(dataset, condition.column, "--where");
  }
  return {};
}

Status search(const SearchOptions& o) {
  LUTHIER_TRY(const RowQuery query, query_of(o.text, o.where));
  LUTHIER_TRY(const auto dataset, open_rows(o.rows));
  LUTHIER_TRY(const auto found, find_rows(*dataset, query, tools_go_on));
  if (found.empty()) LUTHIER_CHECK(check_conditions(*dataset, query));
  if (o.json) {
    Json rows = Json::array();
    for (const std::size_t row : found) rows.push_back(row + 1);
    print_json({{"rows", dataset->size()}, {"found", std::move(rows)}});
    return {};
  }
  for (std::size_t i = 0; i < std::min(o.most, found.size()); ++i) {
    std::string words;
    if (const auto row = dataset->row(found[i]))
      each_text(*row, [&](const std::string&, std::string_view text) {
        words += (words.empty() ? "" : " · ") + std::string(text.substr(0, 80));
        return words.size() < 200;
      });
    print_line("row " + std::to_string(found[i] + 1) + ": " + words);
  }
  print_line(grouped(static_cast<std::int64_t>(found.size())) + " of " +
             grouped(static_cast<std::int64_t>(dataset->size())) + " rows.");
  return {};
}

struct CleanOptions {
  RowOptions rows;
  std::string model, out, text, form = "as_written", similar;
  std::vector<std::string> where, drop, fix;
  double similarity = 0.8;
  std::int64_t max_length = 2048;
  std::size_t sample = 0;
  int variants = 0;
  std::uint64_t seed = 42;
  MediaLimits pixels;
  bool json = false;
};

CopyForm form_of(const std::string& name) {
  return name == "messages"        ? CopyForm::Messages
         : name == "conversations" ? CopyForm::Conversations
                                   : CopyForm::AsWritten;
}

/// What the findings of a check, and rows that are nearly the same, come to. Rows that are unusable
/// are dropped where nothing else was asked.
Result<std::vector<Finding>> findings_of(const CleanOptions& o, const Dataset& dataset) {
  std::vector<Finding> findings;
  if (!o.model.empty()) {
    LUTHIER_TRY(const auto processor, load_processor(o.model, o.pixels));
    DatasetCheck how;
    how.max_length = o.max_length;
    how.kind = &row_kind_of(o.rows);
    LUTHIER_TRY(DatasetReport report, check_dataset(dataset, *processor, how, tools_go_on));
    findings = std::move(report.findings);
  }
  if (!o.similar.empty()) {
    NearDuplicateRules rules;
    rules.by = o.similar == "text"      ? NearDuplicateRules::By::Text
               : o.similar == "picture" ? NearDuplicateRules::By::Picture
                                        : NearDuplicateRules::By::Both;
    rules.similarity = o.similarity;
    LUTHIER_TRY(const auto near, near_duplicates(dataset, row_kind_of(o.rows), rules, tools_go_on));
    for (Finding& finding : near_duplicate_findings(dataset, near)) {
      finding.usable = false;  // what was asked for is taken out
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

struct Cleaned {
  RowEdits edits;
  std::map<std::string, std::size_t> dropped, fixed;
};

constexpr const char* kUnknownKey = "unknown_key";

/// Every kept row with keys that are nearly known ones: put right, else dropped, as was asked.
Status clean_keys(const Dataset& dataset, bool fix, bool drop, Cleaned& made) {
  LUTHIER_TRY(KeyFixes keys, fixed_keys(dataset, made.edits, tools_go_on));
  if (!fix) {
    keys.left.insert(keys.fixed.rows());
  } else if (!keys.fixed.empty()) {
    made.edits.replaced.put(keys.fixed);
    made.fixed[kUnknownKey] += keys.fixed.size();
  }
  if (!drop) return {};
  for (const std::size_t row : keys.left.rows())
    if (made.edits.dropped.insert(row)) ++made.dropped[kUnknownKey];
  return {};
}

Result<Cleaned> cleaned(const CleanOptions& o, const Dataset& dataset) {
  Cleaned made;
  LUTHIER_TRY(const std::vector<Finding> findings, findings_of(o, dataset));
  const std::set<std::string> drop(o.drop.begin(), o.drop.end()), fix(o.fix.begin(), o.fix.end());
  bool unknown_keys = false;
  std::map<std::size_t, std::string> fixed_rows;  // as text: they may be a million
  PictureFinder pictures([] { return tools_go_on(0, 0); });
  for (std::size_t i = 0; i < findings.size(); ++i) {
    if (!tools_go_on(i, findings.size())) return interrupted_error();
    const Finding& finding = findings[i];
    if (finding.kind == kUnknownKey) {  // which is said once, of the first row that has it
      unknown_keys = true;
      continue;
    }
    if (fix.contains(finding.kind)) {
      const auto known = fixed_rows.find(finding.row);
      const auto row =
          known != fixed_rows.end() ? parse_json(known->second, o.out) : dataset.row(finding.row);
      if (row)
        if (auto fixed = fixed_row(finding.kind, *row, dataset.folder_of(finding.row), pictures)) {
          fixed_rows[finding.row] = ReplacedRows::row(finding.row, *fixed).second;
          ++made.fixed[finding.kind];
          continue;
        }
    }
    const bool asked = drop.empty() ? !finding.usable : drop.contains(finding.kind);
    if (asked && made.edits.dropped.insert(finding.row)) ++made.dropped[finding.kind];
  }
  made.edits.replaced =
      ReplacedRows(std::vector<ReplacedRows::Row>(fixed_rows.begin(), fixed_rows.end()));
  if (unknown_keys && (fix.contains(kUnknownKey) || drop.contains(kUnknownKey)))
    LUTHIER_CHECK(clean_keys(dataset, fix.contains(kUnknownKey), drop.contains(kUnknownKey), made));
  return made;
}

Status clean(const CleanOptions& o) {
  LUTHIER_CHECK(check_new_file(o.out));
  LUTHIER_TRY(const RowQuery query, query_of(o.text, o.where));
  LUTHIER_TRY(const auto dataset, open_rows(o.rows));
  LUTHIER_TRY(const Cleaned made, cleaned(o, *dataset));
  CopyRequest request;
  request.edits = made.edits;
  request.form = form_of(o.form);
  request.variants.copies = o.variants;
  request.variants.seed = o.seed;
  request.rows = kept_rows(*dataset, made.edits);
  if (!query.empty()) {
    LUTHIER_TRY(const RowList found, find_rows(*dataset, query, tools_go_on));
    if (found.empty()) LUTHIER_CHECK(check_conditions(*dataset, query));
    RowList both;
    std::set_intersection(request.rows.begin(), request.rows.end(), found.begin(), found.end(),
                          std::back_inserter(both));
    request.rows = std::move(both);
  }
  if (o.sample > 0) request.rows = sampled_rows(request.rows, o.sample, o.seed);
  LUTHIER_TRY(const CopyReport report,
              copy_rows(*dataset, request, o.out, row_kind_of(o.rows), tools_go_on));
  if (o.json) {
    print_json({{"out", o.out},
                {"rows", dataset->size()},
                {"written", report.written},
                {"dropped", made.dropped},
                {"fixed", made.fixed},
                {"unreadable", report.left_out}});
    return {};
  }
  for (const auto& [kind, count] : made.dropped)
    print_line("dropped " + grouped(static_cast<std::int64_t>(count)) + ": " + kind);
  for (const auto& [kind, count] : made.fixed)
    print_line("fixed " + grouped(static_cast<std::int64_t>(count)) + ": " + kind);
  for (const Error& error : report.unreadable) print_line("left out: " + error.sentence());
  if (const std::size_t more = report.left_out - report.unreadable.size(); more > 0)
    print_line("left out: " + grouped(static_cast<std::int64_t>(more)) + " more rows");
  print_line(grouped(static_cast<std::int64_t>(report.written)) + " of " +
             grouped(static_cast<std::int64_t>(dataset->size())) + " rows written.");
  print_line(o.out);
  return {};
}

struct SplitOptions {
  RowOptions rows;
  double share = 0.1;
  std::string by, train, validation;
  std::uint64_t seed = 42;
  bool json = false;
};

Status split(const SplitOptions& o) {
  LUTHIER_CHECK(check_new_file(o.train));
  LUTHIER_CHECK(check_new_file(o.validation));
  if (std::filesystem::path(o.train).lexically_normal() ==
      std::filesystem::path(o.validation).lexically_normal())
    return input_error("Both parts would go into one file.", o.validation,
                       "Name another one with --validation.");
  LUTHIER_TRY(const auto dataset, open_rows(o.rows));
  const RowList rows = kept_rows(*dataset, {});
  std::vector<std::string> strata;
  if (!o.by.empty()) {
    LUTHIER_TRY(strata, column_values(*dataset, o.by, tools_go_on));
  }
  const RowSplit parts = split_rows(rows, o.share, o.seed, strata);
  if (parts.validation.empty())
    return input_error("One row cannot be split.", o.rows.dataset, "Give a dataset of more rows.");
  LUTHIER_TRY(const CopyReport train,
              copy_rows(*dataset, {parts.train}, o.train, any_rows(), tools_go_on));
  const auto second =
      copy_rows(*dataset, {parts.validation}, o.validation, any_rows(), tools_go_on);
  if (!second) {  // half of a split is none
    std::error_code ignored;
    std::filesystem::remove(o.train, ignored);
    return second.error();
  }
  const CopyReport& validation = *second;
  if (o.json) {
    print_json({{"train", o.train},
                {"train_rows", train.written},
                {"validation", o.validation},
                {"validation_rows", validation.written},
                {"unreadable", train.left_out + validation.left_out}});
    return {};
  }
  print_line(grouped(static_cast<std::int64_t>(train.written)) + " rows: " + o.train);
  print_line(grouped(static_cast<std::int64_t>(validation.written)) + " rows: " + o.validation);
  return {};
}

}  // namespace

Action add_data_stats(CLI::App& app) {
  const auto o = std::make_shared<StatsOptions>();
  add_row_options(app, o->rows);
  app.add_option("--model", o->model, "The checkpoint by whose tokenizer tokens are counted");
  app.add_option("--loss-on", o->loss_on, "completion, assistant or all")
      ->check(CLI::IsMember({"completion", "assistant", "all"}))
      ->capture_default_str();
  add_pixel_options(app, o->pixels);
  app.add_flag("--json", o->json, "One JSON document on stdout, with the histograms");
  return [o] { return stats(*o); };
}

Action add_data_search(CLI::App& app) {
  const auto o = std::make_shared<SearchOptions>();
  add_row_options(app, o->rows);
  app.add_option("TEXT", o->text, "What some text of the row holds, in any case of letters");
  app.add_option("--where", o->where,
                 "Conditions on columns: label=cat, answer~red, score>0.5, answer= (empty)");
  app.add_option("--most", o->most, "Rows that are shown")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout, with every row's number");
  return [o] { return search(*o); };
}

Action add_data_clean(CLI::App& app) {
  const auto o = std::make_shared<CleanOptions>();
  add_row_options(app, o->rows);
  app.add_option("--out", o->out, "The file to write (JSONL), which is not there yet")->required();
  app.add_option("--model", o->model,
                 "The checkpoint by which rows are checked; unusable ones are dropped");
  app.add_option("--max-length", o->max_length, "Tokens a row may have; 0: no limit")
      ->check(CLI::Range(0, 16'777'216))
      ->capture_default_str();
  app.add_option("--drop", o->drop, "Findings whose rows are dropped (else all unusable rows)")
      ->check(CLI::IsMember(finding_kinds()));
  app.add_option("--fix", o->fix,
                 "Findings that are put right: image_marks unknown_key "
                 "missing_image")
      ->check(CLI::IsMember({"image_marks", "unknown_key", "missing_image"}));
  app.add_option("--near-duplicates", o->similar,
                 "Drop rows that are nearly an earlier one: by both, text or picture")
      ->check(CLI::IsMember({"both", "text", "picture"}));
  app.add_option("--similarity", o->similarity, "Of texts that count as nearly the same")
      ->check(CLI::Range(0.1, 1.0))
      ->capture_default_str();
  app.add_option("--text", o->text, "Only rows that hold this text");
  app.add_option("--where", o->where, "Only rows that meet these conditions, as search has them");
  app.add_option("--sample", o->sample, "At most so many rows, drawn by the seed")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--seed", o->seed, "Of the draw")->capture_default_str();
  app.add_option("--variants", o->variants,
                 "So often each row with pictures comes once more, its pictures lighter or darker, "
                 "of other contrast, cut at the edges")
      ->check(CLI::Range(0, 20));
  app.add_option("--form", o->form,
                 "as_written, messages, or conversations (LLaVA's from and value)")
      ->check(CLI::IsMember({"as_written", "messages", "conversations"}))
      ->capture_default_str();
  add_pixel_options(app, o->pixels);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return clean(*o); };
}

Action add_data_split(CLI::App& app) {
  const auto o = std::make_shared<SplitOptions>();
  add_row_options(app, o->rows);
  app.add_option("--train", o->train, "The file of the rows to train on, not there yet")
      ->required();
  app.add_option("--validation", o->validation, "The file of the others, not there yet")
      ->required();
  app.add_option("--share", o->share, "The share of the rows for validation")
      ->check(CLI::Range(0.0001, 0.9999))
      ->capture_default_str();
  app.add_option("--by", o->by, "A column of whose every value that share is taken");
  app.add_option("--seed", o->seed, "Of the draw")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return split(*o); };
}

}  // namespace luthier::cli
