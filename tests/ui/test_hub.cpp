// SPDX-License-Identifier: GPL-3.0-or-later
// What is on the machine and what a hub has, by hand: a model is downloaded from a hub on this
// machine, stopped, gone on with and loaded; what cannot be loaded says why; a folder is added and
// taken out again. The window is held by none of it.
#include "tests/hub/local_hub.h"
#include "tests/ui/driver.h"
#include "ui/model/fetch_dialog.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::LocalHub;
using luthier::test::Person;

class TestHub : public QObject {
  Q_OBJECT

 private slots:
  void init();
  void download_stop_go_on_and_load();
  void a_refusal_is_said_in_the_dialog();
  void what_cannot_be_loaded_says_why();
  void a_folder_is_added_and_removed();
  void korean_is_whole();
  void ids_as_people_paste_them();

 private:
  static QListWidgetItem* item(QListWidget* list, const QString& name) {
    for (int i = 0; i < list->count(); ++i)
      if (list->item(i)->text().startsWith(name + QLatin1Char('\n'))) return list->item(i);
    return nullptr;
  }
  static void click(QListWidget* list, QListWidgetItem* row) {
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualItemRect(row).center());
  }
  /// A row whose facts are known, not one that is still looked at.
  static QListWidgetItem* known(QListWidget* list, const QString& name) {
    QListWidgetItem* row = item(list, name);
    return row && !row->text().contains(QStringLiteral("looking")) ? row : nullptr;
  }
  /// Types a path into the folder dialog that the next click opens, and accepts it.
  static void answer_folder_dialog(const QString& folder) {
    QTimer::singleShot(300, qApp, [folder] {
      auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
      if (!dialog) return;
      auto* line = dialog->findChild<QLineEdit*>();
      line->clear();
      QTest::keyClicks(line, folder);
      QTest::keyClick(line, Qt::Key_Return);
      if (dialog->isVisible())
        QTest::keyClick(line, Qt::Key_Return);  // the first one only closed the completer
    });
  }

  Desk desk_;
  LocalHub hub_;
};

void TestHub::init() {
  QCoreApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
  QSettings().clear();
  QDir(hub_.cache()).removeRecursively();
}

void TestHub::download_stop_go_on_and_load() {
  const QString name = QStringLiteral("org/teaching");
  const QDir base(path_text(*teaching_base()));
  for (const QString& file : base.entryList(QDir::Files)) {
    QFile in(base.filePath(file));
    QVERIFY(in.open(QIODevice::ReadOnly));
    hub_.put(name, file, in.readAll());
  }
  hub_.set_faults(name, {{"slow", 2000000}});
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  WAIT_UNTIL(known(list, QStringLiteral("teaching-base")));
  const QString facts =
      QStringLiteral("llava · %1 · float16")
          .arg(bytes_text(QFileInfo(base.filePath(QStringLiteral("model.safetensors"))).size()));
  QVERIFY2(known(list, QStringLiteral("teaching-base"))->text().contains(facts),
           qPrintable(known(list, QStringLiteral("teaching-base"))->text()));
  QVERIFY(!item(list, name));

  // The most that one turn of the event loop works.
  double longest = 0, last = luthier::test::thread_milliseconds();
  QTimer pulse;
  connect(&pulse, &QTimer::timeout, &pulse, [&] {
    const double now = luthier::test::thread_milliseconds();
    longest = std::max(longest, now - last);
    last = now;
  });
  pulse.start(5);

  QVERIFY(person.click("fetchModel"));
  auto* dialog = person.find<QDialog>("fetchDialog");
  WAIT_UNTIL(dialog->isVisible());
  QVERIFY(!dialog->isModal());
  QVERIFY(!person.find<QPushButton>("fetchStart")->isEnabled());
  QVERIFY(person.text("fetchNote").contains(hub_.cache()));
  QTest::keyClicks(person.find<QLineEdit>("fetchRepository"), name);
  QVERIFY(person.click("fetchStart"));
  auto* text = person.find<QLabel>("fetchText");
  WAIT_UNTIL(text->text().contains(QStringLiteral("model.safetensors")) &&
             text->text().contains(QStringLiteral("MiB/s")));
  QVERIFY(text->text().contains(QStringLiteral("left")));
  QVERIFY(person.find<QProgressBar>("fetchProgress")->isVisible());
  WAIT_UNTIL(person.find<QPushButton>("fetchModel")->text().contains(QLatin1Char('%')));
  // Closed, it goes on, and the page shows how far it is.
  QVERIFY(person.click("fetchClose"));
  WAIT_UNTIL(!dialog->isVisible());
  const QString before = person.find<QPushButton>("fetchModel")->text();
  WAIT_UNTIL(person.find<QPushButton>("fetchModel")->text() != before);
  QVERIFY(person.click("fetchModel"));
  WAIT_UNTIL(dialog->isVisible());
  QVERIFY(person.click("fetchCancel"));
  WAIT_UNTIL(text->text().contains(QStringLiteral("kept")));
  QVERIFY(!person.find<QPushButton>("fetchCancel")->isVisible());

  // In the list it is unfinished, with the way to go on.
  WAIT_UNTIL(known(list, name));
  QVERIFY(known(list, name)->text().contains(QStringLiteral("not finished")));
  QVERIFY(person.click("fetchClose"));
  click(list, known(list, name));
  QVERIFY(!person.find<QPushButton>("loadModel")->isEnabled());
  QVERIFY(person.text("modelDetail").contains(QStringLiteral("has not finished")));
  QVERIFY(person.find<QPushButton>("fetchModel")->text().contains(QStringLiteral("Finish")));
  hub_.set_faults(name, {});
  QVERIFY(person.click("fetchModel"));
  QCOMPARE(person.find<QLineEdit>("fetchRepository")->text(), name);
  QVERIFY(person.click("fetchStart"));
  auto* load = person.find<QPushButton>("fetchLoad");
  WAIT_UNTIL(load->isVisible());
  QVERIFY(text->text().contains(QStringLiteral("Complete and checked")));
  WAIT_UNTIL(known(list, name) && known(list, name)->text().contains(facts));
  pulse.stop();
  qInfo("the window worked for %.0f ms at most", longest);
  QVERIFY(longest < 250);

  QVERIFY(person.click("fetchLoad"));
  WAIT_UNTIL(window.workspace().model().has_value() && person.state() == SessionState::Ready);
  QVERIFY(path_text(window.workspace().model()->summary.folder).startsWith(hub_.cache()));
}

void TestHub::a_refusal_is_said_in_the_dialog() {
  hub_.put_model(QStringLiteral("org/gated"), 100);
  hub_.set_faults(QStringLiteral("org/gated"), {{"token", "secret"}});
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(person.click("fetchModel"));
  auto* dialog = person.find<QDialog>("fetchDialog");
  auto* banner = dialog->findChild<QLabel*>("bannerText");
  person.type("fetchRepository", QStringLiteral("org/gated"));  // Enter is the button
  WAIT_UNTIL(banner->isVisible() && banner->text().contains(QStringLiteral("HF_TOKEN")));
  person.type("fetchRepository", QStringLiteral("../../etc"));
  WAIT_UNTIL(banner->isVisible() && banner->text().contains(QStringLiteral("repository id")));
  QVERIFY(person.find<QPushButton>("fetchStart")->isVisible());
}

void TestHub::what_cannot_be_loaded_says_why() {
  const QString folder = hub_.cache() + QStringLiteral("/models--org--other/snapshots/") +
                         QLatin1String(luthier::test::kCommit);
  QVERIFY(QDir().mkpath(folder));
  QFile config(folder + QStringLiteral("/config.json"));
  QVERIFY(config.open(QIODevice::WriteOnly) && config.write("{\"model_type\": \"whisper\"}") > 0);
  config.close();
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  WAIT_UNTIL(known(list, QStringLiteral("org/other")));
  QCOMPARE(list->row(item(list, QStringLiteral("org/other"))), list->count() - 1);
  QVERIFY(item(list, QStringLiteral("org/other"))->text().contains(QStringLiteral("not loadable")));
  click(list, item(list, QStringLiteral("org/other")));
  QVERIFY(person.text("modelDetail").contains(QStringLiteral("\"whisper\"")));
  QVERIFY(person.find<QLabel>("modelDetail")->isVisible());
  QVERIFY(!person.find<QPushButton>("loadModel")->isEnabled());
  // It appears and goes without a restart.
  QDir(hub_.cache()).removeRecursively();
  QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
  QTest::keyClick(&window, Qt::Key_1, Qt::ControlModifier);
  WAIT_UNTIL(!item(list, QStringLiteral("org/other")));
}

void TestHub::a_folder_is_added_and_removed() {
  hub_.put_model(QStringLiteral("mine/one"));
  hub_.put_model(QStringLiteral("mine/two"), 100, "unheard_of");
  {
    MainWindow window;
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    Person person(window);
    auto* list = person.find<QListWidget>("modelList");
    answer_folder_dialog(hub_.root + QStringLiteral("/mine"));
    QVERIFY(person.click("addModels"));
    WAIT_UNTIL(known(list, QStringLiteral("one")));
    QVERIFY(known(list, QStringLiteral("one"))
                ->text()
                .contains(QStringLiteral("llava · 391 KiB · float32")));
    QVERIFY(known(list, QStringLiteral("two"))->text().contains(QStringLiteral("not loadable")));
  }
  // It stays in the list of the next window, until it is taken out.
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  WAIT_UNTIL(known(list, QStringLiteral("one")));
  click(list, item(list, QStringLiteral("one")));
  QCOMPARE(person.text("modelDetail"), QStringLiteral("in a folder that you added"));
  QTest::keyClick(list, Qt::Key_Delete);
  WAIT_UNTIL(!item(list, QStringLiteral("one")) && !item(list, QStringLiteral("two")));
  QVERIFY(QFileInfo::exists(
      hub_.root +
      QStringLiteral("/mine/one/model.safetensors")));  // the list forgets, the disk does not
}

void TestHub::korean_is_whole() {
  Language::instance().choose(QStringLiteral("ko"));
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(person.click("fetchModel"));
  auto* dialog = person.find<QDialog>("fetchDialog");
  WAIT_UNTIL(dialog->isVisible());
  const auto korean = [](const QString& text) {
    return std::any_of(text.begin(), text.end(),
                       [](QChar c) { return c.unicode() >= 0xAC00 && c.unicode() <= 0xD7A3; });
  };
  for (const QAbstractButton* button : dialog->findChildren<QAbstractButton*>())
    if (!button->text().isEmpty()) QVERIFY2(korean(button->text()), qPrintable(button->text()));
  for (const QLabel* label : dialog->findChildren<QLabel*>())
    if (label->isVisible() && !label->text().isEmpty())
      QVERIFY2(korean(label->text()), qPrintable(label->text()));
  for (const char* name : {"fetchModel", "addModels", "loadModel", "openModel"})
    QVERIFY(korean(person.find<QPushButton>(name)->text()));
}

void TestHub::ids_as_people_paste_them() {
  QCOMPARE(repository_of(QStringLiteral("  org/name ")), QStringLiteral("org/name"));
  QCOMPARE(repository_of(QStringLiteral("https://huggingface.co/org/name")),
           QStringLiteral("org/name"));
  QCOMPARE(repository_of(QStringLiteral("https://huggingface.co/org/name/tree/main?x=1")),
           QStringLiteral("org/name"));
  QCOMPARE(repository_of(QStringLiteral("../x")), QStringLiteral("../x"));
}

QTEST_MAIN(TestHub)
#include "test_hub.moc"
