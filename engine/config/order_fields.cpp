// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/order_fields.h"

#include <cmath>

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/config/number_texts.h"
#include "engine/config/rollouts.h"

namespace luthier {

namespace {
using namespace rows;
}  // namespace

std::vector<RecipeField> order_fields() {
  std::vector<Row> rows;
  rows.push_back(kind_names("mixture.weights", "Weights of the files",
                            "A number for each file of the training data: how often its rows are "
                            "drawn beside the others'; empty: every row once an epoch.")
                     .numbers()
                     .advanced());
  rows.push_back(kind_optional_number(
                     "mixture.temperature", "Temperature of the files",
                     "Each file's weight is its number of rows to the power of one over this: 1 "
                     "goes by size, higher ones bring small files up; empty: every row once an "
                     "epoch.")
                     .above(0)
                     .at_most(1e6)
                     .advanced());
  rows.push_back(kind_value(Type::Paths, "replay.dataset", "Earlier data",
                            "Files of what was learned before: their rows are mixed in, so that it "
                            "is not forgotten.",
                            nullptr)
                     .advanced());
  rows.push_back(kind_number("replay.share", "Share of earlier data",
                             "So much of all rows is drawn from the earlier data.", 0.05)
                     .above(0)
                     .below(1)
                     .advanced());
  rows.push_back(kind_text("curriculum.by", "Course from easy to hard",
                           "length: rows of few tokens are easy; else the key of a row that holds "
                           "a number, the smallest being easiest; empty: no course.")
                     .advanced());
  rows.push_back(kind_choice("curriculum.pacing", "Pace of the course",
                             "linear and root: rows are drawn from the easiest, ever more of them "
                             "(root: sooner at first); sorted: each epoch goes from easy to hard.",
                             {"root", "linear", "sorted"}, "root")
                     .advanced());
  rows.push_back(kind_number("curriculum.initial_competence", "Rows at the start",
                             "The share of the rows, easiest first, that the course begins with.",
                             0.1)
                     .above(0)
                     .at_most(1)
                     .advanced());
  rows.push_back(kind_number("curriculum.full_after", "Course ends after",
                             "The share of the steps after which all rows are there; from then on "
                             "each comes once an epoch.",
                             0.5)
                     .above(0)
                     .at_most(1)
                     .advanced());
  rows.push_back(kind_boolean("curriculum.reverse", "From hard to easy",
                              "The largest number, or the longest row, comes first.", false)
                     .advanced());
  return later_fields_of(std::move(rows));
}

std::vector<std::string> training_files(const Recipe& recipe) {
  if (const std::string given = rollouts_of(recipe); !given.empty()) return {given};
  std::vector<std::string> files = recipe.dataset;
  const std::vector<std::string> earlier = recipe.more.names("replay.dataset");
  files.insert(files.end(), earlier.begin(), earlier.end());
  return files;
}

bool order_repeats(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  if (!values.text("curriculum.by").empty()) return values.text("curriculum.pacing") != "sorted";
  return !values.names("mixture.weights").empty() || !values.names("replay.dataset").empty() ||
         values.optional_number("mixture.temperature");
}

std::vector<double> mixture_weights(const Recipe& recipe) {
  return numbers_of(recipe.more.names("mixture.weights"));
}

Status check_order(const Recipe& recipe) {
  LUTHIER_CHECK(check_number_texts("mixture.weights", recipe.more.names("mixture.weights")));
  const std::vector<double> weights = mixture_weights(recipe);
  const bool tempered = recipe.more.optional_number("mixture.temperature").has_value();
  if (!weights.empty()) {
    if (tempered)
      return cross_fault("mixture.temperature", "says the weights that mixture.weights gives.",
                         "Leave one of the two out.");
    if (weights.size() != recipe.dataset.size())
      return cross_fault("mixture.weights",
                         "has " + std::to_string(weights.size()) + " numbers, dataset has " +
                             std::to_string(recipe.dataset.size()) + " files.",
                         "Give one for each file.");
    double sum = 0;
    for (const double weight : weights) {
      if (!std::isfinite(weight) || weight < 0)
        return cross_fault("mixture.weights", "holds a number that is no weight.",
                           "Weights are 0 or more.");
      sum += weight;
    }
    if (!(sum > 0) || !std::isfinite(sum))
      return cross_fault("mixture.weights", "leaves every file out.",
                         "Give one of them a weight above 0.");
  }
  const bool mixed = !weights.empty() || tempered;
  if (!rollouts_of(recipe).empty() &&
      (order_repeats(recipe) || !recipe.more.text("curriculum.by").empty()))
    return cross_fault(
        rollouts_key(recipe).c_str(),
        "is read row after row, and mixture, replay and curriculum say another order.",
        "Leave it or them out.");
  if (recipe.more.text("curriculum.by").empty()) return {};
  if (mixed || !recipe.more.names("replay.dataset").empty())
    return cross_fault("curriculum.by", "goes over all rows, and a mixture draws from each file.",
                       "Leave out curriculum.by, or mixture and replay.");
  return {};
}

}  // namespace luthier
