// SPDX-License-Identifier: GPL-3.0-or-later
// A device that dies or runs full under the session's worker, told by the words that CUDA has for
// it: a kernel that throws them stands in the place of the CPU's own. The host hears of a lost
// device once, before the error that came of it.
#include <torch/library.h>

#include "engine/device/lost_device.h"
#include "engine/session/headless.h"
#include "engine/session/session.h"

// After LibTorch, whose names Qt's keywords would break.
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr const char* kDead = "CUDA error: an illegal memory access was encountered";
constexpr const char* kFull = "CUDA out of memory. Tried to allocate 20.00 MiB.";

const char* thrown_words = nullptr;
torch::Tensor throws(const torch::Tensor& weight, const torch::Tensor& ids, c10::SymInt, bool,
                     bool) {
  TORCH_CHECK(!thrown_words, thrown_words);
  return weight.index_select(0, ids.reshape({-1}));
}

bool says_lost(const std::optional<Error>& error) {
  return error && error->sentence().find("stopped answering this program (an illegal memory") !=
                      std::string::npos;
}

}  // namespace

class TestLostDevice : public QObject {
  Q_OBJECT

  TinyRun tiny_;
  fs::path base_;
  std::unique_ptr<torch::Library> in_place_;

 private slots:
  void initTestCase() {
    QVERIFY(
        train_headless(tiny_.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    base_ = tiny_.root() / "start/model";
    in_place_ = std::make_unique<torch::Library>(torch::Library::IMPL, "aten",
                                                 c10::DispatchKey::CPU, __FILE__, __LINE__);
    in_place_->impl("embedding", throws);
  }
  void cleanup() {
    thrown_words = nullptr;
    set_lost_device("");
  }

  void answers_and_tried_steps() {
    Session session;
    std::vector<SessionEvent> events;
    load(session, events);
    thrown_words = kFull;
    const auto full = answered(session, events);
    QVERIFY(full &&
            full->sentence().find("There is not enough memory to answer.") != std::string::npos);
    QCOMPARE(losses(events), 0);
    thrown_words = kDead;
    const auto lost = answered(session, events);
    QVERIFY2(says_lost(lost), lost ? lost->sentence().c_str() : "");
    // Told before the error, and once.
    QVERIFY(std::holds_alternative<DeviceLost>(events[events.size() - 2]));
    QVERIFY(says_lost(answered(session, events)));
    QCOMPARE(losses(events), 1);
    const RequestId tried = session.try_one_step(recipe("tried"));
    QVERIFY(until_done(session, events, tried));
    QVERIFY(says_lost(std::get<RequestDone>(events.back()).error));
  }

  void a_run() {
    Session session;
    std::vector<SessionEvent> events;
    load(session, events);
    thrown_words = kDead;
    session.launch(recipe("dying"));
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<RunEnded>(event);
    }));
    std::size_t told = events.size(), ended = events.size();
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (std::holds_alternative<DeviceLost>(events[i])) told = i;
      if (const auto* end = std::get_if<RunEnded>(&events[i])) {
        ended = i;
        QVERIFY2(says_lost(end->error), end->error ? end->error->sentence().c_str() : "");
      }
    }
    QVERIFY(told < ended);
    QCOMPARE(losses(events), 1);
  }

 private:
  Recipe recipe(const std::string& out) const {
    return tiny_.recipe(out, {"model=" + base_.string(), "init=pretrained"});
  }
  void load(Session& session, std::vector<SessionEvent>& events) const {
    session.load_model(base_, "cpu", "float32");
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return is_state(event, SessionState::Ready);
    }));
  }
  static bool until_done(Session& session, std::vector<SessionEvent>& events, RequestId request) {
    return until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == request;
    });
  }
  /// The error of a question to the base.
  static std::optional<Error> answered(Session& session, std::vector<SessionEvent>& events) {
    Sample sample;
    sample.conversation.messages = {{"user", {{ContentPart::Kind::Text, "What is there?", ""}}}};
    sample.where = "test";
    const RequestId request = session.answer({{sample}, {std::nullopt}, {}});
    if (!until_done(session, events, request)) return std::nullopt;
    return std::get<RequestDone>(events.back()).error;
  }
  static int losses(const std::vector<SessionEvent>& events) {
    return static_cast<int>(std::count_if(events.begin(), events.end(), [](const auto& event) {
      return std::holds_alternative<DeviceLost>(event);
    }));
  }
};

QTEST_GUILESS_MAIN(TestLostDevice)
#include "test_lost_device.moc"
