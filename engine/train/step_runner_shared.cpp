// SPDX-License-Identifier: GPL-3.0-or-later
// A window and an evaluation over several ranks. Micro-batch i is rank i mod n's; everything that
// depends on its place (dropout, draws) counts micro-batches of the whole window. A window that
// goes through the model at once is one micro-batch, and so rank 0's.
#include <algorithm>
#include <utility>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/device/subnormals.h"
#include "engine/device/threads.h"
#include "engine/optim/gradients.h"
#include "engine/train/points_window.h"
#include "engine/train/step_runner.h"
#include "engine/train/told.h"
#include "engine/train/undone.h"

namespace luthier {

namespace {

/// What the micro-batches of a round add to the objective's state. Each rank says what its own adds
/// when its loss asks, and then has a state with all before it and its own.
class Turn {
 public:
  Turn(Objective& objective, Ranks& ranks) : objective_(objective), ranks_(ranks) {
    if (objective_.state().is_null()) return;
    before_ = objective_.state();
    objective_.take_turns([this](const Json& addition) { say(addition, ""); });
  }
  ~Turn() { objective_.take_turns({}); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Whether the others still wait to hear what this rank's micro-batch adds.
  bool is_waited_for() const { return !before_.is_null() && !said_; }
  void say(const Json& addition, const std::string& fault) {
    said_ = true;
    heard_ = take(addition, fault);
  }
  /// The state with all of the round; the error is another rank's.
  Status finish() {
    if (is_waited_for()) say(nullptr, "");
    LUTHIER_CHECK(heard_);
    carry(static_cast<std::size_t>(ranks_.rank()) + 1, additions_.size());
    return {};
  }
  /// The state of one process that goes no further than to that rank's micro-batch.
  Status end_with(std::size_t rank) {
    if (before_.is_null()) return {};
    LUTHIER_CHECK(objective_.read_state(before_, "objective"));
    carry(0, rank + 1);
    return {};
  }

 private:
  Status take(const Json& addition, const std::string& fault) {
    LUTHIER_TRY(const std::vector<std::string> texts, ranks_.gather(dumped_turn(addition, fault)));
    for (std::size_t rank = 0; rank < texts.size(); ++rank) {
      const Json said = Json::parse(texts[rank], nullptr, false);
      if (!said.is_object() || !said.contains("adds"))
        return machine_error(
            "Rank " + std::to_string(rank) + " said something that adds to no state.", "",
            "Start all ranks from one build.");
      if (const auto other = said.value("fault", std::string()); !other.empty())
        return machine_error("Rank " + std::to_string(rank) + ": " + other);
      additions_.push_back(said.at("adds"));
    }
    carry(0, static_cast<std::size_t>(ranks_.rank()) + 1);
    return {};
  }
  static std::string dumped_turn(const Json& addition, const std::string& fault) {
    return Json{{"adds", addition}, {"fault", fault}}.dump(-1, ' ', false,
                                                           Json::error_handler_t::replace);
  }
  void carry(std::size_t begin, std::size_t end) {
    for (std::size_t rank = begin; rank < std::min(end, additions_.size()); ++rank)
      if (!additions_[rank].is_null()) objective_.carry(additions_[rank]);
  }

  Objective& objective_;
  Ranks& ranks_;
  Json before_ = nullptr;  ///< null: nothing is carried
  std::vector<Json> additions_;
  bool said_ = false;
  Status heard_;
};

}  // namespace

void StepRunner::share(std::shared_ptr<Ranks> ranks, bool shards) {
  ranks_ = std::move(ranks);
  part_ = {ranks_->rank(), ranks_->size()};
  exchange_ = std::make_unique<GradientExchange>(trainables_.tensors, ranks_);
  if (shards) exchange_->shard();
  generations_.share(SharedWork(ranks_), part_);
}

Status StepRunner::spread_weights() const {
  return exchange_ && exchange_->sharded() ? exchange_->spread() : Status();
}

/// What all say, as one share; an error where one has a fault.
Result<WindowShare> StepRunner::shared_facts(const WindowShare& mine) {
  LUTHIER_TRY(const std::vector<std::string> texts, ranks_->gather(to_text(mine)));
  WindowShare all;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    LUTHIER_TRY(const WindowShare share, read_window_share(texts[rank], rank));
    if (!share.fault.empty()) return said_by(rank, share.fault);
    all.counts.resize(std::max(all.counts.size(), share.counts.size()));
    for (std::size_t i = 0; i < share.counts.size(); ++i) all.counts[i] += share.counts[i];
    all.tokens += share.tokens;
    all.broken.insert(all.broken.end(), share.broken.begin(), share.broken.end());
    all.stops = all.stops || share.stops;
  }
  return all;
}

Error StepRunner::cannot_take_part(const Error& error) {
  if (!exchange_) return error;
  WindowShare mine;
  mine.fault = error.sentence();
  const auto told = ranks_->gather(to_text(mine));  // the others' words change nothing here
  return told ? error : told.error();
}

Result<std::vector<MicroShare>> StepRunner::micro_of_all(const MicroShare& mine) {
  LUTHIER_TRY(const std::vector<std::string> texts, ranks_->gather(to_text(mine)));
  std::vector<MicroShare> all;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    LUTHIER_TRY(MicroShare share, read_micro_share(texts[rank], rank));
    if (!share.fault.empty())
      return machine_error("Rank " + std::to_string(rank) + ": " + share.fault);
    all.push_back(std::move(share));
  }
  return all;
}

Result<WindowOutcome> StepRunner::accumulate_shared(Window& window, std::uint64_t seed,
                                                    std::int64_t first_batch,
                                                    const std::function<bool()>& go_on) {
  const SubnormalsAreZero vanished;
  WindowOutcome outcome;
  Undone undone(objective_);
  if (cache_) cache_->abandon();  // of a window that was broken off
  if (objective_.generations()) {
    WindowShare ready;
    ready.stops = go_on && !go_on();
    LUTHIER_TRY(const WindowShare all, shared_facts(ready));
    outcome.abandoned = outcome.stops = all.stops;
    if (outcome.abandoned) return outcome;
    trainables_.set_training(false, 0);
    const Status filled = generations_.fill(window, policy_, first_batch, go_on);
    outcome.abandoned = outcome.stops = !filled && filled.error().code == ErrorCode::Interrupted;
    if (outcome.abandoned) return outcome;
    LUTHIER_CHECK(filled);
    for (const auto& begun : generations_.begun()) outcome.figures.add(begun->figures);
  }
  std::vector<MicroBatch>& batches = as_they_go(window);
  const auto seed_of = [&](std::size_t i) {
    return stream_seed(seed, static_cast<std::uint64_t>(first_batch) + i);
  };
  WindowShare mine;
  mine.tokens = window.tokens();
  mine.broken = window.broken;
  if (objective_.rolls_out()) {
    trainables_.set_training(false, 0);
    for (std::size_t i = 0; i < batches.size() && mine.fault.empty(); ++i) {
      if (batches[i].empty() || (go_on && !go_on())) continue;
      try {
        if (const Status rolled = objective_.roll_out(policy_, batches[i], seed_of(i)); !rolled)
          mine.fault = rolled.error().sentence();
      } catch (const std::exception& failure) {
        mine.fault = first_line(failure.what());
        const auto told = ranks_->gather(to_text(mine));
        if (!told) log_warning(told.error().sentence());
        throw;
      }
    }
  }
  mine.counts = counts(batches);
  mine.stops = go_on && !go_on();
  LUTHIER_TRY(WindowShare all, shared_facts(mine));
  outcome.abandoned = outcome.stops = all.stops;
  if (outcome.abandoned) return outcome;
  outcome.tokens = all.tokens;
  window.broken = std::move(all.broken);

  const std::vector<double> divided_by = divisors(all.counts);
  const auto taking_part = std::count_if(divided_by.begin(), divided_by.end(),
                                         [](double divisor) { return divisor > 0; });
  const TrainingProducts training;
  std::optional<PointsWindow> points;
  if (objective_.window_rule() == WindowRule::Points && taking_part > 0) {
    points.emplace(objective_, policy_, batches.size());
    LUTHIER_CHECK(points_of_all(batches, seed_of, *points));
    take_told({points->loss(*std::max_element(divided_by.begin(), divided_by.end()))}, {}, {},
              outcome);
    if (!outcome.finite) return outcome;
  }
  exchange_->begin();
  const auto ranks = static_cast<std::size_t>(ranks_->size());
  for (std::size_t first = 0; first < batches.size(); first += ranks) {
    const std::size_t i = first + static_cast<std::size_t>(ranks_->rank());
    MicroShare here;
    here.stops = go_on && !go_on();
    Turn turn(objective_, *ranks_);
    adapt_waiting();
    if (!here.stops && i < batches.size() && !batches[i].empty()) {
      WindowOutcome one;
      trainables_.set_training(objective_.dropout(), seed_of(i));
      try {
        const std::vector<std::size_t> part_of =
            divided_by[i] > 0 ? parts(batches[i]) : std::vector<std::size_t>();
        if (points)
          points->learn(i);
        else if (part_of.empty())
          forward_backward(batches[i], divided_by[i], taking_part, /*read_now=*/true, one);
        else
          in_parts(batches[i], part_of, divided_by[i], one);
      } catch (const std::exception& failure) {
        // The others are told before it takes its way.
        here.fault = first_line(failure.what());
        if (turn.is_waited_for()) {
          turn.say(nullptr, here.fault);
          throw;
        }
        const auto told = ranks_->gather(to_text(here));
        if (!told) log_warning(told.error().sentence());
        throw;
      }
      here.finite = one.finite;
      here.suspects = std::move(one.suspects);
      here.told = std::move(one.told);
    }
    LUTHIER_CHECK(turn.finish());
    here.standing = exchange_->standing();
    LUTHIER_TRY(const std::vector<MicroShare> shares, micro_of_all(here));
    std::vector<std::string> standing;
    for (const MicroShare& share : shares) {
      outcome.abandoned = outcome.stops = outcome.abandoned || share.stops;
      standing.push_back(share.standing);
    }
    if (outcome.abandoned) return outcome;
    for (std::size_t rank = 0; rank < shares.size(); ++rank) {
      const MicroShare& share = shares[rank];
      for (const ToldNumbers& each : share.told) {
        outcome.loss += each.share;
        outcome.figures.add(each.figures);
        outcome.told.push_back(each);
      }
      if (share.finite) continue;
      LUTHIER_CHECK(turn.end_with(rank));
      generations_.keep();
      undone.keep();
      outcome.finite = false;
      outcome.suspects = share.suspects;
      return outcome;
    }
    LUTHIER_CHECK(exchange_->add(standing));
  }
  LUTHIER_CHECK(exchange_->finish(/*one=*/taking_part == 1));
  std::vector<Told> told;
  const MicroBatch nobodys;
  if (const torch::Tensor term = method_term(divided_by); term.defined())
    told.push_back({&nobodys, term, {}});
  torch::Tensor norm;
  if (exchange_->sharded()) {
    LUTHIER_TRY(norm, exchange_->norm());
  } else {
    norm = gradient_norm_there(trainables_.tensors);
  }
  const bool read = take_told(told, {}, norm, outcome);
  if (cache_) cache_->arrived(/*waited=*/read);
  generations_.keep();
  undone.keep();
  return outcome;
}

Status StepRunner::points_of_all(const std::vector<MicroBatch>& batches,
                                 const std::function<std::uint64_t(std::size_t)>& seed_of,
                                 PointsWindow& points) {
  const SharedWork work(ranks_);
  LUTHIER_TRY(const std::vector<Json> all,
              work.each(batches.size(), [&](std::size_t i) -> Result<Json> {
                if (batches[i].empty()) return Json();
                trainables_.set_training(objective_.dropout(), seed_of(i));
                points.look(i, batches[i]);
                return points.said(i);
              }));
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!all[i].is_null() && !part_.has(static_cast<std::int64_t>(i))) points.take(i, all[i]);
  return {};
}

Status StepRunner::evaluated_by_all(const Status& mine, std::vector<EvaluatedBatch>& batches) {
  EvaluationShare share;
  share.batches = std::move(batches);
  if (!mine) share.interrupted = mine.error().code == ErrorCode::Interrupted;
  if (!mine && !share.interrupted) share.fault = mine.error().sentence();
  LUTHIER_TRY(const std::vector<std::string> texts, ranks_->gather(to_text(share)));
  bool interrupted = false;
  batches.clear();
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    LUTHIER_TRY(EvaluationShare said, read_evaluation_share(texts[rank], rank));
    if (!said.fault.empty()) return said_by(rank, said.fault);
    interrupted = interrupted || said.interrupted;
    batches.resize(std::max(batches.size(), said.batches.size()));
    for (std::size_t at = rank; at < said.batches.size(); at += texts.size())
      batches[at] = std::move(said.batches[at]);
  }
  if (interrupted) return interrupted_error();
  return {};
}

}  // namespace luthier
