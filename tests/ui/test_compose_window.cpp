// SPDX-License-Identifier: GPL-3.0-or-later
// The composer by its window: what an order comes to is drawn as it is made, a checkpoint is
// written, and it and its stages are opened; what does not fit is said.
#include <QLineEdit>
#include <QListWidget>
#include <QTableWidget>

#include "tests/ui/driver.h"
#include "ui/lab/compose_drawing.h"
#include "ui/lab/compose_window.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestComposeWindow : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    window_ = std::make_unique<MainWindow>();
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(luthier::test::wait_for_window(window_.get()));
    person_ = std::make_unique<Person>(*window_);
    QVERIFY(window_->workspace().set_field("output_dir", desk_.run("first").toStdString()).ok());
    window_->show_page(PageId::Lab);
    QVERIFY(person_->choose("labTools", "labCompose"));
    compose_ = window_->findChild<ComposeWindow*>();
    QVERIFY(compose_ && compose_->isVisible());
  }

  void an_order_is_drawn_before_anything_is_written() {
    WAIT_UNTIL(parts()->rowCount() == 3);
    const QString words = drawing()->accessibleDescription();
    QVERIFY2(words.contains(QStringLiteral("projector")) &&
                 words.contains(QStringLiteral("9 states of 128")),
             qPrintable(words));
    QVERIFY(sums()->text().contains(QStringLiteral("llava")));
    QVERIFY(!std::filesystem::exists(to_path(field("composeOut")->text())));
    // What trains in a stage: the projector alone, then the language model, too.
    QCOMPARE(stages()->count(), 2);
    const auto training = [this] {
      return drawing()->accessibleDescription().count(QStringLiteral("(trains)"));
    };
    QCOMPARE(training(), 1);
    const QImage projector = drawing()->grab().toImage();
    stages()->setCurrentRow(1);
    QCOMPARE(training(), 2);
    QVERIFY(person_->find<QLabel>("composeStageSays")
                ->text()
                .contains(QStringLiteral("freeze.language_model=false")));
    QVERIFY(drawing()->grab().toImage() != projector);
  }

  void another_connector_asks_for_what_is_its_own() {
    auto* queries = person_->find<QSpinBox>("composeQueries");
    QVERIFY(!queries->isVisible());
    choose("qformer");
    QVERIFY(queries->isVisible());
    queries->setValue(7);
    WAIT_UNTIL(sums()->text().contains(QStringLiteral("7 states")));
    QVERIFY(sums()->text().contains(QStringLiteral("blip-2")));
    choose("early");
    WAIT_UNTIL(sums()->text().contains(QStringLiteral("fuyu")));
    QVERIFY(!field("composeTower")->isVisible() && !queries->isVisible());
    choose("mlp");
    WAIT_UNTIL(sums()->text().contains(QStringLiteral("llava")));
  }

  void what_does_not_fit_is_said() {
    field("composeTower")->setText(QStringLiteral("/nowhere/a-tower"));
    WAIT_UNTIL(note()->isVisible() && note()->text().contains(QStringLiteral("/nowhere/a-tower")));
    QVERIFY(!person_->find<QPushButton>("composeWrite")->isEnabled());
    QCOMPARE(parts()->rowCount(), 0);
    field("composeTower")->setText(QStringLiteral("small"));
    WAIT_UNTIL(!note()->isVisible() && parts()->rowCount() == 3);
  }

  void what_is_written_is_opened_with_its_stages() {
    const QString out = desk_.run("composed");
    field("composeOut")->setText(out);
    QVERIFY(person_->click("composeWrite"));
    WAIT_UNTIL(person_->find<QPushButton>("composeOpen")->isEnabled());
    QVERIFY2(note()->text().contains(QStringLiteral("composed")), qPrintable(note()->text()));
    QVERIFY(std::filesystem::exists(to_path(out) / "config.json"));
    // What is there already is not written over.
    QVERIFY(person_->click("composeWrite"));
    WAIT_UNTIL(person_->find<QPushButton>("composeWrite")->isEnabled() &&
               note()->text().contains(QStringLiteral("composed")) &&
               !note()->text().contains(QStringLiteral("stands")));
    QVERIFY(person_->click("composeStages"));
    QVERIFY(!compose_->isVisible());
    Workspace& workspace = window_->workspace();
    QVERIFY(workspace.staged() && workspace.staged()->stages.size() == 2);
    compose_->open_here();
    QVERIFY(person_->click("composeOpen"));
    WAIT_UNTIL(workspace.state() == SessionState::Ready && workspace.model() &&
               path_text(workspace.model()->summary.folder) == out);
  }

  void cleanupTestCase() {
    person_.reset();
    window_.reset();
  }

 private:
  void choose(const char* connector) {
    auto* box = person_->find<QComboBox>("composeConnector");
    box->setCurrentIndex(box->findData(QLatin1String(connector)));
  }
  QLineEdit* field(const char* name) { return person_->find<QLineEdit>(name); }
  QTableWidget* parts() { return person_->find<QTableWidget>("composeParts"); }
  QListWidget* stages() { return person_->find<QListWidget>("composeStageList"); }
  QLabel* note() { return person_->find<QLabel>("composeNote"); }
  QLabel* sums() { return person_->find<QLabel>("composeSums"); }
  ComposeDrawing* drawing() { return person_->find<ComposeDrawing>("composeDrawing"); }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
  ComposeWindow* compose_ = nullptr;
};

QTEST_MAIN(TestComposeWindow)
#include "test_compose_window.moc"
