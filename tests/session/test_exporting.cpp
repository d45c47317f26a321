// SPDX-License-Identifier: GPL-3.0-or-later
// Results for others through the session: a run's adapter as GGUF (merged first), as a checkpoint
// and as a PEFT folder; what is refused; a cancelled one that leaves nothing; a row inspected, the
// loss of its tokens, and a step taken apart.
#include <QtTest>

#include <cmath>
#include <optional>

#include "engine/io/files.h"
#include "engine/session/headless.h"
#include "engine/teaching/teaching.h"
#include "tests/session/drained.h"

using namespace luthier;
using namespace luthier::test;
namespace fs = std::filesystem;

namespace {

template <class Event>
const Event* of_request(const std::vector<SessionEvent>& events, RequestId request) {
  for (const SessionEvent& event : events) {
    const auto* found = std::get_if<Event>(&event);
    if (found && found->request == request) return found;
  }
  return nullptr;
}

}  // namespace

class TestExporting : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void an_adapter_as_gguf();
  void an_adapter_as_a_checkpoint_and_as_peft();
  void what_is_refused();
  void a_cancelled_one_leaves_nothing();
  void a_row_down_to_pixels();
  void the_loss_of_each_token();
  void a_step_taken_apart();

 private:
  fs::path folder(const char* name) const { return fs::path(folder_.path().toStdString()) / name; }
  const RequestDone* done(RequestId request) {
    if (!of_request<RequestDone>(events_, request))
      until(session_, events_, [&](const SessionEvent& event) {
        const auto* ended = std::get_if<RequestDone>(&event);
        return ended && ended->request == request;
      });
    return of_request<RequestDone>(events_, request);
  }
  ExportRequest request(ExportKind kind, const char* out) const {
    ExportRequest asked;
    asked.kind = kind;
    asked.result = folder("run");
    asked.out = folder(out);
    return asked;
  }

  QTemporaryDir folder_;
  Recipe recipe_;
  Session session_;
  std::vector<SessionEvent> events_;
};

void TestExporting::initTestCase() {
  recipe_ = teaching_recipe(*teaching_task("korean"), folder("run")).value();
  recipe_.eval_dataset.clear();
  recipe_.training.max_steps = 2;
  QVERIFY(train_headless(recipe_, {}, {}, {}).ok());
}

void TestExporting::an_adapter_as_gguf() {
  ExportRequest asked = request(ExportKind::Gguf, "gguf");
  asked.type = "q8_0";
  asked.system = "You look at pictures.";
  const RequestId id = session_.export_result(asked);
  const RequestDone* ended = done(id);
  QVERIFY2(!ended->error, ended->error ? ended->error->sentence().c_str() : "");
  const ExportOutcome& outcome = of_request<Exported>(events_, id)->outcome;
  QCOMPARE(outcome.files,
           (std::vector<std::string>{"run-q8_0.gguf", "mmproj-run-q8_0.gguf", "Modelfile"}));
  QVERIFY(!outcome.sentence.empty());
  for (const std::string& file : outcome.files) QVERIFY(fs::exists(folder("gguf") / file));
  const auto words = read_file(folder("gguf") / "Modelfile");
  QVERIFY(words->find("FROM ./run-q8_0.gguf\nFROM ./mmproj-run-q8_0.gguf\n") != std::string::npos);
  QVERIFY(words->find("SYSTEM \"\"\"You look at pictures.\"\"\"") != std::string::npos);
  QVERIFY(words->find("{{ .Prompt }}") != std::string::npos);
  // What was merged on the way is gone.
  for (const auto& each : fs::directory_iterator(folder_.path().toStdString()))
    QVERIFY(!each.path().filename().string().starts_with('.'));
}

void TestExporting::an_adapter_as_a_checkpoint_and_as_peft() {
  const RequestId whole = session_.export_result(request(ExportKind::Checkpoint, "whole"));
  QVERIFY(!done(whole)->error);
  session_.load_model(folder("whole"), "cpu", "float32");
  QVERIFY(until(session_, events_, [](const SessionEvent& event) {
    return is_state(event, SessionState::Ready) || std::holds_alternative<CommandFailed>(event);
  }));
  QCOMPARE(session_.state(), SessionState::Ready);
  const RequestId alone = session_.export_result(request(ExportKind::Adapter, "alone"));
  QVERIFY(!done(alone)->error);
  QCOMPARE(*read_file(folder("alone") / "adapter_model.safetensors"),
           *read_file(folder("run") / "adapter" / "adapter_model.safetensors"));
  // Two adapters as one, which is merged and written.
  ExportRequest both = request(ExportKind::Adapter, "both");
  both.adapters = {folder("run"), folder("alone")};
  both.how.weights = {0.5, 0.5};
  const RequestId combined = session_.export_result(both);
  QVERIFY(!done(combined)->error);
  QVERIFY(fs::exists(folder("both") / "adapter_config.json"));
}

void TestExporting::what_is_refused() {
  const auto refusal = [&](const ExportRequest& asked) {
    const RequestDone* ended = done(session_.export_result(asked));
    return ended->error ? ended->error->sentence() : std::string();
  };
  QVERIFY(refusal(request(ExportKind::Gguf, "gguf")).find("not empty") != std::string::npos);
  ExportRequest type = request(ExportKind::Gguf, "type");
  type.type = "q4_k";
  QVERIFY(refusal(type).find("q4_k") != std::string::npos);
  ExportRequest whole = request(ExportKind::Adapter, "none");
  whole.result = folder("whole");
  QVERIFY(refusal(whole).find("whole checkpoint") != std::string::npos);
  for (const char* left : {"type", "none"}) QVERIFY(!fs::exists(folder(left)));
}

void TestExporting::a_cancelled_one_leaves_nothing() {
  const RequestId id = session_.export_result(request(ExportKind::Gguf, "cancelled"));
  session_.cancel(id);
  QVERIFY(done(id)->cancelled);
  QVERIFY(!fs::exists(folder("cancelled")));
}

void TestExporting::a_row_down_to_pixels() {
  const RequestId id = session_.inspect_row(recipe_, 1);
  const RequestDone* ended = done(id);
  QVERIFY2(!ended->error, ended->error ? ended->error->sentence().c_str() : "");
  const InspectedRow row = of_request<RowInspected>(events_, id)->row;
  QCOMPARE(row.pictures.size(), std::size_t(1));
  const InspectedPicture& picture = row.pictures.front();
  // The teaching model's tower: 72 pixels a side, patches of 24, nine tokens.
  QCOMPARE(picture.frames.size(), std::size_t(1));
  QCOMPARE(picture.frames.front().width, 72);
  QCOMPARE(picture.patch, 24);
  QCOMPARE(picture.tokens(), std::size_t(9));
  QCOMPARE(picture.spans.size(), std::size_t(1));
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    const auto [first, behind] = picture.spans.front();
    QCOMPARE(row.picture[i], std::int64_t(i >= first && i < behind ? 0 : -1));
  }
  QCOMPARE(row.positions.size(), std::size_t(1));
  QCOMPARE(row.positions.front().back(), std::int64_t(row.ids.size()) - 1);
  // Un-normalised, the picture is the one in the file, which needs no resizing.
  const fs::path shown = fs::path(recipe_.dataset.front()).parent_path() / "../../pictures/train";
  const auto file = decode_image(shown / picture.name);
  QVERIFY2(file.ok(), picture.name.c_str());
  QVERIFY(picture.frames.front().rgb == file->rgb);
  // Cut off, and what was.
  Recipe shorter = recipe_;
  shorter.training.max_length = static_cast<std::int64_t>(row.ids.size()) - 2;
  const RequestId cut = session_.inspect_row(shorter, 1);
  QVERIFY(!done(cut)->error);
  const InspectedRow& less = of_request<RowInspected>(events_, cut)->row;
  QCOMPARE(less.cut_off.size(), std::size_t(2));
  QCOMPARE(less.cut_off.back(), row.pieces.back());
  QVERIFY(done(session_.inspect_row(recipe_, 1'000'000))->error);
}

void TestExporting::the_loss_of_each_token() {
  session_.load_model(recipe_.model, "cpu", "float32");
  const RequestId id = session_.find_token_losses(recipe_, 1);
  const RequestDone* ended = done(id);
  QVERIFY2(!ended->error, ended->error ? ended->error->sentence().c_str() : "");
  const TokenLosses losses = of_request<TokenLossesFound>(events_, id)->losses;
  const InspectedRow* row = nullptr;
  for (const SessionEvent& event : events_)
    if (const auto* inspected = std::get_if<RowInspected>(&event); inspected && !row)
      row = &inspected->row;
  QCOMPARE(losses.losses.size(), row->ids.size());
  std::int64_t learned = 0;
  for (std::size_t i = 0; i < row->ids.size(); ++i) {
    QCOMPARE(!std::isnan(losses.losses[i]), bool(row->trained[i]));
    learned += row->trained[i];
  }
  QCOMPARE(losses.count, learned);
  QVERIFY(losses.mean > 0);
}

void TestExporting::a_step_taken_apart() {
  SlowStepRequest first;
  first.row = 1;
  const auto step_of = [&](const SlowStepRequest& asked) -> std::optional<SlowStep> {
    const RequestId id = session_.take_slow_step(recipe_, asked);
    const RequestDone* ended = done(id);
    if (ended->error) qWarning("%s", ended->error->sentence().c_str());
    const auto* taken = of_request<SlowStepTaken>(events_, id);
    if (!taken) return {};
    return taken->step;
  };
  const std::optional<SlowStep> start = step_of(first);
  QVERIFY(start);
  QCOMPARE(start->step, std::int64_t(1));
  // B starts at zero: A gets no gradient, and the answers are the base's.
  QCOMPARE(start->b.norm, 0.0);
  QCOMPARE(start->gradient_a.norm, 0.0);
  QVERIFY(start->gradient_b.norm > 0);
  QCOMPARE(start->change_before.norm, 0.0);
  QVERIFY(start->change_after.norm > 0);
  QVERIFY(start->after.mean < start->before.mean);
  std::optional<TokenLosses> base;
  for (const SessionEvent& event : events_)
    if (const auto* found = std::get_if<TokenLossesFound>(&event)) base = found->losses;
  QVERIFY(std::fabs(base->mean - start->before.mean) < 1e-5);
  QCOMPARE(start->moments.size(), std::size_t(4));
  QCOMPARE(start->moments.front().memory.optimizer, std::int64_t(0));
  QVERIFY(start->moments[1].memory.gradients > 0);
  QVERIFY(start->moments[2].memory.optimizer > 0);
  SlowStepRequest third = first;
  third.steps_before = 2;
  third.module = start->modules.back();
  const std::optional<SlowStep> later = step_of(third);
  QVERIFY(later);
  QCOMPARE(later->step, std::int64_t(3));
  QCOMPARE(later->module, start->modules.back());
  QVERIFY(later->gradient_a.norm > 0);
  // The step's own change is the difference, to the last digit of its norm or so.
  QVERIFY(later->change_of_step.norm <= later->change_after.norm + later->change_before.norm);
  // The base is left as it was.
  const RequestId again = session_.find_token_losses(recipe_, 1);
  QVERIFY(!done(again)->error);
  QVERIFY(std::fabs(of_request<TokenLossesFound>(events_, again)->losses.mean - base->mean) < 1e-6);
  // What A and B took out of the weight at their start is no change.
  for (const char* start_name : {"pissa", "olora"}) {
    recipe_.adapter.init_lora_weights = start_name;
    const std::optional<SlowStep> taken = step_of(first);
    QVERIFY(taken && taken->from_weight && taken->b.norm > 0);
    QVERIFY2(taken->change_before.norm < 1e-4 * taken->weight.norm,
             qPrintable(QString::number(taken->change_before.norm)));
    QVERIFY(taken->change_of_step.norm > 0);
    QVERIFY(std::fabs(taken->change_after.norm - taken->change_of_step.norm) <
            1e-3 * taken->change_of_step.norm);
    QVERIFY(std::fabs(taken->before.mean - base->mean) < 1e-3);
  }
  recipe_.adapter.init_lora_weights = "true";
  // Rows of a length of their own are more than what is added.
  recipe_.adapter.use_dora = true;
  QVERIFY(done(session_.take_slow_step(recipe_, first))->error);
  recipe_.adapter.use_dora = false;
  Recipe other = recipe_;
  other.strategy = "full";
  QVERIFY(done(session_.take_slow_step(other, first))->error);
}

QTEST_GUILESS_MAIN(TestExporting)
#include "test_exporting.moc"
