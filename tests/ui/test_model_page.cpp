// SPDX-License-Identifier: GPL-3.0-or-later
// The Model page by hand: the tree keeps what was open through a filter, an empty result says so, a
// double click lands where it was made however long the reason for another row is, and the download
// dialog is as high as what it says.
#include "tests/ui/driver.h"
#include "ui/model/module_tree_model.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestModelPage : public QObject {
  Q_OBJECT

 private slots:
  void init() { QSettings().clear(); }
  void a_filter_gives_the_tree_back();
  void a_filter_that_finds_nothing_says_so();
  void a_double_click_beside_a_long_reason_loads();
  void what_is_loaded_is_chosen();
  void rows_stay_while_models_are_looked_for();
  void the_download_dialog_is_as_high_as_its_texts();

 private:
  /// A folder that cannot be loaded, for a reason of several lines.
  QString refused_model() {
    const QString folder = desk_.folder.filePath(QStringLiteral("a-model-of-another-kind"));
    QDir().mkpath(folder);
    QFile config(folder + QStringLiteral("/config.json"));
    if (config.open(QIODevice::WriteOnly)) config.write("{\"model_type\": \"nothing-known\"}");
    return folder;
  }
  static QStringList open_rows(const QTreeView* tree) {
    QStringList names;
    const auto walk = [&](const auto& self, const QModelIndex& parent) -> void {
      for (int row = 0; row < tree->model()->rowCount(parent); ++row) {
        const QModelIndex index = tree->model()->index(row, 0, parent);
        if (!tree->isExpanded(index)) continue;
        names << index.data(ModuleTreeModel::kFullNameRole).toString();
        self(self, index);
      }
    };
    walk(walk, {});
    return names;
  }

  Desk desk_;
};

void TestModelPage::a_filter_gives_the_tree_back() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  auto* tree = person.find<QTreeView>("moduleTree");
  auto* filter = person.find<QLineEdit>("moduleFilter");
  const QModelIndex root = tree->model()->index(0, 0);
  tree->expand(root);
  tree->collapse(tree->model()->index(0, 0, root));
  const QStringList before = open_rows(tree);
  QVERIFY(!before.isEmpty());
  filter->setFocus();
  QTest::keyClicks(filter, QStringLiteral("q_proj"));
  QVERIFY(open_rows(tree).size() > before.size());  // what it shows is open
  filter->clear();
  QCOMPARE(open_rows(tree), before);
}

void TestModelPage::a_filter_that_finds_nothing_says_so() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  auto* tree = person.find<QTreeView>("moduleTree");
  auto* filter = person.find<QLineEdit>("moduleFilter");
  filter->setFocus();
  QTest::keyClicks(filter, QStringLiteral("nothing_like_this"));
  QVERIFY(!tree->isVisible());
  const auto shows = [&](const QString& words) {
    for (const QLabel* label : window.page(PageId::Model)->findChildren<QLabel*>())
      if (label->isVisible() && label->text().contains(words)) return true;
    return false;
  };
  QVERIFY(shows(QStringLiteral("nothing_like_this")));
  QVERIFY(person.click("clearModuleFilter"));
  QVERIFY(filter->text().isEmpty() && tree->isVisible() && tree->model()->rowCount() > 0);
}

void TestModelPage::a_double_click_beside_a_long_reason_loads() {
  const QString refused = refused_model();
  QSettings().setValue(QStringLiteral("added_models"), QStringList{refused});
  MainWindow window;
  window.resize(1024, 700);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  const auto row_of = [&](const QString& part) {
    for (int i = 0; i < list->count(); ++i)
      if (list->item(i)->data(Qt::UserRole).toString().contains(part)) return list->item(i);
    return static_cast<QListWidgetItem*>(nullptr);
  };
  WAIT_UNTIL(row_of(refused) && row_of(refused)->text().contains(QStringLiteral("nothing-known")));
  QVERIFY(row_of(QStringLiteral("teaching")));
  // The reason stands under the list; then the other row is clicked twice, and nothing may move
  // meanwhile.
  QTest::mouseClick(list->viewport(), Qt::LeftButton, {},
                    list->visualItemRect(row_of(refused)).center());
  QTest::qWait(50);
  QVERIFY(person.text("modelDetail").contains(QStringLiteral("nothing-known")));
  const QRect list_before = list->geometry();
  const QPoint at = list->visualItemRect(row_of(QStringLiteral("teaching"))).center();
  QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, at);
  QTest::qWait(50);
  QCOMPARE(list->geometry(), list_before);
  QCOMPARE(list->itemAt(at), row_of(QStringLiteral("teaching")));
  QTest::mouseDClick(list->viewport(), Qt::LeftButton, {}, at);
  WAIT_UNTIL(window.workspace().model().has_value());
}

void TestModelPage::what_is_loaded_is_chosen() {
  QSettings().setValue(QStringLiteral("added_models"), QStringList{refused_model()});
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  const auto chosen = [&] { return list->currentItem() ? list->currentItem()->text() : QString(); };
  WAIT_UNTIL(list->count() >= 2);
  for (int i = 0; i < list->count(); ++i)
    if (!list->item(i)->text().contains(QStringLiteral("teaching"))) list->setCurrentRow(i);
  QVERIFY(!chosen().contains(QStringLiteral("teaching")));
  window.workspace().load_model(path_text(*luthier::teaching_base()));
  WAIT_UNTIL(window.workspace().model().has_value());
  WAIT_UNTIL(chosen().contains(QStringLiteral("teaching")));
}

void TestModelPage::rows_stay_while_models_are_looked_for() {
  QSettings().setValue(QStringLiteral("added_models"), QStringList{refused_model()});
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  WAIT_UNTIL(list->count() >= 2);
  // Looking again writes the same rows anew; it does not make others.
  const QListWidgetItem* first = list->item(0);
  const QListWidgetItem* second = list->item(1);
  window.show_page(PageId::Data);
  window.show_page(PageId::Model);
  QTest::qWait(300);
  QCOMPARE(list->item(0), first);
  QCOMPARE(list->item(1), second);
}

void TestModelPage::the_download_dialog_is_as_high_as_its_texts() {
  qputenv("HF_ENDPOINT", "http://127.0.0.1:9");  // nobody listens there
  const auto back = qScopeGuard([] { qunsetenv("HF_ENDPOINT"); });
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(person.click("fetchModel"));
  auto* dialog = person.find<QDialog>("fetchDialog");
  const auto nothing_cut = [&] {
    for (const QLabel* label : dialog->findChildren<QLabel*>()) {
      if (!label->isVisible() || label->text().isEmpty()) continue;
      const int needed =
          label->wordWrap() ? label->heightForWidth(label->width()) : label->sizeHint().height();
      if (label->height() < needed - 1) return false;
    }
    for (const QLineEdit* line : dialog->findChildren<QLineEdit*>())
      if (line->height() < line->sizeHint().height()) return false;
    return true;
  };
  WAIT_UNTIL(nothing_cut());
  auto* repository = person.find<QLineEdit>("fetchRepository");
  repository->setText(
      QStringLiteral("an-organisation/a-model-with-a-rather-long-name-7b-instruct"));
  QVERIFY(person.click("fetchStart"));
  auto* text = dialog->findChild<QLabel*>(QStringLiteral("bannerText"));
  WAIT_UNTIL(text->isVisible());
  const int with_error = dialog->height();
  WAIT_UNTIL(nothing_cut());
  dialog->findChild<QToolButton*>(QStringLiteral("bannerClose"))->click();
  WAIT_UNTIL(dialog->height() < with_error);
  WAIT_UNTIL(nothing_cut());
}

QTEST_MAIN(TestModelPage)
#include "test_model_page.moc"
