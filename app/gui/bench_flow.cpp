// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/bench_flow.h"

#include <QAbstractButton>
#include <QAction>
#include <QComboBox>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QScrollArea>
#include <QScrollBar>
#include <QSpinBox>
#include <QTableView>
#include <algorithm>
#include <iterator>
#include <utility>

#include "app/gui/demo.h"
#include "app/gui/loop_meter.h"
#include "ui/compare/compare_page.h"
#include "ui/compare/live_comparison.h"
#include "ui/data/row_model.h"
#include "ui/format.h"
#include "ui/main_window.h"
#include "ui/sample_source.h"

namespace luthier {

BenchFlow::BenchFlow(MainWindow& window) : window_(window), hands_(window) {}

std::string BenchFlow::text(const char* key) const { return wanted_.value(key, std::string()); }
std::int64_t BenchFlow::number(const char* key) const {
  return wanted_.value(key, std::int64_t{0});
}
std::vector<std::string> BenchFlow::texts(const char* key) const {
  return wanted_.value(key, std::vector<std::string>());
}

Status BenchFlow::run(const QString& file, const QString& out) {
  LUTHIER_TRY(wanted_, read_json_file(to_path(file)));
  const std::string flow = text("flow");
  const std::pair<const char*, Status (BenchFlow::*)()> flows[] = {
      {"compare", &BenchFlow::compare},
      {"long_run", &BenchFlow::long_run},
      {"rows", &BenchFlow::rows},
      {"findings", &BenchFlow::findings}};
  const auto wanted = std::find_if(std::begin(flows), std::end(flows),
                                   [&](const auto& each) { return flow == each.first; });
  if (wanted == std::end(flows)) return input_error("There is no such flow.", "flow");
  const Status done = (this->*wanted->second)();
  found_["flow"] = flow;
  found_["phases"] = hands_.phases();
  LUTHIER_CHECK(write_measurement(found_, out));
  return done;
}

Status BenchFlow::compare() {
  Workspace& workspace = window_.workspace();
  workspace.load_model(QString::fromStdString(text("model")));
  LUTHIER_CHECK(hands_.wait("a loaded model", [&] {
    return workspace.model() && workspace.state() == SessionState::Ready;
  }));
  window_.show_page(PageId::Compare);
  const std::vector<std::string> adapters = texts("adapters");
  LUTHIER_CHECK(hands_.phase("attach", [&] {
    for (const std::string& folder : adapters)
      workspace.attach_adapter(QString::fromStdString(folder));
    return hands_.wait("the adapters",
                       [&] { return workspace.adapters().size() == adapters.size(); });
  }));
  const auto count = static_cast<std::size_t>(number("count"));
  LUTHIER_TRY(auto* const most, hands_.find<QSpinBox>("maxTokens"));
  most->setValue(static_cast<int>(number("max_new_tokens")));
  auto* const page = static_cast<ComparePage*>(window_.page(PageId::Compare));
  auto* const comparison = page->findChild<LiveComparison*>();
  LUTHIER_CHECK(hands_.phase("samples", [&] {
    page->load_samples(QString::fromStdString(text("samples")), count);
    return hands_.wait("the samples", [&] { return comparison->data().rows.size() == count; });
  }));
  LUTHIER_CHECK(hands_.phase("answers", [&] { return answer_all(); }));
  const std::size_t answers = count * (adapters.size() + 1);
  if (comparison->data().answered() != answers)
    return machine_error("Only " + std::to_string(comparison->data().answered()) + " of " +
                         std::to_string(answers) + " answers came.");
  found_["answers"] = answers;
  std::size_t tokens = 0;
  for (const ComparisonRow& row : comparison->data().rows)
    for (const ComparisonAnswer& answer : row.answers) tokens += answer.tokens.size();
  found_["tokens"] = tokens;
  return {};
}

/// Runs all columns while a person turns the pages, scrolls, and looks at the table now and then.
Status BenchFlow::answer_all() {
  auto* const page = window_.page(PageId::Compare);
  auto* const comparison = page->findChild<LiveComparison*>();
  LUTHIER_TRY(auto* const grid, hands_.find<QScrollArea>("compareGrid"));
  LUTHIER_TRY(auto* const on, hands_.find<QAbstractButton>("nextSamples"));
  LUTHIER_TRY(auto* const back, hands_.find<QAbstractButton>("previousSamples"));
  LUTHIER_TRY(auto* const ask, hands_.find<QAbstractButton>("runAll"));
  LUTHIER_CHECK(hands_.wait("a button to run", [ask] { return ask->isEnabled(); }));
  LUTHIER_CHECK(hands_.click("runAll"));
  if (!comparison->running()) return machine_error("Nothing was asked.");
  for (int step = 0; comparison->running(); ++step) {
    hands_.pass(250);
    switch (step % 8) {
      case 1: hands_.wheel(grid->viewport(), grid->viewport()->rect().center(), -3); break;
      case 3: hands_.wheel(grid->viewport(), grid->viewport()->rect().center(), 3); break;
      case 5:
        if (on->isEnabled() && on->isVisible())
          on->click();
        else if (back->isVisible())
          back->click();
        break;
      case 6: LUTHIER_CHECK(hands_.click("viewTable")); break;
      case 7: LUTHIER_CHECK(hands_.click("viewGrid")); break;
      default: break;
    }
  }
  hands_.pass(1000);  // what was counted at the end is drawn
  return {};
}

Status BenchFlow::rows() {
  QElapsedTimer since_asked;
  const auto total = static_cast<int>(number("rows"));
  LUTHIER_TRY(auto* const table, hands_.find<QTableView>("rowTable"));
  const auto words = [table](int row) {
    const QString shown = table->model()->index(row, RowModel::Words).data().toString();
    return shown == QStringLiteral("…") ? QString() : shown;
  };
  since_asked.start();
  const auto list = [&]() -> Status {
    LUTHIER_CHECK(open_argument(window_, QString::fromStdString(text("recipe"))));
    window_.show_page(PageId::Data);
    return hands_.wait("the rows",
                       [&] { return table->model()->rowCount() == total && !words(0).isEmpty(); });
  };
  LUTHIER_CHECK(hands_.phase("list", list));
  found_["list_seconds"] = static_cast<double>(since_asked.elapsed()) / 1000;
  LUTHIER_CHECK(hands_.wait("a loaded model", [&] {
    return window_.workspace().model() && window_.workspace().forecast();
  }));
  LUTHIER_CHECK(hands_.phase("scroll", [&] { return look_through(table); }));

  LUTHIER_TRY(auto* const search, hands_.find<QLineEdit>("rowSearch"));
  const auto found = static_cast<int>(number("found"));
  LUTHIER_CHECK(hands_.phase("search", [&] {
    hands_.type(search, QString::fromStdString(text("search")));
    since_asked.start();
    return hands_.wait("the rows that were looked for",
                       [&] { return table->model()->rowCount() == found && !words(0).isEmpty(); });
  }));
  found_["search_seconds"] = static_cast<double>(since_asked.elapsed()) / 1000;
  search->clear();
  LUTHIER_CHECK(hands_.wait("all rows again", [&] { return table->model()->rowCount() == total; }));

  LUTHIER_TRY(auto* const order, hands_.find<QComboBox>("rowOrder"));
  const QString longest = QString::number(number("longest"));
  LUTHIER_CHECK(hands_.phase("sort", [&] {
    since_asked.start();
    order->setCurrentIndex(1);
    return hands_.wait("the longest row", [&] {
      return table->model()->index(0, RowModel::Number).data().toString() == longest;
    });
  }));
  found_["sort_seconds"] = static_cast<double>(since_asked.elapsed()) / 1000;
  LUTHIER_CHECK(hands_.phase("scroll sorted", [&] { return look_through(table); }));

  LUTHIER_TRY(auto* const count, hands_.find<QAction>("toolStatistics"));
  LUTHIER_CHECK(hands_.phase("statistics", [&] {
    since_asked.start();
    count->trigger();
    return hands_.wait("the statistics", [&] {
      const auto* summary = window_.findChild<QLabel*>(QStringLiteral("statisticsSummary"));
      return summary && summary->text().startsWith(grouped_text(total));
    });
  }));
  found_["statistics_seconds"] = static_cast<double>(since_asked.elapsed()) / 1000;
  return {};
}

/// Page by page, then far away at once, to the last row.
Status BenchFlow::look_through(QTableView* table) {
  constexpr int kPages = 60, kJumps = 60, kPauseMilliseconds = 25;
  QScrollBar* const bar = table->verticalScrollBar();
  bar->setValue(0);
  for (int page = 0; page < kPages; ++page) {
    hands_.wheel(table->viewport(), table->viewport()->rect().center(), -3);
    hands_.pass(kPauseMilliseconds);
  }
  for (int jump = 1; jump <= kJumps; ++jump) {
    bar->setValue(static_cast<int>(static_cast<std::int64_t>(bar->maximum()) * jump / kJumps));
    hands_.pass(kPauseMilliseconds);
  }
  const int last = table->model()->rowCount() - 1;
  return hands_.wait("the last row", [&] {
    const QString shown = table->model()->index(last, RowModel::Words).data().toString();
    return !shown.isEmpty() && shown != QStringLiteral("…");
  });
}

}  // namespace luthier
