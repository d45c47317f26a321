// SPDX-License-Identifier: GPL-3.0-or-later
// A run that a person interferes with, and the same without a person: pause, ask, change settings,
// go on; samples and a probe that are answered as it goes. All end in the same bytes.
#include <QtTest>

#include "engine/data/sample_log.h"
#include "engine/session/headless.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

class TestLiveRun : public QObject {
  Q_OBJECT

  static Sample question() {
    Sample sample;
    sample.conversation.messages.push_back({"user", {ContentPart::of_text("What is it?")}});
    return sample;
  }
  static bool ended(const SessionEvent& event) { return std::holds_alternative<RunEnded>(event); }
  static const RunEnded& end_of(const std::vector<SessionEvent>& events) {
    for (auto each = events.rbegin(); each != events.rend(); ++each)
      if (const auto* end = std::get_if<RunEnded>(&*each)) return *end;
    qFatal("no end");
  }

 private slots:
  void pause_ask_edit_and_go_on_equals_the_same_edits_headless() {
    TinyRun tiny({}, 40);
    const std::vector<std::string> settings{"training.max_steps=120", "training.save_steps=40"};
    Session session;
    std::vector<SessionEvent> events;
    session.launch(tiny.recipe("by_hand", settings));
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<StepDone>(event);
    }));
    session.pause();
    QVERIFY(until(session, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Paused); }));
    const RequestId asked = session.answer({{question()}, {std::nullopt, "training"}, {4}});
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == asked && !done->error;
    }));
    session.edit_run("learning_rate", 7e-4);
    session.edit_run("max_grad_norm", 0.05);
    session.edit_run("logging_steps", 3);
    session.edit_run("max_grad_norm", -1);  // refused by name
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* failed = std::get_if<CommandFailed>(&event);
      return failed && failed->command == "set_max_grad_norm" &&
             failed->error.where.find("max_grad_norm") != std::string::npos;
    }));
    session.resume();
    QVERIFY(until(session, events, ended));
    QCOMPARE(end_of(events).state, std::string("finished"));

    const auto edits = read_edits(tiny.root() / "by_hand/events.jsonl");
    QVERIFY2(edits.ok(), edits.ok() ? "" : edits.error().sentence().c_str());
    QCOMPARE(edits->size(), std::size_t(3));
    QVERIFY(train_headless(tiny.recipe("headless", settings), {}, {}, {}, 0, *edits).ok());
    QVERIFY2(differences(tiny.root() / "by_hand", tiny.root() / "headless").isEmpty(),
             qPrintable(differences(tiny.root() / "by_hand", tiny.root() / "headless")));
    QVERIFY(train_headless(tiny.recipe("plain", settings), {}, {}, {}).ok());
    QVERIFY(!differences(tiny.root() / "by_hand", tiny.root() / "plain").isEmpty());
  }

  void samples_change_nothing_and_are_cut_back_by_a_resume() {
    TinyRun tiny;
    const std::vector<std::string> settings{
        "samples.every=2", "samples.count=2", "samples.max_new_tokens=3",
        "samples.dataset=" + (tiny.root() / "eval.jsonl").string()};
    QVERIFY(train_headless(tiny.recipe("plain"), {}, {}, {}).ok());
    QVERIFY(train_headless(tiny.recipe("asked", settings), {}, {}, {}).ok());
    QVERIFY2(differences(tiny.root() / "plain", tiny.root() / "asked").isEmpty(),
             qPrintable(differences(tiny.root() / "plain", tiny.root() / "asked")));
    const auto log = read_sample_log(tiny.root() / "asked" / kSamplesFile);
    QVERIFY(log.ok());
    std::vector<std::int64_t> steps;
    for (const SampleFrame& frame : log->frames) {
      steps.push_back(frame.step);
      QCOMPARE(frame.answers.size(), std::size_t(2));
      for (const SampleAnswer& answer : frame.answers)
        QVERIFY(!answer.finish.empty() && answer.tokens <= 3);
    }
    QCOMPARE(steps, (std::vector<std::int64_t>{0, 2, 4, 6, 8, 9}));
    QCOMPARE(log->questions.size(), std::size_t(2));
    QVERIFY(log->questions[0].conversation.messages.back().role == "assistant");

    // Stopped behind a checkpoint, and on: the same file.
    std::stop_source stop;
    const auto at_five = [&](const SessionEvent& event) {
      const auto* step = std::get_if<StepDone>(&event);
      if (step && step->line.step == 5) stop.request_stop();
    };
    (void)train_headless(tiny.recipe("parts", settings), {}, at_five, stop.get_token());
    const RunFolder parts = *RunFolder::open(tiny.root() / "parts");
    fs::remove_all(parts.checkpoint_path(5));  // as after a kill: the one of step 3 is left
    fs::remove_all(parts.adapter_path());
    QVERIFY(train_headless(tiny.recipe("parts", settings), tiny.root() / "parts", {}, {}).ok());
    QVERIFY(differences(tiny.root() / "plain", tiny.root() / "parts").isEmpty());
    QCOMPARE(*read_file(tiny.root() / "parts" / kSamplesFile),
             *read_file(tiny.root() / "asked" / kSamplesFile));
  }

  void the_probe_is_held_against_the_start() {
    TinyRun tiny;
    const std::string eval = (tiny.root() / "eval.jsonl").string();
    const std::vector<std::string> settings{"forgetting.dataset=" + eval, "forgetting.count=2",
                                            "forgetting.max_new_tokens=3", "eval_dataset=" + eval,
                                            "training.eval_steps=3"};
    const Recipe recipe = tiny.recipe("run", settings);
    QVERIFY(train_headless(recipe, {}, {}, {}).ok());
    const RunFolder folder = *RunFolder::open(tiny.root() / "run");
    std::vector<std::int64_t> steps;
    for (const MetricsLine& line : folder.read_metrics()) {
      const auto forgotten = line.figures.find("eval_probe/forgetting");
      if (forgotten == line.figures.end()) continue;
      steps.push_back(line.step);
      QVERIFY(line.figures.count("eval_probe/token_f1") && std::abs(forgotten->second) <= 1);
    }
    QCOMPARE(steps, (std::vector<std::int64_t>{3, 6, 9}));
    std::stop_source stop;
    const auto at_four = [&](const SessionEvent& event) {
      const auto* step = std::get_if<StepDone>(&event);
      if (step && step->line.step == 4) stop.request_stop();
    };
    (void)train_headless(tiny.recipe("parts", settings), {}, at_four, stop.get_token());
    QVERIFY(train_headless(tiny.recipe("parts", settings), tiny.root() / "parts", {}, {}).ok());
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "parts").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "parts")));
    // The probe alone, without an evaluation dataset, is asked as often.
    std::vector<std::string> alone(settings.begin(), settings.begin() + 3);
    alone.push_back("training.save_steps=5");
    QVERIFY(train_headless(tiny.recipe("alone", alone), {}, {}, {}).ok());
    const auto lines = RunFolder::open(tiny.root() / "alone")->read_metrics();
    QVERIFY(lines[4].figures.count("eval_probe/forgetting") && !lines[4].eval_loss);
    QVERIFY(lines[8].figures.count("eval_probe/forgetting") &&
            !lines[3].figures.count("eval_probe/forgetting"));
  }

  void files_that_cannot_be_asked_are_refused_before_the_run() {
    TinyRun tiny;
    const auto refused = [&](const std::string& setting) {
      const auto result =
          train_headless(tiny.recipe("run", {setting, "samples.every=1"}), {}, {}, {});
      return result ? std::string() : result.error().sentence();
    };
    QVERIFY(refused("samples.dataset=/nowhere.jsonl").find("nowhere.jsonl") != std::string::npos);
    write_text(tiny.root() / "no_answers.jsonl",
               "{\"messages\":[{\"role\":\"user\",\"content\":\"What?\"}]}\n");
    QVERIFY(refused("forgetting.dataset=" + (tiny.root() / "no_answers.jsonl").string())
                .find("forgetting.dataset") != std::string::npos);
    QVERIFY(!fs::exists(tiny.root() / "run"));
  }
};

QTEST_GUILESS_MAIN(TestLiveRun)
#include "test_live_run.moc"
