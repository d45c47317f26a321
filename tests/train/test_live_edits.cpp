// SPDX-License-Identifier: GPL-3.0-or-later
// Settings changed while a run goes on: the same changes given as a file, or made again by a
// resume, end in the same bytes.
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

class TestLiveEdits : public QObject {
  Q_OBJECT

  static std::vector<RunEvent> edits_of(const fs::path& run) {
    std::vector<RunEvent> events = RunFolder::open(run)->read_events();
    std::erase_if(events, [](const RunEvent& event) { return !edit_of(event); });
    return events;
  }
  static std::vector<std::string> told(const fs::path& run) {
    std::vector<std::string> all;
    for (const RunEvent& event : edits_of(run))
      all.push_back(std::to_string(event.step) + " " + event.kind + " " + event.detail);
    return all;
  }
  static TrainerOptions with_edits(const fs::path& file) {
    TrainerOptions options;
    const auto edits = read_edits(file);
    if (!edits) qFatal("%s", edits.error().sentence().c_str());
    options.edits = *edits;
    return options;
  }
  /// A person who changes three settings at their steps, and stops the run after `last`.
  static auto person(std::int64_t last) {
    return [last](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&control, last](std::int64_t step) {
        if (step == 2) control.set_learning_rate(5e-4);
        if (step == 4) control.edit("max_grad_norm", 0.01);
        if (step == 4) control.edit("learning_rate", 4e-3);
        if (step == 5) control.edit("logging_steps", 2);
        if (step == last) control.stop(true);
      };
    };
  }

 private slots:
  void the_same_changes_from_a_file_end_in_the_same_bytes() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("by_hand"), {}, person(-1)));
    const fs::path events = tiny.root() / "by_hand/events.jsonl";
    VERIFY_OK(run(tiny.recipe("replayed"), {}, {}, with_edits(events)));
    QVERIFY2(differences(tiny.root() / "by_hand", tiny.root() / "replayed").isEmpty(),
             qPrintable(differences(tiny.root() / "by_hand", tiny.root() / "replayed")));
    QCOMPARE(told(tiny.root() / "by_hand"), told(tiny.root() / "replayed"));
    QCOMPARE(told(tiny.root() / "by_hand").size(), std::size_t(4));
    // They did something: each alone tells the runs apart.
    VERIFY_OK(run(tiny.recipe("plain")));
    QVERIFY(!differences(tiny.root() / "by_hand", tiny.root() / "plain").isEmpty());
    const auto lines = RunFolder::open(tiny.root() / "by_hand")->read_metrics();
    Steps steps;
    for (const MetricsLine& line : lines) steps.push_back(line.step);
    QCOMPARE(steps, (Steps{1, 2, 3, 4, 5, 6, 8, 9}));
    for (const char* alone :
         {"{\"step\":4,\"max_grad_norm\":0.01}\n", "{\"step\":2,\"learning_rate\":5e-4}\n"}) {
      fs::remove_all(tiny.root() / "alone");
      write_text(tiny.root() / "edits.jsonl", alone);
      VERIFY_OK(run(tiny.recipe("alone"), {}, {}, with_edits(tiny.root() / "edits.jsonl")));
      QVERIFY(!differences(tiny.root() / "alone", tiny.root() / "plain").isEmpty());
    }
  }

  void a_stop_and_a_resume_change_nothing() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole"), {}, person(-1)));
    VERIFY_OK(run(tiny.recipe("parts"), {}, person(5)));
    VERIFY_OK(run(tiny.recipe("parts"), tiny.root() / "parts"));
    QVERIFY2(differences(tiny.root() / "whole", tiny.root() / "parts").isEmpty(),
             qPrintable(differences(tiny.root() / "whole", tiny.root() / "parts")));
    QCOMPARE(told(tiny.root() / "whole"), told(tiny.root() / "parts"));
  }

  /// Killed between a change and the next checkpoint: the checkpoint knows nothing of it, the
  /// events do.
  void what_was_changed_after_the_checkpoint_is_made_again() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole"), {}, person(-1)));
    VERIFY_OK(run(tiny.recipe("killed"), {}, person(6)));
    const RunFolder folder = *RunFolder::open(tiny.root() / "killed");
    fs::remove_all(folder.checkpoint_path(6));
    fs::remove_all(tiny.root() / "killed/adapter");
    const Outcome rest = run(tiny.recipe("killed"), tiny.root() / "killed");
    VERIFY_OK(rest);
    QCOMPARE(rest.watcher.lines.front().step, std::int64_t(4));
    QVERIFY2(differences(tiny.root() / "whole", tiny.root() / "killed").isEmpty(),
             qPrintable(differences(tiny.root() / "whole", tiny.root() / "killed")));
    QCOMPARE(told(tiny.root() / "whole"), told(tiny.root() / "killed"));
    // The host hears of each as the run comes to it.
    QCOMPARE(rest.watcher.count("max_grad_norm"), 1);
  }

  /// Killed before there was any checkpoint: the run begins anew and makes the changes again.
  void what_was_changed_before_any_checkpoint_is_made_again() {
    TinyRun tiny;
    const auto person_of = [](std::int64_t last) {
      return [last](Watcher& watcher, TrainControl& control, LoadedModel&) {
        watcher.at_step = [&control, last](std::int64_t step) {
          if (step == 1) control.set_learning_rate(4e-3);
          if (step == last) control.stop(false);
        };
      };
    };
    VERIFY_OK(run(tiny.recipe("whole"), {}, person_of(-1)));
    VERIFY_OK(run(tiny.recipe("killed"), {}, person_of(2)));
    QVERIFY(checkpoint_steps(tiny.root() / "killed").empty());
    const Outcome rest = run(tiny.recipe("killed"), tiny.root() / "killed");
    VERIFY_OK(rest);
    QCOMPARE(rest.watcher.lines.front().step, std::int64_t(1));
    QCOMPARE(rest.watcher.count("learning_rate"), 1);
    QVERIFY(rest.watcher.told("warning", "made again at their steps: 1."));
    QVERIFY2(differences(tiny.root() / "whole", tiny.root() / "killed").isEmpty(),
             qPrintable(differences(tiny.root() / "whole", tiny.root() / "killed")));
    QCOMPARE(told(tiny.root() / "whole"), told(tiny.root() / "killed"));
  }
  /// As a new run it goes by the recipe alone, and says so.
  void a_new_run_in_its_place_says_what_is_lost() {
    TinyRun tiny;
    const auto discard = [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&control](std::int64_t step) {
        if (step == 1) control.set_learning_rate(4e-3);
        if (step == 2) control.stop(false);
      };
    };
    VERIFY_OK(run(tiny.recipe("plain")));
    VERIFY_OK(run(tiny.recipe("run"), {}, discard));
    const Outcome anew = run(tiny.recipe("run"));
    VERIFY_OK(anew);
    QVERIFY(anew.watcher.told("warning", "not made again: 1."));
    QCOMPARE(anew.watcher.count("learning_rate"), 0);
    QVERIFY2(differences(tiny.root() / "plain", tiny.root() / "run").isEmpty(),
             qPrintable(differences(tiny.root() / "plain", tiny.root() / "run")));
  }

  void a_resume_with_the_same_file_makes_each_once() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole"), {}, person(-1)));
    fs::copy_file(tiny.root() / "whole/events.jsonl", tiny.root() / "edits.jsonl");
    const TrainerOptions options = with_edits(tiny.root() / "edits.jsonl");
    VERIFY_OK(run(
        tiny.recipe("parts"), {},
        [](Watcher& watcher, TrainControl& control, LoadedModel&) {
          watcher.at_step = [&control](std::int64_t step) {
            if (step == 4) control.stop(true);
          };
        },
        options));
    VERIFY_OK(run(tiny.recipe("parts"), tiny.root() / "parts", {}, options));
    QVERIFY2(differences(tiny.root() / "whole", tiny.root() / "parts").isEmpty(),
             qPrintable(differences(tiny.root() / "whole", tiny.root() / "parts")));
    QCOMPARE(told(tiny.root() / "whole"), told(tiny.root() / "parts"));
  }

  void a_word_of_now_stands_over_what_waits() {
    TinyRun tiny;
    const auto change_at = [](std::int64_t at, double rate, std::int64_t last) {
      return [=](Watcher& watcher, TrainControl& control, LoadedModel&) {
        watcher.at_step = [&control, at, rate, last](std::int64_t step) {
          if (step == at) control.set_learning_rate(rate);
          if (step == last) control.stop(false);
        };
      };
    };
    VERIFY_OK(run(tiny.recipe("run"), {}, change_at(5, 1e-3, 5)));  // discarded at 5, saved at 3
    VERIFY_OK(run(tiny.recipe("run"), tiny.root() / "run", change_at(4, 7e-3, -1)));
    const auto events = edits_of(tiny.root() / "run");
    QCOMPARE(events.size(), std::size_t(1));
    QCOMPARE(events.front().step, std::int64_t(4));
    VERIFY_OK(run(tiny.recipe("again"), {}, {}, with_edits(tiny.root() / "run/events.jsonl")));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "again").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "again")));
  }
};

QTEST_GUILESS_MAIN(TestLiveEdits)
#include "test_live_edits.moc"
