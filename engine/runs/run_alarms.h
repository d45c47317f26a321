// SPDX-License-Identifier: GPL-3.0-or-later
// What of a run's metrics a person should be told at once: a loss that is no number, one of zero,
// memory that creeps, a loss that falls no more, gradients that explode. Pure arithmetic over the
// lines in their order, so that a resume that reads them again knows what the run knew. Each is
// told once, and again only after it was over. No LibTorch.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "engine/runs/run_records.h"

namespace luthier {

struct AlarmRules {
  double max_grad_norm = 1;  ///< gradients below it are never too large; 0: below 1
  /// The loss falls when the model learns; false where answers are drawn and it says nothing.
  bool loss_tells = true;
  /// Memory may grow by right until then: features are kept as rows come for the first time.
  double memory_from_epoch = 0;
};

struct Alarm {
  enum class Kind { NotFinite, ZeroLoss, Memory, Plateau, Gradient } kind;
  std::int64_t step = 0;
  std::string sentence;
};

class RunAlarms {
 public:
  explicit RunAlarms(AlarmRules rules = {}) : rules_(rules) {}
  void set_max_grad_norm(double value) { rules_.max_grad_norm = value; }

  /// What the next line tells.
  std::vector<Alarm> look(const MetricsLine& line);

 private:
  void look_at_loss(const MetricsLine& line, std::vector<Alarm>& told);
  void look_at_norm(const MetricsLine& line, std::vector<Alarm>& told);
  void look_at_memory(const MetricsLine& line, std::vector<Alarm>& told);
  void look_for_plateau(const MetricsLine& line, std::vector<Alarm>& told);
  /// Tells when `is` begins to hold, and forgets it when `over` does.
  static bool begins(bool& on, bool is, bool over);

  AlarmRules rules_;
  std::int64_t last_step_ = 0;
  bool not_finite_ = false, zero_ = false, exploding_ = false, creeping_ = false, flat_ = false;
  std::int64_t zero_steps_ = 0;  ///< in a row
  int large_ = 0;                ///< lines in a row whose norm is far above the usual
  std::deque<double> norms_;     ///< usual ones, the newest last
  struct Held {
    std::int64_t step;
    double bytes;
  };
  std::deque<Held> memory_;
  struct Lost {
    std::int64_t step;
    double loss;
  };
  std::deque<Lost> losses_;
  double lowest_ = 0;  ///< mean loss when the plateau was told
};

}  // namespace luthier
