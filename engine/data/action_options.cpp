// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/action_options.h"

#include <algorithm>
#include <cmath>

namespace luthier {

namespace {

/// numpy.linspace(-1, 1, bins)[i].
double edge(std::int64_t i, std::int64_t bins) {
  if (i == bins - 1) return 1.0;
  const double step = 2.0 / static_cast<double>(bins - 1);
  return static_cast<double>(i) * step - 1.0;
}

Result<std::vector<double>> read_numbers(const Json& object, const char* key,
                                         const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->empty())
    return input_error("A number for each dimension of an action is expected.", where + "." + key);
  std::vector<double> numbers;
  for (const Json& each : *found) {
    if (!each.is_number() || !std::isfinite(each.get<double>()))
      return input_error("A number for each dimension of an action is expected.",
                         where + "." + key);
    numbers.push_back(each.get<double>());
  }
  return numbers;
}

Result<ActionOptions::Robot> read_robot(const Json& stats, const std::string& where) {
  ActionOptions::Robot robot;
  LUTHIER_TRY(robot.low, read_numbers(stats, "q01", where));
  LUTHIER_TRY(robot.high, read_numbers(stats, "q99", where));
  robot.scaled.assign(robot.low.size(), true);
  if (const auto mask = stats.find("mask"); mask != stats.end() && !mask->is_null()) {
    const bool whole =
        mask->is_array() && mask->size() == robot.low.size() &&
        std::all_of(mask->begin(), mask->end(), [](const Json& each) { return each.is_boolean(); });
    if (!whole)
      return input_error("The mask is no true or false for each dimension.", where + ".mask");
    for (std::size_t i = 0; i < robot.scaled.size(); ++i) robot.scaled[i] = (*mask)[i].get<bool>();
  }
  if (robot.high.size() != robot.low.size())
    return input_error("q01 and q99 have unlike numbers of dimensions.", where + ".q99");
  for (std::size_t i = 0; i < robot.low.size(); ++i)
    if (robot.scaled[i] && robot.high[i] <= robot.low[i])
      return input_error("Dimension " + std::to_string(i) + " never moved: q99 is not above q01.",
                         where + ".q99", "Set its mask to false.");
  return robot;
}

}  // namespace

std::vector<TokenId> ActionOptions::tokens(const Robot& robot,
                                           const std::vector<double>& action) const {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < robot.dimensions(); ++i) {
    double x = action[i];
    if (robot.scaled[i]) x = 2 * (x - robot.low[i]) / (robot.high[i] - robot.low[i]) - 1;
    x = std::clamp(x, -1.0, 1.0);
    std::int64_t below = 0;  // edges that are not above x: numpy.digitize
    while (below < bins && edge(below, bins) <= x) ++below;
    tokens.push_back(words - below);
  }
  return tokens;
}

std::vector<double> ActionOptions::action(const Robot& robot,
                                          const std::vector<TokenId>& tokens) const {
  std::vector<double> action;
  for (std::size_t i = 0; i < robot.dimensions() && i < tokens.size(); ++i) {
    const std::int64_t bin = std::clamp<std::int64_t>(words - tokens[i] - 1, 0, bins - 2);
    double x = (edge(bin, bins) + edge(bin + 1, bins)) / 2;
    if (robot.scaled[i]) x = (x + 1) / 2 * (robot.high[i] - robot.low[i]) + robot.low[i];
    action.push_back(x);
  }
  return action;
}

Result<const ActionOptions::Robot*> ActionOptions::robot(const std::string& name,
                                                         const std::string& where) const {
  if (name.empty() && robots.size() == 1) return &robots.begin()->second;
  if (const auto found = robots.find(name); found != robots.end()) return &found->second;
  std::string known;
  for (const auto& [each, stats] : robots) known += (known.empty() ? "" : ", ") + each;
  return input_error(name.empty() ? "The row does not say which robot acts."
                                  : "The model knows no robot \"" + name + "\".",
                     where, "It knows " + known + " (norm_stats of its config.json).");
}

Result<ActionOptions> read_action_options(const Json& config, TokenId words,
                                          const std::string& where) {
  ActionOptions options;
  options.words = words;
  LUTHIER_TRY(options.bins, json_int(config, "n_action_bins", where, options.bins));
  if (options.bins < 2 || options.bins >= words)
    return input_error("There are " + std::to_string(options.bins) + " bins in a vocabulary of " +
                           std::to_string(words) + ".",
                       where + ": n_action_bins");
  const auto stats = config.find("norm_stats");
  if (stats == config.end() || !stats->is_object() || stats->empty())
    return input_error("What each robot's actions were between is not there.",
                       where + ": norm_stats");
  for (const auto& [name, robot] : stats->items()) {
    const std::string place = where + ": norm_stats." + name + ".action";
    const auto action = robot.is_object() ? robot.find("action") : robot.end();
    if (!robot.is_object() || action == robot.end() || !action->is_object())
      return input_error("What the robot's actions were between is not there.", place);
    LUTHIER_TRY(options.robots[name], read_robot(*action, place));
  }
  return options;
}

}  // namespace luthier
