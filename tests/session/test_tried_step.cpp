// SPDX-License-Identifier: GPL-3.0-or-later
// A step that is only tried leaves the model as it was, also where its loss is no number: nothing
// times a rate of zero is one then.
#include <torch/library.h>

#include <cmath>
#include <limits>

#include "engine/session/headless.h"
#include "engine/session/session.h"

// After LibTorch, whose names Qt's keywords would break.
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

double embedded_times = 1;
torch::Tensor embeds(const torch::Tensor& weight, const torch::Tensor& ids, c10::SymInt, bool,
                     bool) {
  return weight.index_select(0, ids.reshape({-1})).mul(embedded_times);
}

/// The last event of a kind.
template <class Event>
const Event* newest(const std::vector<SessionEvent>& events) {
  for (auto event = events.rbegin(); event != events.rend(); ++event)
    if (const auto* found = std::get_if<Event>(&*event)) return found;
  return nullptr;
}

}  // namespace

class TestTriedStep : public QObject {
  Q_OBJECT

 private slots:
  void a_loss_that_is_no_number_changes_no_weight_data() {
    QTest::addColumn<QString>("optimizer");
    for (const char* name : {"adamw_torch", "adafactor", "lion_32bit", "adamw_8bit", "sgd", "muon",
                             "schedule_free_adamw"})
      QTest::newRow(name) << QString(name);
  }
  void a_loss_that_is_no_number_changes_no_weight() {
    QFETCH(QString, optimizer);
    TinyRun tiny;
    embedded_times = 1;
    QVERIFY(
        train_headless(tiny.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    const fs::path base = tiny.root() / "start/model";
    torch::Library in_place(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__,
                            __LINE__);
    in_place.impl("embedding", embeds);
    Session session;
    std::vector<SessionEvent> events;
    session.load_model(base, "cpu", "float32");
    QVERIFY(until(session, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Ready); }));
    const std::vector<double> before = answered(session, events);
    QVERIFY(!before.empty() && std::isfinite(before.front()));
    const Recipe recipe =
        tiny.recipe("tried", {"model=" + base.string(), "init=pretrained", "strategy=full",
                              "training.optim=" + optimizer.toStdString()});
    embedded_times = std::numeric_limits<double>::infinity();
    QVERIFY(until_done(session, events, session.try_one_step(recipe)));
    const auto error = newest<RequestDone>(events)->error;
    QVERIFY(error &&
            error->sentence().find("is not finite on the longest rows") != std::string::npos);
    QVERIFY(!newest<OneStepTried>(events));
    embedded_times = 1;
    QCOMPARE(answered(session, events), before);
    QVERIFY(until_done(session, events, session.try_one_step(recipe)));
    QVERIFY(newest<OneStepTried>(events));
    QCOMPARE(answered(session, events), before);
  }

 private:
  static bool until_done(Session& session, std::vector<SessionEvent>& events, RequestId request) {
    return until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == request;
    });
  }
  /// The log-probabilities of the base's answer.
  static std::vector<double> answered(Session& session, std::vector<SessionEvent>& events) {
    Sample sample;
    sample.conversation.messages = {{"user", {{ContentPart::Kind::Text, "What is there?", ""}}}};
    sample.where = "test";
    if (!until_done(session, events, session.answer({{sample}, {std::nullopt}, {4}}))) return {};
    std::vector<double> found;
    for (const AnswerToken& token : newest<AnswerUpdate>(events)->tokens)
      found.push_back(token.logprob);
    return found;
  }
};

QTEST_GUILESS_MAIN(TestTriedStep)
#include "test_tried_step.moc"
