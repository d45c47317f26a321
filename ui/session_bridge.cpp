// SPDX-License-Identifier: GPL-3.0-or-later
// Draining and announcing; see the header.
#include "ui/session_bridge.h"

#include <QElapsedTimer>
#include <type_traits>

namespace luthier {

namespace {
constexpr int kTickMilliseconds = 100;  // ten times a second: every turn repaints labels, and takes
                                        // that time from the training threads
constexpr qint64 kBudgetMilliseconds = 12;
}  // namespace

SessionBridge::SessionBridge(QObject* parent) : QObject(parent) {
  timer_.setInterval(kTickMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &SessionBridge::drain);
  timer_.start();
}

SessionBridge::~SessionBridge() { timer_.stop(); }

void SessionBridge::drain() {
  for (SessionEvent& event : session_.drain()) waiting_.push_back(std::move(event));
  QElapsedTimer clock;
  clock.start();
  while (!waiting_.empty() && clock.elapsed() < kBudgetMilliseconds) {
    const SessionEvent event = std::move(waiting_.front());
    waiting_.pop_front();
    announce(event);
  }
}

void SessionBridge::announce(const SessionEvent& event) {
  std::visit(
      [this](const auto& e) {
        using T = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<T, StateChanged>) {
          state_ = e.state;
          emit state_changed(state_, QString::fromStdString(e.detail));
        } else if constexpr (std::is_same_v<T, Progress>) {
          emit progressed(e);
        } else if constexpr (std::is_same_v<T, ModelLoaded>) {
          emit model_loaded(e);
        } else if constexpr (std::is_same_v<T, AdapterAttached>) {
          emit adapter_attached(e);
        } else if constexpr (std::is_same_v<T, AdapterDropped>) {
          emit adapter_dropped(e);
        } else if constexpr (std::is_same_v<T, RunStarted>) {
          emit run_started(e);
        } else if constexpr (std::is_same_v<T, StageBegan>) {
          emit stage_began(e);
        } else if constexpr (std::is_same_v<T, StepDone>) {
          emit step_done(e);
        } else if constexpr (std::is_same_v<T, EvaluationDone>) {
          emit evaluation_done(e);
        } else if constexpr (std::is_same_v<T, RunEventHappened>) {
          emit run_event(e.event);
        } else if constexpr (std::is_same_v<T, RunEnded>) {
          emit run_ended(e);
        } else if constexpr (std::is_same_v<T, AnswerUpdate>) {
          emit answer_updated(e);
        } else if constexpr (std::is_same_v<T, AnswersScored>) {
          emit answers_scored(e);
        } else if constexpr (std::is_same_v<T, AnswerForced>) {
          emit answer_forced(e);
        } else if constexpr (std::is_same_v<T, AttentionFound>) {
          emit attention_found(e);
        } else if constexpr (std::is_same_v<T, RequestDone>) {
          emit request_done(e);
        } else if constexpr (std::is_same_v<T, DataChecked>) {
          emit data_checked(e);
        } else if constexpr (std::is_same_v<T, RowsPreviewed>) {
          emit rows_previewed(e);
        } else if constexpr (std::is_same_v<T, ForecastMade>) {
          emit forecast_made(e);
        } else if constexpr (std::is_same_v<T, MethodsTabled>) {
          emit methods_tabled(e);
        } else if constexpr (std::is_same_v<T, OneStepTried>) {
          emit one_step_tried(e);
        } else if constexpr (std::is_same_v<T, MergeMade>) {
          emit merge_made(e);
        } else if constexpr (std::is_same_v<T, MergeProved>) {
          emit merge_proved(e);
        } else if constexpr (std::is_same_v<T, BaseMerged>) {
          emit base_merged(e);
        } else if constexpr (std::is_same_v<T, MergeUndone>) {
          emit merge_undone();
        } else if constexpr (std::is_same_v<T, MergeWritten>) {
          emit merge_written(e);
        } else if constexpr (std::is_same_v<T, RanksFound>) {
          emit ranks_found(e);
        } else if constexpr (std::is_same_v<T, Exported>) {
          emit exported(e);
        } else if constexpr (std::is_same_v<T, RowInspected>) {
          emit row_inspected(e);
        } else if constexpr (std::is_same_v<T, TokenLossesFound>) {
          emit token_losses_found(e);
        } else if constexpr (std::is_same_v<T, SlowStepTaken>) {
          emit slow_step_taken(e);
        } else if constexpr (std::is_same_v<T, CardLooked>) {
          emit card_looked(e);
        } else if constexpr (std::is_same_v<T, LikenessFound>) {
          emit likeness_found(e);
        } else if constexpr (std::is_same_v<T, ModelsFound>) {
          emit models_found(e);
        } else if constexpr (std::is_same_v<T, FetchProgressed>) {
          emit fetch_progressed(e);
        } else if constexpr (std::is_same_v<T, ModelFetched>) {
          emit model_fetched(e);
        } else if constexpr (std::is_same_v<T, DeviceLost>) {
          emit device_lost(e);
        } else if constexpr (std::is_same_v<T, LineChanged>) {
          emit line_changed(e);
        } else {
          static_assert(std::is_same_v<T, CommandFailed>);
          emit command_failed(e);
        }
      },
      event);
}

}  // namespace luthier
