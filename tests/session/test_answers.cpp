// SPDX-License-Identifier: GPL-3.0-or-later
// Answers through the session: a whole checkpoint as a column, and what a cancelled request leaves.
#include <QtTest>
#include <algorithm>

#include <functional>

#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/patience.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

bool until_done(Session& session, std::vector<SessionEvent>& all, RequestId request) {
  const auto ends = [&](const SessionEvent& event) {
    const auto* done = std::get_if<RequestDone>(&event);
    return done && done->request == request;
  };
  // What was waited for before may have come together with it.
  return std::any_of(all.begin(), all.end(), ends) || until(session, all, ends);
}

Sample question(int number) {
  Sample sample;
  sample.conversation.messages = {
      {"user",
       {{ContentPart::Kind::Text, "What is in picture " + std::to_string(number) + "?", ""}}}};
  sample.where = "test";
  return sample;
}

std::map<std::pair<std::size_t, std::size_t>, AnswerUpdate> final_answers(
    const std::vector<SessionEvent>& events, RequestId request) {
  std::map<std::pair<std::size_t, std::size_t>, AnswerUpdate> answers;
  for (const SessionEvent& event : events) {
    const auto* update = std::get_if<AnswerUpdate>(&event);
    if (update && update->request == request && update->final)
      answers[{update->column, update->sample}] = *update;
  }
  return answers;
}

}  // namespace

class TestAnswers : public QObject {
  Q_OBJECT

  TinyRun tiny_;
  fs::path base_;

 private slots:
  void initTestCase() {
    QVERIFY(
        train_headless(tiny_.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    base_ = tiny_.root() / "start/model";
    const std::vector<std::string> on_it{"model=" + base_.string(), "init=pretrained",
                                         "strategy=full", "training.learning_rate=0.02"};
    QVERIFY(train_headless(tiny_.recipe("full", on_it), {}, {}, {}).ok());
  }

  void a_whole_checkpoint_is_a_column() {
    Session session;
    std::vector<SessionEvent> events;
    session.load_model(base_, "cpu", "float32");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<ModelLoaded>(event);
    }));
    session.attach_adapter("base", tiny_.root() / "full");  // that name is the base's
    session.attach_adapter("full", tiny_.root() / "full");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<AdapterAttached>(event);
    }));
    QVERIFY(std::any_of(events.begin(), events.end(), [](const SessionEvent& event) {
      return std::holds_alternative<CommandFailed>(event);
    }));
    const auto& attached = std::get<AdapterAttached>(events.back());
    QVERIFY(attached.whole && attached.bytes > 0 && attached.parameters > 0);
    QCOMPARE(attached.folder, tiny_.root() / "full/model");
    AnswerRequest asked;
    asked.samples = {question(1), question(2)};
    asked.columns = {std::string("full"), std::nullopt};
    asked.options.max_new_tokens = 6;
    const RequestId request = session.answer(asked);
    QVERIFY(until_done(session, events, request));
    QVERIFY(!std::get<RequestDone>(events.back()).error);
    const auto beside = final_answers(events, request);
    QCOMPARE(beside.size(), std::size_t(4));
    session.set_adapter_strength("full", 0.5);  // it has none
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<CommandFailed>(event);
    }));
    session.load_model(tiny_.root() / "full/model", "cpu", "float32");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<ModelLoaded>(event);
    }));
    asked.columns = {std::nullopt};
    const RequestId alone = session.answer(asked);
    QVERIFY(until_done(session, events, alone));
    const auto by_itself = final_answers(events, alone);
    for (std::size_t sample = 0; sample < 2; ++sample) {
      QCOMPARE(beside.at({0, sample}).text, by_itself.at({0, sample}).text);
    }
  }

  void a_cancelled_request_ends_nothing_that_was_not_ended() {
    Session session;
    std::vector<SessionEvent> events;
    session.load_model(base_, "cpu", "float32");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<ModelLoaded>(event);
    }));
    AnswerRequest asked;
    // So many that a fast machine has not answered all before it hears of the end.
    for (int i = 0; i < 60; ++i) asked.samples.push_back(question(10 + i));
    for (int i = 0; i < 60; ++i)
      asked.samples.push_back(question(100 + i));  // of another length: a batch of its own
    asked.columns = {std::nullopt};
    asked.options.max_new_tokens = 300;
    asked.options.ignore_eos = true;
    const RequestId request = session.answer(asked);
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* update = std::get_if<AnswerUpdate>(&event);
      return update && update->final;
    }));
    session.cancel(request);
    QVERIFY(until_done(session, events, request));
    QVERIFY(std::get<RequestDone>(events.back()).cancelled);
    const auto answers = final_answers(events, request);
    QVERIFY(!answers.empty() && answers.size() < asked.samples.size());
    for (const auto& [place, update] : answers) {
      QCOMPARE(update.finish, std::string("length"));
      QCOMPARE(update.tokens.size(), std::size_t(300));
    }
  }
};

QTEST_GUILESS_MAIN(TestAnswers)
#include "test_answers.moc"
