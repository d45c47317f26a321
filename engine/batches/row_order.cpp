// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/batches/row_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/batches/window_source.h"
#include "engine/config/order_fields.h"
#include "engine/data/columns.h"

namespace luthier {

namespace {

/// Streams of the seed that are these draws' own.
constexpr std::uint64_t kMixtureStream = 0x6d697874, kCourseStream = 0x636f7572;

class MixedOrder : public RowOrder {
 public:
  MixedOrder(std::vector<std::vector<std::int64_t>> groups, std::vector<double> shares,
             std::int64_t places, std::int64_t seed, bool shuffle)
      : groups_(std::move(groups)), places_(places), seed_(seed), shuffle_(shuffle) {
    double sum = 0;
    for (const double share : shares) bounds_.push_back(sum += share);
    // Rounding leaves no place to a group that has no share.
    for (std::size_t i = bounds_.size(); i-- > 0;) {
      bounds_[i] = 1;
      if (shares[i] > 0) break;
    }
  }

  std::int64_t places() const override { return places_; }
  bool repeats() const override { return true; }

  std::vector<PlacedRow> epoch(const StepPlan&, std::int64_t epoch) const override {
    std::vector<std::int64_t> drawn(groups_.size(), 0);  // rows of each group so far
    for (std::int64_t at = 0; at < epoch * places_; ++at) ++drawn[group_at(at)];
    struct Pass {
      std::int64_t number = -1;
      std::vector<std::int64_t> order;
    };
    std::vector<Pass> passes(groups_.size());
    std::vector<PlacedRow> rows;
    rows.reserve(static_cast<std::size_t>(places_));
    for (std::int64_t at = epoch * places_; at < (epoch + 1) * places_; ++at) {
      const std::size_t group = group_at(at);
      const auto size = static_cast<std::int64_t>(groups_[group].size());
      const std::int64_t number = drawn[group] / size, place = drawn[group] % size;
      ++drawn[group];
      Pass& pass = passes[group];
      if (pass.number != number) pass = {number, epoch_order(size, seed_, number, shuffle_)};
      const auto in_group = static_cast<std::size_t>(pass.order[static_cast<std::size_t>(place)]);
      rows.push_back({groups_[group][in_group], number});
    }
    return rows;
  }

 private:
  /// The group of a place, counted over all epochs.
  std::size_t group_at(std::int64_t place) const {
    const double draw = RandomStream(static_cast<std::uint64_t>(seed_), kMixtureStream,
                                     static_cast<std::uint64_t>(place))
                            .unit();
    const auto found = std::upper_bound(bounds_.begin(), bounds_.end(), draw);
    return static_cast<std::size_t>(found - bounds_.begin());
  }

  const std::vector<std::vector<std::int64_t>> groups_;
  std::vector<double> bounds_;  ///< ends of the groups' parts of [0, 1)
  const std::int64_t places_, seed_;
  const bool shuffle_;
};

class CourseOrder : public RowOrder {
 public:
  CourseOrder(std::vector<std::int64_t> easiest_first, const Course& course, std::int64_t seed,
              bool shuffle)
      : rows_(std::move(easiest_first)), course_(course), seed_(seed), shuffle_(shuffle) {}

  std::int64_t places() const override { return static_cast<std::int64_t>(rows_.size()); }
  bool repeats() const override { return course_.pacing != Course::Pacing::Sorted; }

  std::vector<PlacedRow> epoch(const StepPlan& plan, std::int64_t epoch) const override {
    std::vector<PlacedRow> placed;
    placed.reserve(rows_.size());
    if (course_.pacing == Course::Pacing::Sorted) {
      for (const std::int64_t row : rows_) placed.push_back({row, epoch});
      return placed;
    }
    const std::vector<std::int64_t> plain = epoch_order(places(), seed_, epoch, shuffle_);
    for (std::int64_t at = 0; at < places(); ++at) {
      const std::int64_t step =
          epoch * plan.steps_per_epoch + batch_of(plan, at) / plan.accumulation;
      const std::int64_t there = rows_at(step, plan.total_steps);
      if (there == places()) {
        placed.push_back({plain[static_cast<std::size_t>(at)], epoch});
        continue;
      }
      const std::int64_t place = epoch * places() + at;
      RandomStream draw(static_cast<std::uint64_t>(seed_), kCourseStream,
                        static_cast<std::uint64_t>(place));
      const auto drawn = static_cast<std::int64_t>(draw.unit() * static_cast<double>(there));
      placed.push_back({rows_[static_cast<std::size_t>(std::min(drawn, there - 1))], place});
    }
    return placed;
  }

 private:
  /// The epoch's micro-batch that a place is first in.
  static std::int64_t batch_of(const StepPlan& plan, std::int64_t at) {
    if (!plan.generations) return at / plan.batch_size;
    return at / plan.generations.prompts(plan.batch_size) * plan.generations.every();
  }
  /// How many of the easiest rows are there at this step.
  std::int64_t rows_at(std::int64_t step, std::int64_t total) const {
    const double course = course_.full_after * static_cast<double>(total);
    const double done = static_cast<double>(step) / course, first = course_.initial;
    if (done >= 1) return places();
    const double share = course_.pacing == Course::Pacing::Linear
                             ? first + (1 - first) * done
                             : std::sqrt(first * first + (1 - first * first) * done);
    const double rows = std::ceil(share * static_cast<double>(places()));
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(rows), 1, places());
  }

  const std::vector<std::int64_t> rows_;
  const Course course_;
  const std::int64_t seed_;
  const bool shuffle_;
};

/// The usable rows of each file.
std::vector<std::vector<std::int64_t>> by_file(const Dataset& dataset, std::size_t files,
                                               const std::vector<std::int64_t>& usable) {
  std::vector<std::vector<std::int64_t>> groups(files);
  for (std::size_t i = 0; i < usable.size(); ++i)
    groups[dataset.file_of(static_cast<std::size_t>(usable[i]))].push_back(
        static_cast<std::int64_t>(i));
  return groups;
}

/// Scaled to come to `sum`.
void scale_to(std::vector<double>& weights, double sum) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight = all > 0 ? weight / all * sum : 0;
}

Error no_usable_row(const char* key, const std::string& file) {
  return input_error("There is no usable row in " + file + ", and its rows are to be drawn.", key,
                     "See `luthier-cli data check` for what is wrong with each row.");
}

Result<std::unique_ptr<RowOrder>> recipes_mixture(const Recipe& recipe, const Dataset& dataset,
                                                  const std::vector<std::int64_t>& usable) {
  const std::vector<std::string> files = training_files(recipe);
  const std::size_t own = recipe.dataset.size();
  const bool replays = files.size() > own;
  std::vector<std::vector<std::int64_t>> groups = by_file(dataset, files.size(), usable);
  std::vector<double> weights = mixture_weights(recipe);
  const double temperature = recipe.more.optional_number("mixture.temperature").value_or(1);
  std::int64_t new_rows = 0;
  for (std::size_t i = 0; i < own; ++i) {
    const auto rows = static_cast<double>(groups[i].size());
    new_rows += static_cast<std::int64_t>(groups[i].size());
    if (weights.size() <= i) weights.push_back(rows > 0 ? std::pow(rows, 1 / temperature) : 0);
    if (weights[i] > 0 && groups[i].empty()) return no_usable_row("mixture.weights", files[i]);
  }
  if (new_rows == 0) return no_usable_row("dataset", files.front());
  const double share = replays ? recipe.more.number("replay.share") : 0;
  scale_to(weights, 1 - share);
  std::int64_t places = new_rows;
  if (replays) {
    std::vector<double> earlier;
    for (std::size_t i = own; i < files.size(); ++i)
      earlier.push_back(static_cast<double>(groups[i].size()));
    if (std::accumulate(earlier.begin(), earlier.end(), 0.0) == 0)
      return no_usable_row("replay.dataset", files[own]);
    scale_to(earlier, share);
    weights.insert(weights.end(), earlier.begin(), earlier.end());
    // An epoch has as many new rows as there are, and the earlier ones beside them.
    places = static_cast<std::int64_t>(std::llround(static_cast<double>(new_rows) / (1 - share)));
  }
  return mixed_order(std::move(groups), std::move(weights), places, recipe.training.seed,
                     recipe.training.shuffle);
}

/// What a course goes by: a row's tokens, or a number of its own.
Result<double> difficulty_of(const RowReader& reader, std::int64_t row, const std::string& by) {
  if (by == "length") {
    RowFault fault = RowFault::BadRow;
    const auto encoded = reader.read(row, 0, &fault, /*outline=*/true);
    if (encoded) return static_cast<double>(encoded->tokens());
    if (is_picture_fault(fault) && reader.skip_broken) return 0.0;  // left out when it comes
    return encoded.error();
  }
  const auto index = static_cast<std::size_t>(row);
  LUTHIER_TRY(const Json json, reader.dataset->row(index));
  const auto found = json.is_object() ? json.find(by) : json.end();
  if (found != json.end() && found->is_number() && std::isfinite(found->get<double>()))
    return found->get<double>();
  return input_error("The row has no number that the course could go by.",
                     reader.dataset->where(index) + ": " + by,
                     "Give every row one, or name another key in curriculum.by.");
}

Result<std::unique_ptr<RowOrder>> recipes_course(
    const Recipe& recipe, const RowReader& reader, const std::vector<std::int64_t>& usable,
    const std::function<bool(std::size_t, std::size_t)>& progress) {
  const std::string by = recipe.more.text("curriculum.by");
  const double sign = recipe.more.flag("curriculum.reverse") ? -1 : 1;
  std::vector<double> difficulty;
  for (std::size_t i = 0; i < usable.size(); ++i) {
    if (progress && !progress(i, usable.size())) return interrupted_error();
    LUTHIER_TRY(const double hard, difficulty_of(reader, usable[i], by));
    difficulty.push_back(sign * hard);
  }
  std::vector<std::int64_t> order(usable.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t left, std::int64_t right) {
    return difficulty[static_cast<std::size_t>(left)] < difficulty[static_cast<std::size_t>(right)];
  });
  Course course;
  const std::string pacing = recipe.more.text("curriculum.pacing");
  course.pacing = pacing == "sorted"   ? Course::Pacing::Sorted
                  : pacing == "linear" ? Course::Pacing::Linear
                                       : Course::Pacing::Root;
  course.initial = recipe.more.number("curriculum.initial_competence");
  course.full_after = recipe.more.number("curriculum.full_after");
  return course_order(std::move(order), course, recipe.training.seed, recipe.training.shuffle);
}

}  // namespace

Result<std::shared_ptr<const Dataset>> open_training_data(const Recipe& recipe) {
  return open_rows(recipe, training_files(recipe));
}

std::unique_ptr<RowOrder> mixed_order(std::vector<std::vector<std::int64_t>> groups,
                                      std::vector<double> shares, std::int64_t places,
                                      std::int64_t seed, bool shuffle) {
  return std::make_unique<MixedOrder>(std::move(groups), std::move(shares), places, seed, shuffle);
}

std::unique_ptr<RowOrder> course_order(std::vector<std::int64_t> easiest_first,
                                       const Course& course, std::int64_t seed, bool shuffle) {
  return std::make_unique<CourseOrder>(std::move(easiest_first), course, seed, shuffle);
}

Result<std::shared_ptr<const RowOrder>> make_row_order(
    const Recipe& recipe, const RowReader& reader, const std::vector<std::int64_t>& usable,
    const std::function<bool(std::size_t, std::size_t)>& progress) {
  const KindValues& values = recipe.more;
  std::unique_ptr<RowOrder> made;
  if (!values.text("curriculum.by").empty()) {
    LUTHIER_TRY(made, recipes_course(recipe, reader, usable, progress));
  } else if (order_repeats(recipe)) {
    LUTHIER_TRY(made, recipes_mixture(recipe, *reader.dataset, usable));
  }
  return std::shared_ptr<const RowOrder>(std::move(made));
}

}  // namespace luthier
