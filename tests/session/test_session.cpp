// SPDX-License-Identifier: GPL-3.0-or-later
// The session as a host drives it: commands in, events out; a run that is paused, asked, changed
// and stopped while its model stays loaded.
#include <QtTest>

#include <fstream>
#include <functional>

#include "engine/session/event_queue.h"
#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/patience.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

template <class Event>
const Event* last(const std::vector<SessionEvent>& events) {
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (const auto* found = std::get_if<Event>(&*event)) return found;
  }
  return nullptr;
}

Sample question() {
  Sample sample;
  sample.conversation.messages = {
      {"user", {{ContentPart::Kind::Text, "What is in picture 3?", ""}}}};
  sample.where = "test";
  return sample;
}

}  // namespace

class TestSession : public QObject {
  Q_OBJECT

 private slots:
  void queue_merges_what_only_refreshes() {
    EventQueue queue(8);
    for (int i = 0; i < 100; ++i) queue.push(Progress{1, "rows", double(i), 100});
    queue.push(StateChanged{SessionState::Ready, ""});
    AnswerUpdate update{};
    update.request = 2;
    for (int i = 0; i < 50; ++i) {
      update.text += "x";
      queue.push(update);
    }
    update.final = true;
    queue.push(update);
    auto events = queue.drain();
    QCOMPARE(events.size(), std::size_t(3));
    QCOMPARE(std::get<Progress>(events[0]).done, 99.0);
    QVERIFY(std::get<AnswerUpdate>(events[2]).final);
    for (int i = 0; i < 1000; ++i) queue.push(StepDone{});
    queue.push(StateChanged{SessionState::Training, ""});
    events = queue.drain();
    QVERIFY(events.size() <= 9);
    QVERIFY(is_state(events.back(), SessionState::Training));
  }

  void trains_pauses_answers_and_stops() {
    TinyRun tiny({}, 40);
    Session session;
    std::vector<SessionEvent> events;
    QCOMPARE(session.state(), SessionState::Empty);
    session.pause();  // not possible now
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<CommandFailed>(event);
    }));
    session.launch(tiny.recipe("run", {"training.max_steps=4000"}));
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* step = std::get_if<StepDone>(&event);
      return step && step->line.step >= 3;
    }));
    QVERIFY(last<RunStarted>(events)->forecast.parts.total() > 0);
    const RequestId during =
        session.answer({{question()}, {std::nullopt, std::string("training")}, {4}});
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == during;
    }));
    QVERIFY(!last<RequestDone>(events)->error);
    for (const double refused : {-1e-4, 100.5, std::nan("")}) {
      session.set_learning_rate(refused);
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        const auto* failed = std::get_if<CommandFailed>(&event);
        return failed && failed->command == "set_learning_rate" &&
               failed->error.where.find("learning_rate") != std::string::npos;
      }));
    }
    session.set_learning_rate(1e-4);
    session.pause();
    QVERIFY(until(session, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Paused); }));
    const RequestId paused = session.answer({{question()}, {std::nullopt}, {4}});
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == paused;
    }));
    QVERIFY(last<AnswerUpdate>(events)->final);
    session.resume();
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<StepDone>(event);
    }));
    session.save_now();
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* happened = std::get_if<RunEventHappened>(&event);
      return happened && happened->event.kind == "checkpoint";
    }));
    session.stop(StopKind::Save);
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<RunEnded>(event);
    }));
    QCOMPARE(last<RunEnded>(events)->state, std::string("stopped"));
    QVERIFY(fs::exists(tiny.root() / "run/adapter/adapter_model.safetensors"));
    WAIT_UNTIL(session.state() == SessionState::Empty);  // a base of random weights is not kept
  }

  void answers_are_the_same_beside_a_run_and_a_run_is_the_same_beside_answers() {
    TinyRun tiny;
    QVERIFY(train_headless(tiny.recipe("alone"), {}, {}, {}).ok());
    Session session;
    std::vector<SessionEvent> events;
    session.launch(tiny.recipe("asked"));
    for (int i = 0; i < 6; ++i)
      session.answer({{question()}, {std::nullopt, std::string("training")}, {3}});
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<RunEnded>(event);
    }));
    QCOMPARE(last<RunEnded>(events)->state, std::string("finished"));
    QVERIFY2(differences(tiny.root() / "asked", tiny.root() / "alone").isEmpty(),
             qPrintable(differences(tiny.root() / "asked", tiny.root() / "alone")));
  }

  void checks_previews_and_forecasts_without_a_model() {
    TinyRun tiny;
    Session session;
    std::vector<SessionEvent> events;
    const Recipe recipe = tiny.recipe("run");
    session.check_data(recipe);
    session.preview_rows(recipe, 2, 3);
    const RequestId request = session.forecast(recipe);
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == request;
    }));
    QCOMPARE(last<DataChecked>(events)->report->usable, std::size_t(11));
    const auto* preview = last<RowsPreviewed>(events);
    QCOMPARE(preview->rows.size(), std::size_t(3));
    QCOMPARE(preview->rows[0].pieces.size(), preview->rows[0].ids.size());
    QVERIFY(std::count(preview->rows[0].image.begin(), preview->rows[0].image.end(), true) > 0);
    QVERIFY(last<ForecastMade>(events)->trainable > 0);
    Recipe missing = recipe;
    missing.dataset = {(tiny.root() / "nothing.jsonl").string()};
    const RequestId wrong = session.check_data(missing);
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == wrong;
    }));
    QVERIFY(last<RequestDone>(events)->error.has_value());
  }

  // A file of a folder that is written in its place leaves the folder's own time as it was.
  void rows_of_a_folder_that_are_written_anew_are_read_anew() {
    TinyRun tiny;
    Session session;
    std::vector<SessionEvent> events;
    Recipe recipe = tiny.recipe("run");
    const fs::path folder = tiny.root() / "rows", file = folder / "train.jsonl";
    fs::create_directories(folder);
    recipe.dataset = {folder.string()};
    for (std::size_t rows = 1; rows <= 3; ++rows) {
      std::ofstream(file, std::ios::app) << R"({"prompt": "a", "completion": "b"})" << std::endl;
      const RequestId request = session.preview_rows(recipe, 0, 1);
      QVERIFY(until(session, events, [&](const SessionEvent& event) {
        const auto* done = std::get_if<RequestDone>(&event);
        return done && done->request == request;
      }));
      QCOMPARE(last<RowsPreviewed>(events)->total_rows, rows);
    }
  }

  void a_finished_adapter_is_attached_asked_and_dropped() {
    TinyRun tiny;
    QVERIFY(train_headless(tiny.recipe("run", {"strategy=full"}), {}, {}, {})
                .ok());  // a checkpoint with weights
    const fs::path base = tiny.root() / "run/model";
    QVERIFY(train_headless(tiny.recipe("lora", {"model=" + base.string(), "init=pretrained"}), {},
                           {}, {})
                .ok());
    Session session;
    std::vector<SessionEvent> events;
    session.load_model(base, "cpu", "float32");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<ModelLoaded>(event);
    }));
    session.attach_adapter("a", tiny.root() / "lora/adapter");
    session.attach_adapter("a", tiny.root() / "lora/adapter");  // the name is taken
    session.set_adapter_strength("a", 0);
    const RequestId request =
        session.answer({{question()}, {std::nullopt, std::string("a"), std::string("b")}, {5}});
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == request;
    }));
    QVERIFY(last<RequestDone>(events)->error.has_value());  // b is not there
    QVERIFY(last<CommandFailed>(events)->command == "attach_adapter");
    std::map<std::size_t, std::string> texts;
    for (const SessionEvent& event : events) {
      if (const auto* update = std::get_if<AnswerUpdate>(&event); update && update->final)
        texts[update->column] = update->text;
    }
    QCOMPARE(texts[0], texts[1]);  // a strength of zero is the base
    const RequestId tried =
        session.try_one_step(tiny.recipe("try", {"model=" + base.string(), "init=pretrained"}));
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == tried;
    }));
    QVERIFY(last<OneStepTried>(events) && last<OneStepTried>(events)->measured.activations > 0);
    QVERIFY(!fs::exists(tiny.root() / "try"));
    session.drop_adapter("a");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<AdapterDropped>(event);
    }));
  }

  void a_resume_loads_the_type_that_the_run_began_with() {
    TinyRun tiny;
    Recipe recipe = tiny.recipe("run", {"training.dtype=bfloat16", "training.max_steps=100000"});
    const auto launch = [&](Session& session, const std::optional<fs::path>& resume) {
      std::vector<SessionEvent> events;
      session.launch(recipe, resume);
      const bool stepped = until(session, events, [](const SessionEvent& event) {
        return std::holds_alternative<StepDone>(event) || std::holds_alternative<RunEnded>(event);
      });
      session.stop(StopKind::Save);
      if (!stepped || !until(session, events, [](const SessionEvent& event) {
            return std::holds_alternative<RunEnded>(event);
          }))
        return std::string("hangs");
      const auto* loaded = last<ModelLoaded>(events);
      return loaded ? loaded->dtype : last<RunEnded>(events)->error.value_or(Error{}).sentence();
    };
    {
      Session session;
      QCOMPARE(launch(session, {}), std::string("bfloat16"));
    }
    recipe.training.dtype = "auto";
    Session session;
    QCOMPARE(launch(session, tiny.root() / "run"), std::string("bfloat16"));
  }

  void closing_a_session_saves_its_run() {
    TinyRun tiny;
    {
      Session session;
      std::vector<SessionEvent> events;
      session.launch(tiny.recipe("run", {"training.max_steps=100000"}));
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        return std::holds_alternative<StepDone>(event);
      }));
    }
    QVERIFY(RunFolder::open(tiny.root() / "run")->newest_whole_checkpoint().has_value());
  }
};

QTEST_GUILESS_MAIN(TestSession)
#include "test_session.moc"
