// SPDX-License-Identifier: GPL-3.0-or-later
// The cards that the Lab page has open, one or two beside one another: what their batches look like
// before anything is trained, their runs in the window's queue, and what came of them. Rows and
// models are made on a thread of their own. The model that a person had loaded comes back behind
// the runs.
#pragma once

#include <QObject>
#include <QTemporaryDir>
#include <QTimer>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/lab/batch_look.h"
#include "engine/lab/card.h"
#include "ui/workspace.h"

namespace luthier {

class RunQueue;

/// A card in one of the page's places.
struct OpenCard {
  enum class State { Idle, Preparing, Waiting, Running, Finished, Stopped, Failed };

  LabCard card;
  State state = State::Idle;
  std::shared_ptr<const BatchLook> before, after;
  std::filesystem::path folder;  ///< of the newest run; empty: none
  CardOrder order;               ///< that it has run by
  std::int64_t step = 0, total = 0;
  double eta_seconds = 0, seconds = 0;
  std::vector<std::pair<std::int64_t, double>> figure, loss;
  std::optional<Error> error;

  std::optional<double> value() const {
    return figure.empty() ? std::nullopt : std::optional(figure.back().second);
  }
  bool at_work() const {
    return state == State::Preparing || state == State::Waiting || state == State::Running;
  }
};

class LabRuns : public QObject {
  Q_OBJECT

 public:
  static constexpr std::size_t kPlaces = 2;

  explicit LabRuns(Workspace& workspace, QObject* parent = nullptr);
  /// Where the lab puts what it trains.
  std::filesystem::path root() const;

  /// Null: nothing is open there.
  const OpenCard* open(std::size_t place) const {
    return cards_[place] ? &cards_[place]->shown : nullptr;
  }
  /// Opens a card with its newest finished run, if there is one. Not while runs are at work.
  void open_card(std::size_t place, const LabCard& card);
  void close(std::size_t place);
  /// Trains what is open, one after another, on the same scenes and rows; steps of 0: each card's
  /// own number.
  void train(const CardOrder& order);
  /// Ends the run that trains, which is not kept, and those that wait.
  void stop();
  bool going() const { return going_; }
  /// Of these cards the best figure of a run that stands on this machine.
  std::optional<double> best_of(const std::string& key) const;

 signals:
  /// Something of this place is other than it was.
  void changed(int place);
  /// All runs have ended.
  void ended();

 private:
  struct Place {
    OpenCard shown;
    std::uint64_t number = 0;  ///< tells answers that come late from this card's own
    std::uint64_t queued = 0;  ///< in the queue
    RequestId looks_before = 0, looks_after = 0;
    std::int64_t steps_before = 0;  ///< of stages that have ended
  };
  struct Made {
    Result<PreparedCard> prepared = input_error("", "");
    Recipe recipe;
    std::optional<StagedRecipe> staged;
  };
  static Made make(const LabCard& card, const std::filesystem::path& folder,
                   const CardOrder& order);
  std::filesystem::path free_folder(const std::string& key) const;
  void look_before(std::size_t place);
  void look_after(std::size_t place);
  void find_newest(std::size_t place);
  void queue_when_made();
  std::optional<std::size_t> running() const;
  void connect_bridge();
  void take_step(const StepDone& event);
  void end_run(std::size_t place);
  void finish();
  void restore();

  Workspace& workspace_;
  RunQueue& queue_;
  QTemporaryDir previews_;
  std::array<std::unique_ptr<Place>, kPlaces> cards_;
  std::array<std::optional<Made>, kPlaces> made_;
  std::uint64_t numbers_ = 0;
  std::size_t at_work_ = 0, being_made_ = 0;
  bool going_ = false, stopping_ = false;
  QString model_before_;  ///< that is to stand again
  QTimer restore_;
  std::map<std::string, double> best_;
};

}  // namespace luthier
