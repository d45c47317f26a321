// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/law_picture.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPlaces = 60;  ///< of a curve
constexpr double kBeyond = 4;        ///< how far curves go on, in operations

std::vector<double> budgets(double least, double most) {
  std::vector<double> flops;
  const double step = std::log(most / least) / static_cast<double>(kPlaces - 1);
  for (std::size_t i = 0; i < kPlaces; ++i)
    flops.push_back(least * std::exp(step * static_cast<double>(i)));
  return flops;
}

/// A curve of what each law says of a budget.
DrawnLaw drawn(const LawFit& fit, const std::vector<double>& flops,
               const std::function<double(const LossLaw&, double)>& loss) {
  DrawnLaw curve;
  curve.flops = flops;
  for (const double each : flops) {
    curve.loss.push_back(loss(fit.law, each));
    const Interval interval = fit.of([&](const LossLaw& law) { return loss(law, each); });
    if (!interval.known) continue;
    curve.low.push_back(interval.low);
    curve.high.push_back(interval.high);
  }
  if (curve.low.size() != flops.size()) curve.low.clear(), curve.high.clear();
  return curve;
}

double number_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

SweepRow row_of(const Json& json) {
  SweepRow row{text_in(json, "run"),      text_in(json, "state"),     number_in(json, "weights"),
               number_in(json, "tokens"), number_in(json, "seconds"), {}};
  if (number_in(json, "loss") > 0) row.loss = number_in(json, "loss");
  return row;
}

/// What sweep.json says besides its points.
Status take_sweep(const Json& sweep, LawPicture& picture) {
  for (const Json& run : sweep.value("runs", Json::array()))
    if (run.is_object()) picture.runs.push_back(row_of(run));
  picture.minutes = number_in(sweep, "minutes");
  if (number_in(sweep, "floor") > 0) picture.floor = number_in(sweep, "floor");
  const Json next = sweep.value("next", Json());
  if (!next.is_object()) return {};
  ForecastPicture forecast{row_of(next), number_in(next, "forecast"), {}};
  if (const Json interval = next.value("interval", Json()); interval.is_object())
    forecast.interval = {number_in(interval, "low"), number_in(interval, "high"),
                         number_in(interval, "standard_error"), true};
  picture.next = std::move(forecast);
  return {};
}

}  // namespace

Result<LawPicture> law_picture(const fs::path& place, const LawFitOptions& options) {
  std::error_code absent;
  const fs::path file = fs::is_directory(place, absent) ? place / "sweep.json" : place;
  LawPicture picture;
  std::vector<LossPoint> points;
  if (file.filename() == "sweep.json") {
    LUTHIER_TRY(const Json sweep, read_json_file(file));
    if (!sweep.is_object() || !sweep.contains("runs"))
      return input_error("This is no sweep.", file.string() + ": runs",
                         "Choose the folder that `laws sweep` was given, or a file of points.");
    LUTHIER_CHECK(take_sweep(sweep, picture));
    // A sweep that has just begun has none.
    const Json listed = sweep.value("points", Json::array());
    if (!listed.is_array() || listed.empty()) return picture;
  }
  LUTHIER_TRY(points, read_loss_points(file));
  const bool ends = std::any_of(points.begin(), points.end(), [](const auto& p) { return p.last; });
  std::map<double, SizePicture> sizes;
  for (const LossPoint& point : points) {
    if (ends && !point.last) continue;
    sizes[point.weights].weights = point.weights;
    sizes[point.weights].ends.push_back(point);
  }
  double least = 0, most = 0;
  for (auto& [weights, size] : sizes) {
    std::sort(size.ends.begin(), size.ends.end(),
              [](const auto& a, const auto& b) { return a.flops() < b.flops(); });
    const double first = size.ends.front().flops(), last = size.ends.back().flops();
    least = least > 0 ? std::min(least, first) : first;
    most = std::max(most, last);
    picture.sizes.push_back(size);
  }
  picture.fit = fit_loss_law(points, options);
  if (!picture.fit->ok()) return picture;
  const LawFit& fit = **picture.fit;
  for (SizePicture& size : picture.sizes)
    size.law = drawn(fit, budgets(size.ends.front().flops(), kBeyond * size.ends.back().flops()),
                     [&](const LossLaw& law, double flops) {
                       return law.loss(size.weights, flops / (kTrainFlops * size.weights));
                     });
  if (fit.falls())
    picture.best = drawn(fit, budgets(least, kBeyond * most), [](const LossLaw& law, double flops) {
      const Allocation best = law.best_for(flops);
      return law.loss(best.weights, best.tokens);
    });
  return picture;
}

}  // namespace luthier
