// SPDX-License-Identifier: GPL-3.0-or-later
// NLopt's L-BFGS moves the five numbers: Debian has it as one small library without dependencies.
#include "engine/lab/law_fit.h"

#include <nlopt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {

constexpr std::uint64_t kDrawStream = 0x1a50f17;
constexpr int kNumbers = 5;
using Numbers = std::array<double, kNumbers>;  // a, b, e, alpha, beta

/// A point by its logarithms, and how often a draw has it.
struct LogPoint {
  double weights, tokens, loss, count;
};

struct Objective {
  std::vector<LogPoint> points;
  double delta = 1e-3;

  double value(const double* x, double* gradient) const {
    double sum = 0;
    if (gradient) std::fill_n(gradient, kNumbers, 0.0);
    for (const LogPoint& point : points) {
      if (point.count == 0) continue;
      const double terms[3] = {x[0] - x[3] * point.weights, x[1] - x[4] * point.tokens, x[2]};
      const double largest = std::max({terms[0], terms[1], terms[2]});
      const double parts[3] = {std::exp(terms[0] - largest), std::exp(terms[1] - largest),
                               std::exp(terms[2] - largest)};
      const double all = parts[0] + parts[1] + parts[2];
      const double off = largest + std::log(all) - point.loss, size = std::abs(off);
      sum += point.count * (size <= delta ? off * off / 2 : delta * (size - delta / 2));
      if (!gradient) continue;
      const double slope = point.count * (size <= delta ? off : std::copysign(delta, off)) / all;
      gradient[0] += slope * parts[0];
      gradient[1] += slope * parts[1];
      gradient[2] += slope * parts[2];
      gradient[3] -= slope * parts[0] * point.weights;
      gradient[4] -= slope * parts[1] * point.tokens;
    }
    return sum;
  }
};

/// Sums of losses of 1e-6 would end a search that looks at sizes: it sees them over delta squared.
double scaled_value(unsigned, const double* x, double* gradient, void* data) {
  const auto& objective = *static_cast<const Objective*>(data);
  const double scale = 1 / (objective.delta * objective.delta);
  const double value = scale * objective.value(x, gradient);
  if (gradient)
    for (int i = 0; i < kNumbers; ++i) gradient[i] *= scale;
  return value;
}

/// From `start` downhill as far as it goes.
double descend(const Objective& objective, Numbers& start, int most) {
  const std::unique_ptr<std::remove_pointer_t<nlopt_opt>, void (*)(nlopt_opt)> search(
      nlopt_create(NLOPT_LD_LBFGS, kNumbers), nlopt_destroy);
  nlopt_set_min_objective(search.get(), scaled_value, const_cast<Objective*>(&objective));
  nlopt_set_ftol_rel(search.get(), 1e-13);
  nlopt_set_xtol_rel(search.get(), 1e-11);
  nlopt_set_maxeval(search.get(), most);
  Numbers best = start;
  double value = objective.value(start.data(), nullptr);
  // A search that ends in rounding (NLopt says failure) has come as far as the others; begun again
  // where it ended, it forgets the curvature that led it there.
  for (int again = 0; again < 4; ++again) {
    Numbers at = best;
    double reached = 0;
    (void)nlopt_optimize(search.get(), at.data(), &reached);
    const double found = objective.value(at.data(), nullptr);
    const bool better = std::isfinite(found) && found < value;
    const bool much = better && found < value * (1 - 1e-9);
    if (better) {
      value = found;
      best = at;
    }
    if (!much) break;
  }
  start = best;
  return value;
}

std::vector<Numbers> grid_of_starts() {
  std::vector<Numbers> starts;
  for (int a = 0; a <= 25; a += 5)
    for (int b = 0; b <= 25; b += 5)
      for (int e = -2; e <= 2; ++e)
        for (int alpha = 0; alpha <= 4; ++alpha)
          for (int beta = 0; beta <= 4; ++beta)
            starts.push_back(
                {static_cast<double>(a), static_cast<double>(b), e / 2.0, alpha / 2.0, beta / 2.0});
  return starts;
}

LossLaw law_of(const Numbers& x) {
  return {std::exp(x[2]), std::exp(x[0]), std::exp(x[1]), x[3], x[4]};
}

bool goes_on(const LawFitOptions& options) { return !options.go_on || options.go_on(); }

Objective objective_of(const std::vector<LossPoint>& points, double delta) {
  Objective objective;
  objective.delta = delta;
  for (const LossPoint& point : points)
    objective.points.push_back(
        {std::log(point.weights), std::log(point.tokens), std::log(point.loss), 1});
  return objective;
}

std::vector<LossPoint> ends_of(const std::vector<LossPoint>& points) {
  std::vector<LossPoint> ends;
  std::copy_if(points.begin(), points.end(), std::back_inserter(ends),
               [](const LossPoint& point) { return point.last; });
  return ends.empty() ? points : ends;
}

Status check_points(const std::vector<LossPoint>& points) {
  std::set<double> sizes, tokens;
  for (const LossPoint& point : points) {
    sizes.insert(point.weights);
    tokens.insert(point.tokens);
  }
  if (points.size() >= 6 && sizes.size() >= 3 && tokens.size() >= 3) return {};
  return input_error(
      "A law of five numbers needs six points, three sizes and three numbers of tokens at least; "
      "these are " +
          std::to_string(points.size()) + " points of " + std::to_string(sizes.size()) +
          " sizes and " + std::to_string(tokens.size()) + " numbers of tokens.",
      "", "Train more sizes, or each for several numbers of tokens.");
}

void warn(LawFit& fit, const std::vector<LossPoint>& points) {
  const LossLaw& law = fit.law;
  if (!fit.falls())
    fit.warnings.push_back(
        "The losses do not fall with weights and with tokens: no best budget follows.");
  double lowest = points.front().loss;
  for (const LossPoint& point : points) lowest = std::min(lowest, point.loss);
  if (law.e < 0.01 * lowest)
    fit.warnings.push_back(
        "The floor E came out as nothing: the points are too far from it to tell where it lies.");
}

}  // namespace

Interval interval_of(std::vector<double> values, double level) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.size() < 8) return {};
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const auto above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {quantile((1 - level) / 2), quantile((1 + level) / 2), std::sqrt(squares / (count - 1)),
          true};
}

Interval LawFit::of(const std::function<double(const LossLaw&)>& number) const {
  std::vector<double> values;
  for (const LossLaw& draw : draws) values.push_back(number(draw));
  return interval_of(std::move(values), level);
}

double law_objective(const std::vector<LossPoint>& points, const double (&parameters)[5],
                     double huber_delta) {
  return objective_of(points, huber_delta).value(parameters, nullptr);
}

Result<LawFit> fit_loss_law(const std::vector<LossPoint>& given, const LawFitOptions& options) {
  const std::vector<LossPoint> points = ends_of(given);
  LUTHIER_CHECK(check_points(points));
  if (!(options.huber_delta > 0) || !std::isfinite(options.huber_delta))
    return input_error("Huber's delta is a number above 0.");
  Objective objective = objective_of(points, options.huber_delta);
  std::vector<std::pair<double, Numbers>> starts;
  for (const Numbers& start : grid_of_starts())
    starts.emplace_back(objective.value(start.data(), nullptr), start);
  std::stable_sort(starts.begin(), starts.end(),
                   [](const auto& left, const auto& right) { return left.first < right.first; });
  starts.resize(std::clamp<std::size_t>(options.starts, 1, starts.size()));
  Numbers best = starts.front().second;
  double least = starts.front().first;
  for (const auto& [value, start] : starts) {
    if (!goes_on(options)) return interrupted_error();
    Numbers at = start;
    const double reached = descend(objective, at, 1000);
    if (reached < least) {
      least = reached;
      best = at;
    }
  }
  least = descend(objective, best, 10'000);
  LawFit fit;
  fit.law = law_of(best);
  fit.objective = least;
  fit.points = points.size();
  fit.level = options.level;
  for (const LossPoint& point : points)
    fit.worst = std::max(fit.worst, std::abs(std::log(fit.law.loss(point.weights, point.tokens)) -
                                             std::log(point.loss)));
  // Draws go on from where all points led, and from some of the grid's best.
  const std::size_t others = std::min<std::size_t>(8, starts.size());
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    if (!goes_on(options)) return interrupted_error();
    RandomStream random(options.seed, kDrawStream, draw);
    for (LogPoint& point : objective.points) point.count = 0;
    for (std::size_t i = 0; i < points.size(); ++i)
      ++objective.points[static_cast<std::size_t>(random.below(static_cast<int>(points.size())))]
            .count;
    Numbers at = best;
    double value = descend(objective, at, 2000);
    for (std::size_t i = 0; i < others; ++i) {
      Numbers other = starts[i * (starts.size() - 1) / std::max<std::size_t>(1, others - 1)].second;
      const double reached = descend(objective, other, 2000);
      if (reached < value) {
        value = reached;
        at = other;
      }
    }
    fit.draws.push_back(law_of(at));
  }
  warn(fit, points);
  return fit;
}

Json to_json(const Interval& interval) {
  if (!interval.known) return nullptr;
  return {{"low", interval.low}, {"high", interval.high}, {"standard_error", interval.error}};
}

Json to_json(const LossLaw& law) {
  return {{"E", law.e}, {"A", law.a}, {"B", law.b}, {"alpha", law.alpha}, {"beta", law.beta}};
}

Json to_json(const LawFit& fit) {
  Json json = to_json(fit.law);
  json["objective"] = fit.objective;
  json["worst_log_residual"] = fit.worst;
  json["points"] = fit.points;
  json["weights_exponent"] = fit.law.weights_exponent();
  json["tokens_exponent"] = fit.law.tokens_exponent();
  json["draws"] = fit.draws.size();
  json["level"] = fit.level;
  using Number = double (*)(const LossLaw&);
  const std::pair<const char*, Number> numbers[] = {
      {"E", [](const LossLaw& law) { return law.e; }},
      {"A", [](const LossLaw& law) { return law.a; }},
      {"B", [](const LossLaw& law) { return law.b; }},
      {"alpha", [](const LossLaw& law) { return law.alpha; }},
      {"beta", [](const LossLaw& law) { return law.beta; }},
      {"weights_exponent", [](const LossLaw& law) { return law.weights_exponent(); }},
      {"tokens_exponent", [](const LossLaw& law) { return law.tokens_exponent(); }}};
  json["intervals"] = Json::object();
  for (const auto& [name, number] : numbers) json["intervals"][name] = to_json(fit.of(number));
  json["warnings"] = fit.warnings;
  return json;
}

}  // namespace luthier
