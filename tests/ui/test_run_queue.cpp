// SPDX-License-Identifier: GPL-3.0-or-later
// The queue of launches, over real runs of the teaching model: all or none are taken, in their
// order, each into a folder of its own; one that fails holds up nothing, one that is stopped holds
// the rest; the form's recipe stays.
#include "tests/ui/driver.h"
#include "ui/run_queue.h"

using namespace luthier;
using luthier::test::Desk;

class TestRunQueue : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    workspace_ = std::make_unique<Workspace>();
    recipe_ = teaching_recipe(*teaching_task("korean"), to_path(desk_.run("queued"))).value();
    recipe_.dataset = {
        luthier::test::few_rows(desk_, "korean", 12, QStringLiteral("few.jsonl")).toStdString()};
    recipe_.eval_dataset.clear();
    recipe_.training.max_steps = 2;
  }
  void cleanup() { workspace_.reset(); }

  void all_are_taken_or_none() {
    Recipe broken = recipe_;
    broken.adapter.r = 0;
    const auto added = queue().add({{recipe_, "fine"}, {broken, "broken"}}, "test");
    QVERIFY(!added.ok() && queue().runs().empty());
    QVERIFY(workspace_->recipe().output_dir == "runs/first");
  }

  void each_has_a_folder_of_its_own() {
    queue().hold();
    QVERIFY(queue().add({{recipe_, "a"}, {recipe_, "b"}}, "test").ok());
    QVERIFY(QDir().mkpath(desk_.run("taken")));
    Recipe taken = recipe_;
    taken.output_dir = desk_.run("taken").toStdString();
    QVERIFY(queue().add({{taken, "c"}}, "other").ok());
    std::set<std::string> folders;
    for (const QueuedRun& run : queue().runs()) folders.insert(run.recipe.output_dir);
    QCOMPARE(folders.size(), std::size_t(3));
    QVERIFY(!folders.contains(taken.output_dir));
    QCOMPARE(queue().of_group("test").size(), std::size_t(2));
    queue().drop_waiting("test");
    QCOMPARE(queue().waiting(), std::size_t(1));
    QTest::qWait(400);
    QCOMPARE(workspace_->state(), SessionState::Empty);  // it is held
    queue().drop_waiting("other");
    QVERIFY(!queue().held() && queue().runs().empty());
  }

  void one_after_another_and_past_one_that_fails() {
    Recipe fails = recipe_;
    fails.dataset = {desk_.folder.filePath(QStringLiteral("nowhere.jsonl")).toStdString()};
    fails.output_dir = desk_.run("fails").toStdString();
    const auto ids = queue().add({{recipe_, "first"}, {fails, "fails"}, {recipe_, "last"}}, "test");
    QVERIFY(ids.ok());
    std::vector<std::uint64_t> ended;
    std::size_t at_once = 0;
    connect(&queue(), &RunQueue::ended, this, [&](std::uint64_t id) { ended.push_back(id); });
    connect(&queue(), &RunQueue::changed, this, [&] {
      std::size_t running = 0;
      for (const QueuedRun& run : queue().runs())
        running += run.state == QueuedRun::State::Running ? 1 : 0;
      at_once = std::max(at_once, running);
    });
    WAIT_UNTIL_EQUAL(ended.size(), std::size_t(3));
    QCOMPARE(ended, *ids);
    QCOMPARE(at_once, std::size_t(1));
    QCOMPARE(queue().find((*ids)[0])->end_state, std::string("finished"));
    QVERIFY(queue().find((*ids)[1])->error.has_value());
    QCOMPARE(queue().find((*ids)[2])->end_state, std::string("finished"));
    QVERIFY(queue().find((*ids)[0])->recipe.output_dir !=
            queue().find((*ids)[2])->recipe.output_dir);
    for (const std::size_t i : {0, 2}) {
      const std::filesystem::path run = queue().find((*ids)[i])->recipe.output_dir;
      QVERIFY(std::filesystem::exists(run / "adapter/adapter_model.safetensors"));
    }
    QCOMPARE(workspace_->recipe().output_dir, std::string("runs/first"));
    queue().forget_ended("test");
    QVERIFY(queue().runs().empty());
  }

  void a_stopped_run_holds_the_rest() {
    Recipe longer = recipe_;
    longer.training.max_steps = 100'000;
    longer.output_dir = desk_.run("longer").toStdString();
    const auto ids = queue().add({{longer, "long"}, {recipe_, "next"}}, "test");
    QVERIFY(ids.ok());
    WAIT_UNTIL(can_pause(workspace_->state()) && workspace_->run());
    workspace_->session().stop(StopKind::Discard);
    WAIT_UNTIL(queue().held());
    QCOMPARE(queue().find(ids->front())->end_state, std::string("stopped"));
    QTest::qWait(500);
    QCOMPARE(queue().waiting(), std::size_t(1));
    queue().go_on();
    WAIT_UNTIL(queue().find(ids->back())->state == QueuedRun::State::Ended);
    QCOMPARE(queue().find(ids->back())->end_state, std::string("finished"));
  }

  void a_group_is_let_through_a_held_queue() {
    queue().hold();
    QVERIFY(queue().add({{recipe_, "waits"}, {recipe_, "waits too"}}, "test").ok());
    const auto ids = queue().add({{recipe_, "goes"}}, "own");
    QVERIFY(ids.ok());
    queue().let_through("own");
    WAIT_UNTIL(queue().find(ids->front())->state == QueuedRun::State::Ended);
    QCOMPARE(queue().find(ids->front())->end_state, std::string("finished"));
    QTest::qWait(400);
    QVERIFY(queue().held());
    QCOMPARE(queue().waiting(), std::size_t(2));
    queue().drop_waiting("test");
  }

 private:
  RunQueue& queue() { return workspace_->queue(); }

  Desk desk_;
  std::unique_ptr<Workspace> workspace_;
  Recipe recipe_;
};

QTEST_MAIN(TestRunQueue)
#include "test_run_queue.moc"
