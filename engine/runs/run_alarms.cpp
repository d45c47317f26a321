// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/run_alarms.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "engine/base/text.h"

namespace luthier {

namespace {

// A loss of zero over so many steps is none that a row could have by chance.
constexpr std::int64_t kZeroSteps = 3;
// A norm is large beside the median of these lines, where there are enough.
constexpr std::size_t kUsualNorms = 50, kFewestNorms = 16;
constexpr double kFarAbove = 10, kWayAbove = 100;
constexpr int kLargeLines = 3;
// Memory: the medians of so many stretches of lines in a row, each above the one before.
constexpr std::size_t kStretches = 8, kStretchLines = 12;
constexpr double kCreepShare = 0.05, kCreepBytes = 64.0 * 1024 * 1024;
// A plateau: over so many lines the loss is where it was, within what it varies by.
constexpr std::size_t kFlatLines = 200;
constexpr double kFlatShare = 0.005, kFellAgain = 0.02, kSolved = 0.02;

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

bool RunAlarms::begins(bool& on, bool is, bool over) {
  if (on) {
    if (over) on = false;
    return false;
  }
  on = is;
  return is;
}

std::vector<Alarm> RunAlarms::look(const MetricsLine& line) {
  std::vector<Alarm> told;
  look_at_loss(line, told);
  look_at_norm(line, told);
  look_at_memory(line, told);
  if (rules_.loss_tells) look_for_plateau(line, told);
  last_step_ = line.step;
  return told;
}

void RunAlarms::look_at_loss(const MetricsLine& line, std::vector<Alarm>& told) {
  const bool lost = !std::isfinite(line.loss) || !std::isfinite(line.grad_norm);
  if (begins(not_finite_, lost, !lost))
    told.push_back({Alarm::Kind::NotFinite, line.step,
                    "Step " + std::to_string(line.step) +
                        ": the loss or the gradient is not a number. A lower learning "
                        "rate, or float32, is the usual way out."});
  // A loss of zero with no gradient: no token of the rows carries a label.
  const bool zero = line.loss == 0 && line.grad_norm == 0;
  zero_steps_ = zero ? zero_steps_ + std::max<std::int64_t>(1, line.step - last_step_) : 0;
  if (begins(zero_, zero_steps_ >= kZeroSteps, !zero))
    told.push_back(
        {Alarm::Kind::ZeroLoss, line.step,
         "Step " + std::to_string(line.step) +
             ": the loss and the gradient are zero, so nothing is learned. " +
             (rules_.loss_tells ? "Look at training.loss_on and training.max_length: no token of "
                                  "these rows may carry a label."
                                : "All answers to a prompt may have had the same reward.")});
}

void RunAlarms::look_at_norm(const MetricsLine& line, std::vector<Alarm>& told) {
  const double norm = line.grad_norm;
  if (!std::isfinite(norm)) return;
  const double floor = rules_.max_grad_norm > 0 ? rules_.max_grad_norm : 1.0;
  const bool known = norms_.size() >= kFewestNorms;
  const double usual = known ? median_of({norms_.begin(), norms_.end()}) : 0;
  const bool far = known && norm > floor && norm > kFarAbove * usual;
  large_ = far ? large_ + 1 : 0;
  const bool exploded = far && (large_ >= kLargeLines || norm > kWayAbove * usual);
  if (begins(exploding_, exploded, !far))
    told.push_back({Alarm::Kind::Gradient, line.step,
                    "Step " + std::to_string(line.step) + ": the gradient's norm is " +
                        short_number(norm) + ", and it was about " + short_number(usual) +
                        ". A lower learning rate or max_grad_norm keeps such steps small."});
  if (far) return;  // what is not usual does not become it
  norms_.push_back(norm);
  if (norms_.size() > kUsualNorms) norms_.pop_front();
}

void RunAlarms::look_at_memory(const MetricsLine& line, std::vector<Alarm>& told) {
  if (line.epoch < rules_.memory_from_epoch || line.memory.allocated <= 0) return;
  memory_.push_back({line.step, static_cast<double>(line.memory.allocated)});
  constexpr std::size_t kAll = kStretches * kStretchLines;
  if (memory_.size() > kAll) memory_.pop_front();
  if (memory_.size() < kAll || (creeping_ && line.step % 8 != 0)) return;
  std::vector<double> medians;
  for (std::size_t i = 0; i < kStretches; ++i) {
    std::vector<double> own;
    for (std::size_t j = 0; j < kStretchLines; ++j)
      own.push_back(memory_[i * kStretchLines + j].bytes);
    medians.push_back(median_of(std::move(own)));
  }
  const bool rises =
      std::adjacent_find(medians.begin(), medians.end(), std::greater_equal<>()) == medians.end();
  const double grown = medians.back() - medians.front();
  const bool creeps = rises && grown >= kCreepBytes && grown >= kCreepShare * medians.front();
  if (begins(creeping_, creeps, !rises))
    told.push_back({Alarm::Kind::Memory, line.step,
                    "Step " + std::to_string(line.step) + ": memory creeps: " +
                        size_text(static_cast<std::int64_t>(grown)) + " more than at step " +
                        std::to_string(memory_.front().step) + ", and it never fell between."});
}

void RunAlarms::look_for_plateau(const MetricsLine& line, std::vector<Alarm>& told) {
  if (!std::isfinite(line.loss)) return;
  losses_.push_back({line.step, line.loss});
  if (losses_.size() > kFlatLines) losses_.pop_front();
  if (losses_.size() < kFlatLines) return;
  constexpr std::size_t kHalf = kFlatLines / 2;
  double before = 0, after = 0;
  for (std::size_t i = 0; i < kHalf; ++i) {
    before += losses_[i].loss / kHalf;
    after += losses_[i + kHalf].loss / kHalf;
  }
  double spread = 0;
  for (std::size_t i = 0; i < kFlatLines; ++i) {
    const double off = losses_[i].loss - (i < kHalf ? before : after);
    spread += off * off / (kFlatLines - 2);
  }
  // By how much the two means may differ by chance (two standard errors).
  const double chance = 2 * std::sqrt(spread * 2 / kHalf);
  const double fell = before - after;
  // Where chance hides a fall that would matter, nothing can be said.
  const double matters = std::max(kFlatShare * std::abs(before), 1e-12);
  const bool flat = before > kSolved && fell < matters && chance < 4 * matters;
  if (begins(flat_, flat, lowest_ - after > kFellAgain * std::abs(lowest_))) {
    lowest_ = after;
    told.push_back({Alarm::Kind::Plateau, line.step,
                    "Step " + std::to_string(line.step) + ": the loss has not fallen since step " +
                        std::to_string(losses_.front().step) + " (" + short_number(before) +
                        " then, " + short_number(after) +
                        " now). Another learning rate may help, or the run may be done."});
  }
}

}  // namespace luthier
