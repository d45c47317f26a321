// SPDX-License-Identifier: GPL-3.0-or-later
// A merge being tried: what was asked of the session, the answers as they come, their scores, the
// proof, and what was tried before. The page shows it.
#pragma once

#include <QObject>
#include <map>
#include <optional>
#include <vector>

#include "engine/compare/box_scores.h"
#include "ui/workspace.h"

namespace luthier {

/// One that came to its end.
struct TriedMerge {
  MergeRecipe recipe;
  std::int64_t rank = 0;
  std::map<std::string, ColumnScore> scores;
  std::optional<double> difference;  ///< merged against unmerged; none: it was refused
};

class LiveMerge : public QObject {
  Q_OBJECT

 public:
  static constexpr std::size_t kMostTried = 50;

  explicit LiveMerge(Workspace& workspace, QObject* parent = nullptr);

  /// Every sample by this merge; what is asked now gives way. An answer of before stays until its
  /// new one begins.
  void ask(const MergeRecipe& recipe);
  void cancel();
  /// Nothing is chosen any more.
  void forget();

  bool running() const { return request_ != 0; }
  const std::vector<ComparisonRow>& rows() const { return data_.rows; }
  std::map<std::string, ColumnScore> scores() const { return column_scores(data_, 0); }
  std::size_t answered() const { return answered_; }  ///< of those asked last
  const std::optional<MergeRecipe>& asked() const { return asked_; }
  const std::optional<MergeMade>& made() const { return made_; }
  const std::optional<MergeProved>& proof() const { return proof_; }
  const std::vector<TriedMerge>& tried() const { return tried_; }  ///< newest first

 signals:
  void rows_changed();
  void answer_changed(std::size_t sample);
  void changed();
  void failed(const luthier::Error& error);
  /// The samples, or how they are answered, are others.
  void outdated();

 private:
  void take_samples();
  /// Off the window's thread: the model's folder and a picture are looked at for it.
  void score_boxes(std::size_t row, BoxAnswer answer);
  void end(const RequestDone& event);

  Workspace& workspace_;
  Comparison data_;  ///< one column
  std::optional<MergeRecipe> asked_;
  RequestId request_ = 0;
  std::size_t answered_ = 0;
  std::size_t unscored_ = 0;          ///< answers to rows of boxes whose scores are on their way
  std::optional<RequestDone> ended_;  ///< that waits for them
  std::optional<MergeMade> made_;
  std::optional<MergeProved> proof_;
  std::vector<TriedMerge> tried_;
};

}  // namespace luthier
