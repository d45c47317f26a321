// SPDX-License-Identifier: GPL-3.0-or-later
// The one hop from the worker to the window: owns the Session, drains its events ten times a second
// and says each as a Qt signal. A tick hands on events for a few milliseconds only, so a burst of
// them never holds the event loop.
#pragma once

#include <QObject>
#include <QTimer>
#include <deque>

#include "engine/session/session.h"

namespace luthier {

class SessionBridge : public QObject {
  Q_OBJECT

 public:
  explicit SessionBridge(QObject* parent = nullptr);
  ~SessionBridge() override;

  Session& session() { return session_; }
  const Session& session() const { return session_; }
  /// The state last announced: what widgets show and enable by.
  SessionState state() const { return state_; }
  /// Says one event as its signal; the drain does so with each.
  void announce(const SessionEvent& event);

 signals:
  void state_changed(luthier::SessionState state, const QString& detail);
  void progressed(const luthier::Progress& event);
  void model_loaded(const luthier::ModelLoaded& event);
  void adapter_attached(const luthier::AdapterAttached& event);
  void adapter_dropped(const luthier::AdapterDropped& event);
  void run_started(const luthier::RunStarted& event);
  void stage_began(const luthier::StageBegan& event);
  void step_done(const luthier::StepDone& event);
  void evaluation_done(const luthier::EvaluationDone& event);
  void run_event(const luthier::RunEvent& event);
  void run_ended(const luthier::RunEnded& event);
  void answer_updated(const luthier::AnswerUpdate& event);
  void answers_scored(const luthier::AnswersScored& event);
  void answer_forced(const luthier::AnswerForced& event);
  void attention_found(const luthier::AttentionFound& event);
  void request_done(const luthier::RequestDone& event);
  void data_checked(const luthier::DataChecked& event);
  void rows_previewed(const luthier::RowsPreviewed& event);
  void forecast_made(const luthier::ForecastMade& event);
  void methods_tabled(const luthier::MethodsTabled& event);
  void one_step_tried(const luthier::OneStepTried& event);
  void merge_made(const luthier::MergeMade& event);
  void merge_proved(const luthier::MergeProved& event);
  void base_merged(const luthier::BaseMerged& event);
  void merge_undone();
  void merge_written(const luthier::MergeWritten& event);
  void ranks_found(const luthier::RanksFound& event);
  void exported(const luthier::Exported& event);
  void row_inspected(const luthier::RowInspected& event);
  void token_losses_found(const luthier::TokenLossesFound& event);
  void slow_step_taken(const luthier::SlowStepTaken& event);
  void card_looked(const luthier::CardLooked& event);
  void likeness_found(const luthier::LikenessFound& event);
  void models_found(const luthier::ModelsFound& event);
  void fetch_progressed(const luthier::FetchProgressed& event);
  void model_fetched(const luthier::ModelFetched& event);
  void device_lost(const luthier::DeviceLost& event);
  void line_changed(const luthier::LineChanged& event);
  void command_failed(const luthier::CommandFailed& event);

 private:
  void drain();

  Session session_;
  SessionState state_ = SessionState::Empty;
  std::deque<SessionEvent> waiting_;
  QTimer timer_;
};

}  // namespace luthier
