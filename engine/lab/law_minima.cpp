// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/law_minima.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {

constexpr std::uint64_t kCurveDraws = 0x1a50c0e, kParabolaDraws = 0x1a50bab;
constexpr int kEnvelopeBudgets = 200, kReadBudgets = 9;
constexpr double kSameBudget = 1.02;

/// Losses of one size against tokens, ascending.
struct LossCurve {
  double weights = 0;
  std::vector<std::pair<double, double>> points;  // ln tokens, loss

  double first_flops() const { return 6 * weights * std::exp(points.front().first); }
  double last_flops() const { return 6 * weights * std::exp(points.back().first); }

  /// Straight between two points; nullopt beyond them.
  std::optional<double> at(double flops) const {
    const double x = std::log(flops / 6 / weights), slack = 1e-9;
    if (x < points.front().first - slack || x > points.back().first + slack) return std::nullopt;
    const auto above = std::lower_bound(points.begin(), points.end(), std::pair(x, 0.0));
    if (above == points.begin()) return points.front().second;
    if (above == points.end()) return points.back().second;
    const auto below = above - 1;
    const double share = (x - below->first) / (above->first - below->first);
    return below->second + share * (above->second - below->second);
  }
};

/// One curve a run, or a size where points name none; of equal places the lower loss.
std::vector<LossCurve> curves_of(const std::vector<LossPoint>& points, bool by_size) {
  std::map<std::pair<double, std::string>, std::map<double, double>> found;
  for (const LossPoint& point : points) {
    auto& curve = found[{point.weights, by_size ? std::string() : point.run}];
    const auto [place, fresh] = curve.try_emplace(std::log(point.tokens), point.loss);
    if (!fresh) place->second = std::min(place->second, point.loss);
  }
  std::vector<LossCurve> curves;
  for (const auto& [key, places] : found)
    curves.push_back({key.first, {places.begin(), places.end()}});
  return curves;
}

/// From the least to the largest budget in equal steps of its logarithm.
std::vector<double> budgets_between(double least, double largest, int count) {
  std::vector<double> budgets;
  for (int i = 0; i < count; ++i)
    budgets.push_back(std::exp(std::log(least) +
                               (std::log(largest) - std::log(least)) * i / std::max(1, count - 1)));
  return budgets;
}

/// Least squares of ln N over ln C; nullopt where there are not two budgets.
std::optional<std::pair<double, double>> growth(const std::vector<BestSize>& best) {
  double x = 0, y = 0, xx = 0, xy = 0;
  const auto count = static_cast<double>(best.size());
  for (const BestSize& size : best) {
    x += std::log(size.flops) / count;
    y += std::log(size.weights) / count;
  }
  for (const BestSize& size : best) {
    const double dx = std::log(size.flops) - x;
    xx += dx * dx;
    xy += dx * (std::log(size.weights) - y);
  }
  if (!(xx > 1e-9)) return std::nullopt;
  const double exponent = xy / xx;
  return std::pair(std::exp(y - exponent * x), exponent);
}

std::vector<BestSize> envelope_of(const std::vector<LossCurve>& curves) {
  double least = std::numeric_limits<double>::infinity(), largest = 0;
  for (const LossCurve& curve : curves) {
    least = std::min(least, curve.first_flops());
    largest = std::max(largest, curve.last_flops());
  }
  std::vector<BestSize> best;
  if (!(largest > least)) return best;
  for (const double flops : budgets_between(least, largest, kEnvelopeBudgets)) {
    BestSize winner{flops, 0, std::numeric_limits<double>::infinity()};
    double smallest = std::numeric_limits<double>::infinity(), widest = 0;
    for (const LossCurve& curve : curves) {
      const auto loss = curve.at(flops);
      if (!loss) continue;
      smallest = std::min(smallest, curve.weights);
      widest = std::max(widest, curve.weights);
      if (*loss < winner.loss) winner = {flops, curve.weights, *loss};
    }
    // At the rim nobody knows whether a size beyond would have been better.
    if (winner.weights > smallest && winner.weights < widest) best.push_back(winner);
  }
  return best;
}

bool has_two_sizes(const std::vector<BestSize>& best) {
  std::set<double> sizes;
  for (const BestSize& size : best) sizes.insert(size.weights);
  return sizes.size() >= 2;
}

/// Least squares of a parabola in x = ln N, about the mean so that it stays well conditioned.
Parabola parabola_of(double flops, const std::vector<std::pair<double, double>>& points) {
  Parabola parabola{flops, points};
  double middle = 0;
  for (const auto& [weights, loss] : points)
    middle += std::log(weights) / static_cast<double>(points.size());
  double s[5] = {}, t[3] = {};
  double least = std::numeric_limits<double>::infinity(), largest = -least;
  for (const auto& [weights, loss] : points) {
    const double x = std::log(weights) - middle;
    least = std::min(least, x);
    largest = std::max(largest, x);
    for (double power = 1, *sum = s; sum != s + 5; power *= x) *sum++ += power;
    for (int i = 0; i < 3; ++i) t[i] += std::pow(x, i) * loss;
  }
  // Cramer's rule on the normal equations.
  const auto determinant = [](const double(&m)[3][3]) {
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
  };
  double matrix[3][3], solved[3];
  const auto fill = [&] {
    for (int row = 0; row < 3; ++row)
      for (int column = 0; column < 3; ++column) matrix[row][column] = s[row + column];
  };
  fill();
  const double whole = determinant(matrix);
  if (!(std::abs(whole) > 1e-300)) return parabola;
  for (int column = 0; column < 3; ++column) {
    fill();
    for (int row = 0; row < 3; ++row) matrix[row][column] = t[row];
    solved[column] = determinant(matrix) / whole;
  }
  parabola.curve = solved[2];
  parabola.slope = solved[1] - 2 * solved[2] * middle;
  parabola.level = solved[0] - solved[1] * middle + solved[2] * middle * middle;
  const double lowest = -solved[1] / (2 * solved[2]);
  parabola.has_minimum = solved[2] > 0 && lowest >= least && lowest <= largest;
  return parabola;
}

BestSize minimum_of(const Parabola& parabola) {
  const double x = -parabola.slope / (2 * parabola.curve);
  return {parabola.flops, std::exp(x),
          parabola.level - parabola.slope * parabola.slope / (4 * parabola.curve)};
}

using Budget = std::pair<double, std::vector<std::pair<double, double>>>;

std::size_t sizes_in(const std::vector<std::pair<double, double>>& points) {
  std::set<double> sizes;
  for (const auto& [weights, loss] : points) sizes.insert(weights);
  return sizes.size();
}

/// Points that stand at one budget.
std::vector<Budget> given_budgets(std::vector<LossPoint> points) {
  std::sort(points.begin(), points.end(),
            [](const LossPoint& a, const LossPoint& b) { return a.flops() < b.flops(); });
  std::vector<Budget> budgets;
  for (std::size_t i = 0; i < points.size();) {
    Budget budget;
    double logs = 0;
    const double first = points[i].flops();
    for (; i < points.size() && points[i].flops() <= first * kSameBudget; ++i) {
      budget.second.emplace_back(points[i].weights, points[i].loss);
      logs += std::log(points[i].flops());
    }
    budget.first = std::exp(logs / static_cast<double>(budget.second.size()));
    if (sizes_in(budget.second) >= 3) budgets.push_back(std::move(budget));
  }
  return budgets;
}

/// Budgets between the points of a grid, at which three sizes or more can be read off.
std::vector<Budget> read_budgets(const std::vector<LossPoint>& points) {
  const std::vector<LossCurve> curves = curves_of(points, /*by_size=*/true);
  double least = std::numeric_limits<double>::infinity(), largest = 0;
  std::vector<double> firsts, lasts;
  for (const LossCurve& curve : curves) {
    if (curve.points.size() < 2) continue;
    firsts.push_back(curve.first_flops());
    lasts.push_back(curve.last_flops());
  }
  if (firsts.size() < 3) return {};
  std::sort(firsts.begin(), firsts.end());
  std::sort(lasts.begin(), lasts.end());
  least = firsts[2];
  largest = lasts[lasts.size() - 3];
  if (!(largest > least)) return {};
  std::vector<Budget> budgets;
  for (const double flops : budgets_between(least, largest, kReadBudgets)) {
    Budget budget{flops, {}};
    for (const LossCurve& curve : curves)
      if (const auto loss = curve.at(flops)) budget.second.emplace_back(curve.weights, *loss);
    if (sizes_in(budget.second) >= 3) budgets.push_back(std::move(budget));
  }
  return budgets;
}

std::vector<LossPoint> ends_of_runs(const std::vector<LossPoint>& points) {
  std::vector<LossPoint> ends;
  for (const LossPoint& point : points)
    if (point.last) ends.push_back(point);
  return ends.empty() ? points : ends;
}

/// So many places below `count`, drawn with replacement.
std::vector<std::size_t> drawn(std::size_t count, RandomStream& random) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < count; ++i)
    places.push_back(static_cast<std::size_t>(random.below(static_cast<int>(count))));
  return places;
}

bool may_go_on(const LawFitOptions& options) { return !options.go_on || options.go_on(); }

}  // namespace

Allocation MinimaFit::best_for(double flops) const {
  const double weights = coefficient * std::pow(flops, exponent);
  return {weights, flops / kTrainFlops / weights};
}

Result<MinimaFit> fit_envelope(const std::vector<LossPoint>& points, const LawFitOptions& options) {
  std::vector<LossCurve> curves = curves_of(points, /*by_size=*/false);
  std::erase_if(curves, [](const LossCurve& curve) { return curve.points.size() < 2; });
  MinimaFit fit;
  fit.level = options.level;
  fit.best = envelope_of(curves);
  const auto grown = growth(fit.best);
  if (!grown || !has_two_sizes(fit.best))
    return input_error(
        "The envelope of the curves shows no two sizes that are best between others.", "",
        "Give curves of more sizes (each of two points or more), or longer ones.");
  std::tie(fit.coefficient, fit.exponent) = *grown;
  std::vector<double> exponents;
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    if (!may_go_on(options)) return interrupted_error();
    RandomStream random(options.seed, kCurveDraws, draw);
    std::vector<LossCurve> some;
    for (const std::size_t place : drawn(curves.size(), random)) some.push_back(curves[place]);
    const std::vector<BestSize> best = envelope_of(some);
    const auto again = growth(best);
    if (again && has_two_sizes(best)) exponents.push_back(again->second);
  }
  fit.interval = interval_of(std::move(exponents), options.level);
  return fit;
}

Result<MinimaFit> fit_parabolas(const std::vector<LossPoint>& given, const LawFitOptions& options) {
  const std::vector<LossPoint> points = ends_of_runs(given);
  std::vector<Budget> budgets = given_budgets(points);
  if (budgets.size() < 2) budgets = read_budgets(points);
  MinimaFit fit;
  fit.level = options.level;
  for (const auto& [flops, sizes] : budgets) {
    fit.parabolas.push_back(parabola_of(flops, sizes));
    if (fit.parabolas.back().has_minimum) fit.best.push_back(minimum_of(fit.parabolas.back()));
  }
  const auto grown = growth(fit.best);
  if (!grown)
    return input_error(
        "Of " + std::to_string(budgets.size()) + " budgets " + std::to_string(fit.best.size()) +
            " have their best size between others; a law needs two.",
        "", "Train three sizes or more at each of several budgets, around the best.");
  std::tie(fit.coefficient, fit.exponent) = *grown;
  std::vector<double> exponents;
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    if (!may_go_on(options)) return interrupted_error();
    RandomStream random(options.seed, kParabolaDraws, draw);
    std::vector<BestSize> best;
    for (const std::size_t budget : drawn(budgets.size(), random)) {
      const auto& [flops, all] = budgets[budget];
      std::vector<std::pair<double, double>> some;
      for (const std::size_t place : drawn(all.size(), random)) some.push_back(all[place]);
      const Parabola parabola = parabola_of(flops, sizes_in(some) >= 3 ? some : all);
      if (parabola.has_minimum) best.push_back(minimum_of(parabola));
    }
    if (const auto again = growth(best)) exponents.push_back(again->second);
  }
  fit.interval = interval_of(std::move(exponents), options.level);
  return fit;
}

Json to_json(const MinimaFit& fit) {
  Json json{{"weights_exponent", fit.exponent},  {"tokens_exponent", 1 - fit.exponent},
            {"coefficient", fit.coefficient},    {"level", fit.level},
            {"interval", to_json(fit.interval)}, {"best", Json::array()}};
  for (const BestSize& size : fit.best)
    json["best"].push_back({{"flops", size.flops}, {"weights", size.weights}, {"loss", size.loss}});
  if (fit.parabolas.empty()) return json;
  json["parabolas"] = Json::array();
  for (const Parabola& parabola : fit.parabolas) {
    Json points = Json::array();
    for (const auto& [weights, loss] : parabola.points) points.push_back({weights, loss});
    json["parabolas"].push_back({{"flops", parabola.flops},
                                 {"points", std::move(points)},
                                 {"curve", parabola.curve},
                                 {"slope", parabola.slope},
                                 {"level", parabola.level},
                                 {"has_minimum", parabola.has_minimum}});
  }
  return json;
}

}  // namespace luthier
