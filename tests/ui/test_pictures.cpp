// SPDX-License-Identifier: GPL-3.0-or-later
// The pictures of the window: each state in every size, language and theme, from a home that is
// nobody's; a text that tells a path of this machine is found.
#include "app/gui/picture_home.h"
#include "app/gui/picture_looks.h"
#include "tests/patience.h"
#include "tests/ui/driver.h"
#include "ui/desk/shortcuts.h"

using namespace luthier;
using luthier::test::Desk;

class TestPictures : public QObject {
  Q_OBJECT

 private slots:
  void a_home_that_is_nobodys();
  void what_tells_a_path_is_found();
  void every_look_is_saved();
  void an_arrow_stands_beside_the_words();
  void choices_have_room_in_each_language();
  void buttons_speak_the_windows_language();
  void settings_have_room_for_large_words();
  void boxes_to_tick_are_seen_data();
  void boxes_to_tick_are_seen();
  void what_stands_under_the_curves_can_be_read_data();
  void what_stands_under_the_curves_can_be_read();
};

void TestPictures::a_home_that_is_nobodys() {
  const QString before = QDir::currentPath(), old_home = QDir::homePath();
  QString own_home;
  {
    PictureHome home;
    const Status moved = home.move_in();
    QVERIFY2(moved.ok(), moved ? "" : moved.error().sentence().c_str());
    QVERIFY(QDir::currentPath() != before);
    QCOMPARE(QDir::homePath(), QDir::currentPath());
    QVERIFY(QFileInfo::exists(QStringLiteral("teaching/base/config.json")));
    const auto base = teaching_base();
    QVERIFY(base.ok());
    QVERIFY2(path_text(*base).startsWith(QDir::currentPath()), base->c_str());
    QVERIFY2(QDir::currentPath().startsWith(QDir::tempPath() + QStringLiteral("/luthier")),
             qPrintable(QDir::currentPath()));
    QVERIFY(home.secrets().contains(old_home) && home.secrets().contains(before));
    QVERIFY(!home.secrets().contains(QStringLiteral("/")));
    QVERIFY(teaching_tasks().ok());
    const QString own = own_home = QDir::currentPath();
    QCOMPARE(shown_path(own + QStringLiteral("/runs/first")), QStringLiteral("~/runs/first"));
    QCOMPARE(shown_path(own), QStringLiteral("~"));
    QCOMPARE(shown_path(own + QStringLiteral("2/runs")), own + QStringLiteral("2/runs"));
    QCOMPARE(shown_path(QStringLiteral("runs/first")), QStringLiteral("runs/first"));
  }
  QCOMPARE(QDir::currentPath(), before);
  QVERIFY(!QFileInfo::exists(own_home));
  qputenv("HOME", old_home.toUtf8());
  qunsetenv("LUTHIER_RESOURCES");
}

void TestPictures::what_tells_a_path_is_found() {
  const QStringList secrets{QStringLiteral("/home/somebody")};
  const QString told = QStringLiteral("in /home/somebody/runs");
  QWidget top;
  QVERIFY(text_that_tells(top, secrets).isEmpty());
  auto* label = new QLabel(told, &top);
  QCOMPARE(text_that_tells(top, secrets), told);
  label->hide();
  QVERIFY(text_that_tells(top, secrets).isEmpty());  // it is not seen
  auto* line = new QLineEdit(told, &top);
  QCOMPARE(text_that_tells(top, secrets), told);
  line->setText(QStringLiteral("runs/first"));
  auto* table = new QTableWidget(1, 2, &top);
  table->setItem(0, 1, new QTableWidgetItem(told));
  QCOMPARE(text_that_tells(top, secrets), told);
  table->setRowCount(0);
  auto* text = new QPlainTextEdit(told, &top);
  QCOMPARE(text_that_tells(top, secrets), told);
  text->clear();
  QVERIFY(text_that_tells(top, secrets).isEmpty());
}

void TestPictures::every_look_is_saved() {
  const Desk desk;
  const QString folder = desk.folder.filePath(QStringLiteral("pictures"));
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  window.show_page(PageId::Start);
  const QList<QSize> sizes{{1024, 700}, {1280, 800}};
  PictureLooks looks({folder, sizes, {}, {}}, {QStringLiteral("/home/somebody")});
  QVERIFY(looks.make_folders().ok());
  const Status saved = looks.save(window, QStringLiteral("start"));
  QVERIFY2(saved.ok(), saved ? "" : saved.error().sentence().c_str());
  const auto read = [&](const QSize& size, const char* look) {
    return QImage(QStringLiteral("%1/%2x%3/%4/start.png")
                      .arg(folder)
                      .arg(size.width())
                      .arg(size.height())
                      .arg(QLatin1String(look)));
  };
  const auto corner = [](const QImage& image) {
    return image.pixelColor(image.width() - 3, image.height() / 2).lightness();
  };
  for (const QSize& size : sizes) {
    for (const char* look : {"en-light", "en-dark", "ko-light", "ko-dark"})
      QCOMPARE(read(size, look).size(), size);
    QVERIFY(read(size, "en-light") != read(size, "ko-light"));
    QVERIFY(read(size, "en-dark") != read(size, "ko-dark"));
    QVERIFY(corner(read(size, "en-light")) > 200 && corner(read(size, "en-dark")) < 80);
  }
  QVERIFY(looks.telling().isEmpty());
  QCOMPARE(window.size(), sizes.front());
  QCOMPARE(Language::instance().code(), QStringLiteral("en"));
  QVERIFY(!Theme::instance().dark());

  // One size needs no folder of its own, and a dialog is saved as large as it is.
  PictureLooks few({folder, {QSize(1100, 720)}, {QStringLiteral("ko")}, {QStringLiteral("dark")}},
                   {QStringLiteral("/home/somebody")});
  QVERIFY(few.make_folders().ok());
  QDialog dialog(&window);
  dialog.resize(300, 200);
  new QLabel(QStringLiteral("/home/somebody/x"), &dialog);
  dialog.show();
  QVERIFY(few.save(dialog, QStringLiteral("dialog")).ok());
  QCOMPARE(QImage(folder + QStringLiteral("/ko-dark/dialog.png")).size(), QSize(300, 200));
  QCOMPARE(few.telling().size(), 1);
  QVERIFY(few.telling().front().startsWith(QLatin1String("dialog: ")));
  QVERIFY(!QFileInfo::exists(folder + QStringLiteral("/en-light")));
}

/// A button that opens a menu: the arrow in the middle of its height and clear of its words.
void TestPictures::an_arrow_stands_beside_the_words() {
  const Desk desk;
  QWidget top;
  QToolButton plain(&top), opens(&top);
  QMenu menu;
  opens.setMenu(&menu);
  opens.setPopupMode(QToolButton::InstantPopup);
  for (QToolButton* button : {&plain, &opens}) {
    button->setText(QStringLiteral("Tools"));
    button->resize(button->sizeHint());
  }
  QVERIFY(opens.sizeHint().width() >= plain.sizeHint().width() + 10);
  const QImage with = opens.grab().toImage();
  plain.resize(opens.size());
  const QImage without = plain.grab().toImage();
  // Where the two differ behind the words is the arrow.
  QRect arrow;
  for (int y = 3; y < with.height() - 3; ++y)
    for (int x = with.width() - 16; x < with.width() - 3; ++x)
      if (with.pixelColor(x, y).lightness() < 140 && without.pixelColor(x, y).lightness() > 180)
        arrow |= QRect(x, y, 1, 1);
  QVERIFY(!arrow.isEmpty());
  QVERIFY2(std::abs(arrow.center().y() - with.height() / 2) <= 3,
           qPrintable(QString::number(arrow.center().y())));
}

/// Also where the language changes while the window is open.
void TestPictures::choices_have_room_in_each_language() {
  const Desk desk;
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  window.show_page(PageId::Compare);
  QTest::qWait(50);
  Language::instance().choose(QStringLiteral("ko"));
  QTest::qWait(100);
  int looked = 0;
  for (const auto* box : window.page(PageId::Compare)->findChildren<QComboBox*>()) {
    if (!box->isVisible() ||
        box->sizeAdjustPolicy() == QComboBox::AdjustToMinimumContentsLengthWithIcon)
      continue;
    ++looked;
    QComboBox fresh;
    for (int i = 0; i < box->count(); ++i) fresh.addItem(box->itemText(i));
    fresh.ensurePolished();
    WAIT_UNTIL(box->width() >= fresh.sizeHint().width());
  }
  QVERIFY(looked > 0);
  Language::instance().choose(QStringLiteral("en"));
}

/// Also those that Qt would name by translations of its own, which may not be there.
void TestPictures::buttons_speak_the_windows_language() {
  const Desk desk;
  Language::instance().choose(QStringLiteral("ko"));
  ShortcutDialog dialog(nullptr);
  auto* close = dialog.findChild<QPushButton*>(QStringLiteral("closeShortcuts"));
  QVERIFY(close->text().startsWith(QStringLiteral("닫기")));
  Language::instance().choose(QStringLiteral("en"));
  QTest::qWait(50);
  QCOMPARE(close->text(), QStringLiteral("&Close"));
  Language::instance().choose(QStringLiteral("ko"));
  QTest::qWait(50);
  QVERIFY(close->text().startsWith(QStringLiteral("닫기")));
  Language::instance().choose(QStringLiteral("en"));
}

void TestPictures::boxes_to_tick_are_seen_data() {
  QTest::addColumn<bool>("dark");
  QTest::addColumn<bool>("enabled");
  for (const bool dark : {false, true})
    for (const bool enabled : {false, true})
      QTest::addRow("%s %s", dark ? "dark" : "light", enabled ? "on" : "off") << dark << enabled;
}
void TestPictures::boxes_to_tick_are_seen() {
  QFETCH(bool, dark);
  QFETCH(bool, enabled);
  const Desk desk;
  Theme::instance().choose(dark ? Theme::Choice::Dark : Theme::Choice::Light);
  QWidget top;
  QCheckBox box(&top);
  box.setEnabled(enabled);
  top.resize(60, 40);
  box.move(10, 10);
  top.show();
  const QImage image = top.grab().toImage();
  // Somewhere along a line through the box something stands out from the ground.
  const int ground = image.pixelColor(2, 2).lightness();
  int most = 0;
  for (int x = 8; x < 30; ++x)
    most =
        std::max(most, std::abs(image.pixelColor(x, 10 + box.height() / 2).lightness() - ground));
  QVERIFY2(most >= 25, qPrintable(QString::number(most)));
  Theme::instance().choose(Theme::Choice::Light);
}

/// The settings' pane grows with the words: no field is cut off at its right.
void TestPictures::settings_have_room_for_large_words() {
  const Desk desk;
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  window.show_page(PageId::Train);
  const auto* reset = window.findChild<QPushButton*>(QStringLiteral("resetRecipe"));
  QVERIFY(reset);
  for (const double scale : {1.0, 1.4}) {
    Theme::instance().set_text_scale(scale);
    WAIT_UNTIL(reset->width() >= reset->minimumSizeHint().width() &&
               reset->visibleRegion().boundingRect().width() >= reset->width() - 1);
  }
  Theme::instance().set_text_scale(1);
}

void TestPictures::what_stands_under_the_curves_can_be_read_data() {
  QTest::addColumn<QSize>("size");
  QTest::newRow("1024") << QSize(1024, 700);
  QTest::newRow("1280") << QSize(1280, 800);
}
/// The filmstrip's rows have room for a picture, and the memory's curve for itself.
void TestPictures::what_stands_under_the_curves_can_be_read() {
  QFETCH(QSize, size);
  const Desk desk;
  MainWindow window;
  window.resize(size);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  window.show_page(PageId::Train);
  QTest::qWait(50);
  const auto* tabs = window.findChild<QTabWidget*>(QStringLiteral("runTabs"));
  QVERIFY2(tabs->height() >= 190, qPrintable(QString::number(tabs->height())));
  const QWidget* here = tabs->parentWidget();  // the Runs page has plots of these names, too
  const auto* memory = here->findChild<QWidget*>(QStringLiteral("memoryPlot"));
  QVERIFY2(memory->height() >= 100, qPrintable(QString::number(memory->height())));
  const auto* loss = here->findChild<QWidget*>(QStringLiteral("lossPlot"));
  QVERIFY2(loss->height() >= 150, qPrintable(QString::number(loss->height())));
}

QTEST_MAIN(TestPictures)
#include "test_pictures.moc"
