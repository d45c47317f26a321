// SPDX-License-Identifier: GPL-3.0-or-later
// Which row comes when where a recipe says more than shuffle: weights for its files, earlier data
// among the new, a course from easy to hard. A pure function of recipe, rows and place, like the
// order that it stands in for (order.h): a resume needs nothing but the number of steps done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/batches/order.h"
#include "engine/config/recipe.h"

namespace luthier {

struct RowReader;
class Dataset;

/// A row in its place, and which time it is that it comes: what is drawn for it (masks, noise) goes
/// by that. `row` is an index into the usable rows.
struct PlacedRow {
  std::int64_t row = 0, pass = 0;
  bool operator==(const PlacedRow&) const = default;
};

class RowOrder {
 public:
  virtual ~RowOrder() = default;
  /// Places of an epoch: what StepPlan counts as its rows.
  virtual std::int64_t places() const = 0;
  /// The rows of one epoch (from 0), `places()` of them.
  virtual std::vector<PlacedRow> epoch(const StepPlan& plan, std::int64_t epoch) const = 0;
  /// Whether a row may come twice within an epoch.
  virtual bool repeats() const = 0;
};

/// Rows by turns of groups, each drawn by its share; a group's own rows come in the order of an
/// epoch of that group alone, pass after pass. `groups`: indices of usable rows, none of them empty
/// where its share is above 0; `shares` come to 1.
std::unique_ptr<RowOrder> mixed_order(std::vector<std::vector<std::int64_t>> groups,
                                      std::vector<double> shares, std::int64_t places,
                                      std::int64_t seed, bool shuffle);

/// Competence-based (Platanios et al. 2019): after a share x of the course's steps a row is drawn
/// from the easiest c(x) of all, c = (c₀^p + (1 − c₀^p)·x)^(1/p) with p = 1 (linear) or 2 (root).
/// Behind the course each row comes once an epoch.
struct Course {
  enum class Pacing { Root, Linear, Sorted } pacing = Pacing::Root;
  double initial = 0.1, full_after = 0.5;
};
/// `easiest_first`: all usable rows' indices.
std::unique_ptr<RowOrder> course_order(std::vector<std::int64_t> easiest_first,
                                       const Course& course, std::int64_t seed, bool shuffle);

/// The rows of training_files(), pictures as the recipe says.
Result<std::shared_ptr<const Dataset>> open_training_data(const Recipe& recipe);

/// The recipe's order over these usable rows of training_files(); null: every row once an epoch, by
/// shuffle alone. A course by length reads every row (`progress` as check_rows has it). Input
/// errors: a file of which no row is usable, a row without the number that a course goes by.
Result<std::shared_ptr<const RowOrder>> make_row_order(
    const Recipe& recipe, const RowReader& reader, const std::vector<std::int64_t>& usable,
    const std::function<bool(std::size_t, std::size_t)>& progress = {});

}  // namespace luthier
