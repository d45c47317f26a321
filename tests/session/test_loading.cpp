// SPDX-License-Identifier: GPL-3.0-or-later
// A person who changes their mind while a model is being read: alone, and as the first thing of a
// run.
#include <QtTest>

#include <functional>

#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/patience.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr int kAttempts =
    40;  // a model of this size is read in a blink, so that an attempt may come too late

template <class Event>
bool any(const std::vector<SessionEvent>& events) {
  return std::any_of(events.begin(), events.end(), [](const SessionEvent& event) {
    return std::holds_alternative<Event>(event);
  });
}

}  // namespace

class TestLoading : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    tiny_ = std::make_unique<TinyRun>(TinyModel{256, 512, 4, 64, 128});
    QVERIFY(
        train_headless(tiny_->recipe("made", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    base_ = tiny_->root() / "made/model";
  }

  void only_what_is_loading_can_be_cancelled() {
    for (const SessionState state :
         {SessionState::Empty, SessionState::Ready, SessionState::Preparing, SessionState::Training,
          SessionState::Saving}) {
      QVERIFY(!can_cancel_loading(state));
    }
    QVERIFY(can_cancel_loading(SessionState::Loading));
    Session session;
    std::vector<SessionEvent> events;
    session.cancel_loading();
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<CommandFailed>(event);
    }));
  }

  void a_loading_is_cancelled() {
    bool cancelled = false;
    for (int attempt = 0; attempt < kAttempts && !cancelled; ++attempt) {
      Session session;
      std::vector<SessionEvent> events;
      session.load_model(base_, "cpu", "float32");
      session.cancel_loading();
      bool loading = false;
      QVERIFY(until(session, events, [&](const SessionEvent& event) {
        loading = loading || is_state(event, SessionState::Loading);
        return is_state(event, SessionState::Ready) ||
               (loading && is_state(event, SessionState::Empty) &&
                session.state() == SessionState::Empty);
      }));
      cancelled = !any<ModelLoaded>(events);
      if (!cancelled) continue;
      QVERIFY(!any<CommandFailed>(events));  // what a person asked for is no error
      QCOMPARE(session.state(), SessionState::Empty);
      session.load_model(base_, "cpu", "float32");  // and the next one is a new one
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        return std::holds_alternative<ModelLoaded>(event);
      }));
    }
    QVERIFY(cancelled);
  }

  void a_launch_that_loads_its_model_is_stopped() {
    for (const bool by_stop : {true, false}) {
      bool early = false;
      for (int attempt = 0; attempt < kAttempts && !early; ++attempt) {
        const std::string run = "run-" + std::to_string(by_stop) + std::to_string(attempt);
        Session session;
        std::vector<SessionEvent> events;
        session.launch(tiny_->recipe(
            run, {"model=" + base_.string(), "init=pretrained", "training.max_steps=100000"}));
        QVERIFY(until(session, events, [](const SessionEvent& event) {
          return is_state(event, SessionState::Loading);
        }));
        if (session.state() != SessionState::Loading) continue;
        if (by_stop)
          session.stop(StopKind::Discard);
        else
          session.cancel_loading();
        QVERIFY(until(session, events, [&](const SessionEvent& event) {
          if (can_stop(session.state()))
            session.stop(StopKind::Discard);  // too late: only a stop ends it now
          return std::holds_alternative<RunEnded>(event);
        }));
        for (const SessionEvent& event : events) {
          if (const auto* ended = std::get_if<RunEnded>(&event))
            QVERIFY(ended->state == "stopped" && !ended->error);
        }
        early = !any<ModelLoaded>(events);
        if (early) QVERIFY(!fs::exists(tiny_->root() / run));
      }
      QVERIFY(early);
    }
  }

  void a_session_that_closes_waits_for_no_model() {
    Session session;
    session.load_model(base_, "cpu", "float32");
  }

  void the_command_line_ends_as_interrupted() {
    std::stop_source stop;
    stop.request_stop();
    const auto result =
        train_headless(tiny_->recipe("headless", {"model=" + base_.string(), "init=pretrained"}),
                       {}, {}, stop.get_token());
    QVERIFY(!result.ok() && result.error().exit_status() == 130);
    QVERIFY(!fs::exists(tiny_->root() / "headless"));
  }

 private:
  std::unique_ptr<TinyRun> tiny_;
  fs::path base_;
};

QTEST_GUILESS_MAIN(TestLoading)
#include "test_loading.moc"
