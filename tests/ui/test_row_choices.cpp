// SPDX-License-Identifier: GPL-3.0-or-later
// Which rows the Data page shows, and in which order.
#include <QtTest>

#include "ui/data/row_choices.h"

using namespace luthier;

using Rows = std::vector<std::size_t>;

class TestRowChoices : public QObject {
  Q_OBJECT

 private slots:
  void equally_long_rows_stand_as_in_the_file() {
    RowChoice choice;
    choice.rows = 6;
    choice.lengths = std::make_shared<const RowLengthList>(RowLengthList{5, 7, 5, 9, 7, 5});
    choice.by = LongestFirst;
    QCOMPARE(chosen_rows(choice), (Rows{3, 1, 4, 0, 2, 5}));
    choice.by = ShortestFirst;
    QCOMPARE(chosen_rows(choice), (Rows{0, 2, 5, 1, 4, 3}));
    choice.found = Rows{1, 2, 4, 5};
    QCOMPARE(chosen_rows(choice), (Rows{2, 5, 1, 4}));
  }

  /// A row that was not measured is as long as none.
  void without_what_orders_them_rows_stand_as_in_the_file() {
    RowChoice choice;
    choice.rows = 3;
    for (const int by : {InFileOrder, LongestFirst, ShortestFirst, FindingsFirst}) {
      choice.by = by;
      QCOMPARE(chosen_rows(choice), (Rows{0, 1, 2}));
    }
    choice.only_findings = true;
    QVERIFY(chosen_rows(choice).empty());
  }
};

QTEST_GUILESS_MAIN(TestRowChoices)
#include "test_row_choices.moc"
