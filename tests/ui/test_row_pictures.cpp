// SPDX-License-Identifier: GPL-3.0-or-later
// The pictures beside the rows of the Data page: one that several rows show is read once, and all
// of them are told when it is there. And the search line, whose button to clear it goes with its
// text.
#include <QToolButton>

#include "tests/ui/driver.h"
#include "ui/data/row_model.h"
#include "ui/widgets/banner.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestRowPictures : public QObject {
  Q_OBJECT

 private slots:
  void rows_that_share_a_picture_show_it();
  void columns_of_another_table_are_asked_anew();

 private:
  Desk desk_;
};

void TestRowPictures::rows_that_share_a_picture_show_it() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  QImage picture(40, 40, QImage::Format_RGB32);
  picture.fill(Qt::red);
  QVERIFY(picture.save(desk_.folder.filePath(QStringLiteral("shared.png"))));
  const QString file = desk_.folder.filePath(QStringLiteral("shared.jsonl"));
  {
    QFile out(file);
    QVERIFY(out.open(QIODevice::WriteOnly));
    for (int i = 0; i < 6; ++i)
      out.write("{\"image\": \"shared.png\", \"prompt\": \"<image>Which " + QByteArray::number(i) +
                "?\", \"completion\": \"red\"}\n");
  }
  QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
  auto* table = person.find<QTableView>("rowTable");
  // Told of each, and not only drawn anew because the mouse went over it.
  std::set<int> told;
  connect(table->model(), &QAbstractItemModel::dataChanged, this,
          [&told](const QModelIndex& first, const QModelIndex& last) {
            if (first.column() != RowModel::Picture || last.column() != RowModel::Picture) return;
            for (int row = first.row(); row <= last.row(); ++row) told.insert(row);
          });
  person.type("dataPath", file);
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 6);
  WAIT_UNTIL_EQUAL(told.size(), std::size_t{6});
  for (int row = 0; row < 6; ++row) {
    const QVariant found = table->model()->index(row, RowModel::Picture).data(Qt::DecorationRole);
    QVERIFY(!found.value<QPixmap>().isNull());
  }

  auto* search = person.find<QLineEdit>("rowSearch");
  QTest::keyClicks(search, QStringLiteral("Which 3"));
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 1);
  const QString other = luthier::test::few_rows(desk_, "json", 4, QStringLiteral("other.jsonl"));
  person.type("dataPath", other);
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 4);
  QCOMPARE(search->text(), QString());
  auto* button = search->findChild<QToolButton*>();
  WAIT_UNTIL(qFuzzyIsNull(button->property("opacity").toReal()) || !button->isVisible());
}

void TestRowPictures::columns_of_another_table_are_asked_anew() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
  // As it was chosen for a table before.
  QVERIFY(window.workspace().set_field("dataset_columns", "[prompt=ask, completion=told]").ok());
  const QString file = desk_.folder.filePath(QStringLiteral("another.csv"));
  {
    QFile out(file);
    QVERIFY(out.open(QIODevice::WriteOnly));
    out.write("\xef\xbb\xbfq,a\r\n\"What, is \"\"it\"\"?\",\"a\r\ncircle\"\r\n");
  }
  person.type("dataPath", file);
  const auto* banner = window.page(PageId::Data)->findChild<Banner*>();
  QVERIFY(banner);
  WAIT_UNTIL(banner->text().contains(QStringLiteral("called otherwise")));
}

QTEST_MAIN(TestRowPictures)
#include "test_row_pictures.moc"
