// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/rollout_feed.h"

#include <algorithm>

#include "ui/background.h"

namespace luthier {

namespace {
constexpr int kLookMilliseconds = 700;
constexpr std::uint64_t kPiece = std::uint64_t{8} << 20;
}  // namespace

RolloutFeed::RolloutFeed(QObject* parent) : QObject(parent) {
  timer_.setInterval(kLookMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &RolloutFeed::look);
}

void RolloutFeed::set_run(const std::filesystem::path& folder, const std::vector<double>& weights) {
  folder_ = folder;
  weights_ = weights;
  steps_.clear();
  judges_.clear();
  read_to_ = 0;
  reading_ = again_ = whole_ = false;
  ++run_;
  ++asked_;
  emit began();
  look();
}

void RolloutFeed::follow(bool on) {
  if (on == timer_.isActive()) return;
  if (on)
    timer_.start();
  else
    timer_.stop();
  look();
}

void RolloutFeed::look() {
  again_ = reading_;  // what comes meanwhile may be the last there is
  if (reading_ || folder_.empty()) return;
  reading_ = true;
  in_background_of(
      this,
      [file = folder_ / kRolloutsFile, from = read_to_] {
        return read_rollout_index(file, from, kPiece);
      },
      [this, of = run_](Result<RolloutIndex> piece) {
        if (of != run_) return;
        reading_ = false;
        if (!piece)
          emit failed(piece.error());
        else
          take(piece.take());
      });
}

void RolloutFeed::take(RolloutIndex piece) {
  read_to_ = piece.read_to;
  const bool more = piece.more;
  const bool news = piece.anew || !piece.steps.empty() || whole_ == more;
  whole_ = !more;
  for (const DrawnStep& step : piece.steps)
    for (const auto& [name, values] : step.rewards)
      if (std::find(judges_.begin(), judges_.end(), name) == judges_.end()) judges_.push_back(name);
  join_rollouts(steps_, std::move(piece));
  if (news) emit grew();
  if (more || again_) look();
}

std::vector<double> RolloutFeed::rewards(std::size_t step, const std::string& judge) const {
  const DrawnStep& drawn = steps_[step];
  if (!judge.empty()) {
    for (const auto& [name, values] : drawn.rewards)
      if (name == judge) return values;
    return {};
  }
  std::vector<double> sums, own(drawn.rewards.size());
  sums.reserve(drawn.answers);
  for (std::size_t i = 0; i < drawn.answers; ++i) {
    for (std::size_t j = 0; j < own.size(); ++j) own[j] = drawn.rewards[j].second[i];
    sums.push_back(reward_sum(own, weights_));
  }
  return sums;
}

void RolloutFeed::ask_rows(std::size_t step, std::size_t first, std::size_t count) {
  if (step >= steps_.size()) return;
  const std::vector<std::uint64_t>& all = steps_[step].begins;
  const auto place = [&](std::size_t at) {
    return all.begin() + static_cast<std::ptrdiff_t>(std::min(at, all.size()));
  };
  in_background_of(
      this,
      [file = folder_ / kRolloutsFile,
       begins = std::vector<std::uint64_t>(place(first), place(first + count))] {
        return read_drawn_rows(file, begins);
      },
      [this, step, wish = ++asked_](const Result<std::vector<DrawnRow>>& rows) {
        if (wish != asked_) return;
        if (!rows)
          emit failed(rows.error());
        else
          emit rows_read(step, *rows);
      });
}

}  // namespace luthier
