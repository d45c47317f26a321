// SPDX-License-Identifier: GPL-3.0-or-later
// A dataset of which every row but the first has a finding: checked, filtered, put right, left out,
// and let go.
#include <QAbstractButton>
#include <QComboBox>
#include <QDialog>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QTableView>
#include <QTableWidget>

#include "app/gui/bench_flow.h"
#include "app/gui/demo.h"
#include "ui/data/row_model.h"
#include "ui/format.h"
#include "ui/main_window.h"

namespace luthier {

Status BenchFlow::findings() {
  const auto total = static_cast<int>(number("rows"));
  LUTHIER_TRY(auto* const table, hands_.find<QTableView>("rowTable"));
  LUTHIER_CHECK(open_argument(window_, QString::fromStdString(text("recipe"))));
  window_.show_page(PageId::Data);
  LUTHIER_CHECK(hands_.wait("the rows", [&] { return table->model()->rowCount() == total; }));
  LUTHIER_CHECK(hands_.wait("a loaded model", [&] {
    return window_.workspace().model() && window_.workspace().forecast();
  }));
  LUTHIER_TRY(auto* const listed, hands_.find<QTableWidget>("findingTable"));
  QElapsedTimer since;
  since.start();
  const auto check = [&]() -> Status {
    LUTHIER_CHECK(hands_.click("checkData"));
    LUTHIER_CHECK(hands_.wait("the findings", [&] { return listed->rowCount() > 0; }));
    hands_.pass(1000);  // reasons are fitted, the first row is shown
    return {};
  };
  LUTHIER_CHECK(hands_.phase("check", check));
  found_["check_seconds"] = static_cast<double>(since.elapsed()) / 1000;
  LUTHIER_CHECK(hands_.phase("filter", [&] { return filter_findings(table, total); }));
  LUTHIER_CHECK(hands_.phase("edit", [&] { return edit_findings(listed, total - 1); }));
  const auto let_go = [&]() -> Status {
    LUTHIER_CHECK(window_.workspace().set_field("dataset", text("other")));
    return hands_.wait("other rows", [&] {
      return table->model()->rowCount() > 0 && table->model()->rowCount() < total;
    });
  };
  LUTHIER_CHECK(hands_.phase("let go", let_go));
  return {};
}

Status BenchFlow::filter_findings(QTableView* table, int total) {
  LUTHIER_TRY(auto* const order, hands_.find<QComboBox>("rowOrder"));
  LUTHIER_TRY(auto* const only, hands_.find<QAbstractButton>("onlyFindings"));
  const auto first = [table] {
    return table->model()->index(0, RowModel::Number).data().toString();
  };
  constexpr int kFindingsFirst = 3;
  order->setCurrentIndex(kFindingsFirst);
  LUTHIER_CHECK(hands_.wait("a row with a finding at the top",
                            [&] { return first() == QStringLiteral("2"); }));
  order->setCurrentIndex(0);
  LUTHIER_CHECK(hands_.wait("the rows' order", [&] { return first() == QStringLiteral("1"); }));
  only->click();
  LUTHIER_CHECK(hands_.wait("rows with findings alone",
                            [&] { return table->model()->rowCount() == total - 1; }));
  only->click();
  return hands_.wait("all rows again", [&] { return table->model()->rowCount() == total; });
}

Status BenchFlow::edit_findings(QTableWidget* listed, int findings) {
  LUTHIER_TRY(auto* const made, hands_.find<QLabel>("editsMade"));
  const QString all = grouped_text(findings);
  const auto told = [&](int at) {
    return made->text().split(QStringLiteral(", ")).value(at).contains(all);
  };
  listed->setCurrentCell(0, 0);
  LUTHIER_CHECK(hands_.click("fixKind"));
  LUTHIER_CHECK(hands_.wait("the rows put right", [&] { return told(1); }));
  LUTHIER_CHECK(hands_.click("dropKind"));
  LUTHIER_CHECK(hands_.wait("the rows left out", [&] { return told(0); }));
  LUTHIER_CHECK(hands_.click("writeCopy"));
  const auto* dialog = window_.findChild<QDialog*>(QStringLiteral("copyDialog"));
  if (!dialog) return machine_error("No dialog asks about a copy.");
  LUTHIER_CHECK(hands_.wait("the copy's dialog", [&] { return dialog->isVisible(); }));
  return hands_.click("copyClose");
}

}  // namespace luthier
