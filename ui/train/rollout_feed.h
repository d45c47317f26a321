// SPDX-License-Identifier: GPL-3.0-or-later
// What a run has drawn, as its folder has it: the rewards of every step, read on as the file grows,
// and the rows of the step that is looked at. All reading is done off the window's thread, a piece
// at a time, so that a file of hundreds of megabytes holds nothing.
#pragma once

#include <QObject>
#include <QTimer>
#include <filesystem>
#include <vector>

#include "engine/data/rollout_log.h"

namespace luthier {

class RolloutFeed : public QObject {
  Q_OBJECT

 public:
  explicit RolloutFeed(QObject* parent = nullptr);

  /// The run's folder; empty: none. The same folder again is read from its beginning. `weights`: of
  /// its judges, as reward_sum takes them.
  void set_run(const std::filesystem::path& folder, const std::vector<double>& weights);
  const std::filesystem::path& folder() const { return folder_; }
  const std::vector<double>& weights() const { return weights_; }
  /// Reads on what has come.
  void look();
  /// Looks by itself, a few times in two seconds.
  void follow(bool on);

  const std::vector<DrawnStep>& steps() const { return steps_; }
  /// The file is read to its end, as it was when it was looked at.
  bool whole() const { return whole_; }
  /// The names of all who judged, in the order in which they appear.
  const std::vector<std::string>& judges() const { return judges_; }
  /// What each of a step's answers is worth: by one judge, or in all where `judge` is empty.
  std::vector<double> rewards(std::size_t step, const std::string& judge) const;

  /// Rows of a step, which rows_read brings; an earlier wish is forgotten.
  void ask_rows(std::size_t step, std::size_t first, std::size_t count);

 signals:
  void began();  ///< of another run: nothing is known of it yet
  void grew();   ///< steps have come
  void rows_read(std::size_t step, const std::vector<luthier::DrawnRow>& rows);
  void failed(const luthier::Error& error);

 private:
  void take(RolloutIndex piece);

  std::filesystem::path folder_;
  std::vector<double> weights_;
  std::vector<DrawnStep> steps_;
  std::vector<std::string> judges_;
  std::uint64_t read_to_ = 0;
  bool reading_ = false, again_ = false, whole_ = false;
  int run_ = 0, asked_ = 0;  ///< of which run, and which wish, an answer is
  QTimer timer_;
};

}  // namespace luthier
