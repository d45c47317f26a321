// SPDX-License-Identifier: GPL-3.0-or-later
// The engine's Comparison as it fills: it follows the attached columns, asks the session for what
// is missing and takes in the streaming answers. The page only shows it, and writes it as the
// command line does.
#pragma once

#include <QObject>
#include <map>

#include "engine/compare/box_scores.h"
#include "ui/workspace.h"

namespace luthier {

class LiveComparison : public QObject {
  Q_OBJECT

 public:
  LiveComparison(Workspace& workspace, QObject* parent = nullptr);

  const Comparison& data() const { return data_; }
  const AttachedAdapter* attached(std::size_t column) const;  ///< null: the base

  /// Rows whose last assistant turn is the expected answer. Answers to rows that stay are kept.
  void set_samples(std::vector<Sample> samples);
  void set_reference(std::size_t column);
  /// Drops the answers that would come out otherwise, and no others.
  void set_options(const GenerationOptions& options);
  /// Drops the answers of a column and sets what it is asked with from now on.
  void set_strength(const std::string& name, double strength);
  void forget_all();
  /// The answer that stood in a cell before its column's strength was moved, until the new one
  /// begins; null: there is none.
  const ComparisonAnswer* fading(std::size_t row, std::size_t column) const;

  /// What every column makes of an answer to the row; in the place of an earlier one's by the same.
  void put_scored(std::size_t row, ScoredAnswer scored);
  /// A vote of somebody who does not know whose answers they see.
  void vote(Vote vote);
  void forget_votes();
  /// See score_by_pattern; an error leaves things as they are.
  Status set_pattern(const std::string& pattern);

  /// A comparison that was kept, as far as its columns are there: its samples, answers, votes and
  /// what they were asked with.
  void restore(const Comparison& kept);

  /// Answers that nobody asked for yet, or that were cancelled.
  std::size_t missing() const;
  /// Asks for what is missing.
  void run();
  /// Ends what is asked; answers that are whole stay.
  void cancel();
  /// Something is asked that nobody has cancelled, or an answer is not scored yet.
  bool running() const;

  /// A reward model that a run has left: every answer gets its reward, one that comes later once
  /// all that were asked are there. Empty: none, and the rewards go.
  void set_reward_model(const std::filesystem::path& folder);
  /// It is being asked.
  bool scoring() const { return scoring_ != 0; }

 signals:
  void columns_changed();
  void samples_changed();
  void answer_changed(std::size_t sample, std::size_t column);
  void running_changed();
  void votes_changed();
  void failed(const luthier::Error& error);

 private:
  void follow_columns();
  void follow_model();
  void take(const AnswerUpdate& event);
  /// Off the window's thread: the model's folder and a picture are looked at for it.
  void score_boxes(std::size_t row, std::size_t column, BoxAnswer answer);
  void end(const RequestDone& event);
  /// Asks the columns for what they lack.
  void ask(const std::vector<std::size_t>& columns);
  /// Ends requests whose answers nobody waits for any more.
  void cancel_outdated();
  void forget_vote(std::size_t row);
  void forget_scored();
  /// What is counted over all answers, once there are new ones.
  void count_all();
  /// Asks about the answers that have no reward.
  void score();
  void take_rewards(const AnswersScored& event);
  void end_scoring(const RequestDone& event);
  void forget(std::size_t column);

  struct Asked {
    std::vector<std::size_t> rows;
    std::vector<std::uint64_t> columns;  ///< their versions
    bool cancelled = false;
  };

  Workspace& workspace_;
  Comparison data_;
  /// One a column. A new one is drawn whenever what the column would answer changes, so that
  /// answers that were asked before, and are still on their way, are not taken for those of now.
  std::vector<std::uint64_t> versions_;
  std::uint64_t next_version_ = 1;
  std::map<RequestId, Asked> requests_;
  std::size_t unscored_ = 0;  ///< answers to rows of boxes whose scores are on their way
  std::map<std::pair<std::size_t, std::size_t>, ComparisonAnswer> fading_;  ///< by row and column
  RequestId scoring_ = 0;                      ///< 0: the reward model is not being asked
  std::vector<std::uint64_t> scored_columns_;  ///< versions of what it is asked about
};

}  // namespace luthier
