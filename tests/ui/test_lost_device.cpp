// SPDX-License-Identifier: GPL-3.0-or-later
// After a card died under the program: the message has a button that starts the program anew, with
// the run to go on with; where no card died, it has the one that resumes it here.
#include "engine/runs/run_folder.h"
#include "tests/ui/driver.h"
#include "ui/widgets/banner.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

namespace {

/// A run that has a checkpoint.
Status make_run(const QString& folder) {
  Recipe recipe;
  recipe.model = teaching_base()->string();
  recipe.dataset = {"rows.jsonl"};
  recipe.output_dir = folder.toStdString();
  LUTHIER_TRY(RunFolder run, RunFolder::create(to_path(folder), recipe_to_yaml(recipe)));
  LUTHIER_TRY(FolderWriter writer, run.begin_checkpoint(3));
  LUTHIER_CHECK(write_file_atomically(writer.path() / "state.json", "{}"));
  LUTHIER_CHECK(writer.commit());
  RunManifest manifest;
  manifest.state = RunState::Stopped;
  manifest.step = 3, manifest.total_steps = 9;
  manifest.started = utc_now();
  return run.write_manifest(manifest);
}

RunEnded ended(const QString& folder) {
  RunEnded event;
  event.folder = to_path(folder);
  event.state = "failed";
  event.error = machine_error(
      "cuda:0 stopped answering this program (unknown error), and nothing "
      "on it can be read any more.",
      folder.toStdString());
  return event;
}

}  // namespace

class TestLostDevice : public QObject {
  Q_OBJECT

 private slots:
  void a_run_goes_on_in_a_new_start() {
    const QString folder = desk_.run("dying");
    QVERIFY(make_run(folder).ok());
    MainWindow window;
    window.keep_quiet();
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    QSignalSpy anew(&window.workspace(), &Workspace::anew_asked);
    window.show_page(PageId::Train);
    SessionBridge& bridge = window.workspace().bridge();
    bridge.announce(DeviceLost{"unknown error"});
    bridge.announce(ended(folder));
    QPushButton* button = action_of(window.page(PageId::Train));
    QVERIFY(button->isVisible());
    QCOMPARE(button->text(), QStringLiteral("Start anew and resume"));
    QTest::mouseClick(button, Qt::LeftButton);
    QCOMPARE(anew.size(), 1);
    QCOMPARE(anew[0][0].toString(), folder);
    QCOMPARE(anew[0][1].toString(), QString());
  }

  void answers_have_the_button_too() {
    MainWindow window;
    window.keep_quiet();
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    QSignalSpy anew(&window.workspace(), &Workspace::anew_asked);
    window.show_page(PageId::Compare);
    SessionBridge& bridge = window.workspace().bridge();
    bridge.announce(DeviceLost{"unknown error"});
    bridge.announce(CommandFailed{"answer", *ended("runs/a").error});
    QPushButton* button = action_of(window.page(PageId::Compare));
    QVERIFY(button->isVisible());
    QCOMPARE(button->text(), QStringLiteral("Start anew"));
    QTest::mouseClick(button, Qt::LeftButton);
    QCOMPARE(anew.size(), 1);
    QCOMPARE(anew[0][0].toString(), QString());
  }

  void without_a_lost_card_nothing_starts_anew() {
    const QString folder = desk_.run("failing");
    QVERIFY(make_run(folder).ok());
    MainWindow window;
    window.keep_quiet();
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    window.show_page(PageId::Train);
    window.workspace().bridge().announce(ended(folder));
    QCOMPARE(action_of(window.page(PageId::Train))->text(), QStringLiteral("Resume that run"));
  }

 private:
  static QPushButton* action_of(Page* page) {
    auto* banner = page->findChild<Banner*>(QStringLiteral("banner"), Qt::FindDirectChildrenOnly);
    return banner->findChild<QPushButton*>(QStringLiteral("bannerAction"));
  }

  Desk desk_;
};

QTEST_MAIN(TestLostDevice)
#include "test_lost_device.moc"
