// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/law_points.h"

#include <cmath>
#include <cstdlib>
#include <optional>

#include "engine/base/text.h"
#include "engine/data/dataset.h"

namespace luthier {

namespace {

constexpr std::size_t kMostPoints = 200'000;

std::optional<double> number_in(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const std::string text = trimmed(value.get<std::string>());
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size()) return std::nullopt;
  return number;
}

/// The row's value under one of the names, whatever the case of its letters.
const Json* value_of(const Json& row, std::initializer_list<const char*> names) {
  for (const char* name : names)
    for (const auto& [key, value] : row.items())
      if (ascii_lower(trimmed(key)) == name && !value.is_null()) return &value;
  return nullptr;
}

/// 0: it is not there.
Result<double> amount(const Json& row, std::initializer_list<const char*> names,
                      const std::string& where) {
  const Json* value = value_of(row, names);
  if (!value || (value->is_string() && value->get_ref<const std::string&>().empty())) return 0.0;
  const auto number = number_in(*value);
  if (number && std::isfinite(*number) && *number > 0 && *number < 1e40) return *number;
  return input_error("This is no number above 0 and below 1e40: " + value->dump() + ".",
                     where + ": " + *names.begin());
}

Error lacks(const char* what, const std::string& where) {
  return input_error(std::string("The point has no ") + what + ".", where,
                     "A point has weights, tokens and loss; flops stand for one of the first two.");
}

Result<std::vector<LossPoint>> points_of(const Json& list, const std::string& where) {
  std::vector<LossPoint> points;
  for (std::size_t i = 0; i < list.size(); ++i) {
    LUTHIER_TRY(LossPoint point,
                loss_point_from_json(list[i], where + ": point " + std::to_string(i + 1)));
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace

Result<LossPoint> loss_point_from_json(const Json& row, const std::string& where) {
  if (!row.is_object()) return input_error("A point is an object of names and numbers.", where);
  LossPoint point;
  LUTHIER_TRY(point.weights,
              amount(row, {"weights", "n", "params", "parameters", "model_size"}, where));
  LUTHIER_TRY(point.tokens, amount(row, {"tokens", "d", "training_tokens"}, where));
  LUTHIER_TRY(point.loss, amount(row, {"loss", "l", "eval_loss", "final_loss"}, where));
  LUTHIER_TRY(const double flops, amount(row, {"flops", "c", "training_flop"}, where));
  if (point.loss == 0) return lacks("loss", where);
  if (flops > 0 && point.weights > 0 && point.tokens == 0) point.tokens = flops / 6 / point.weights;
  if (flops > 0 && point.tokens > 0 && point.weights == 0) point.weights = flops / 6 / point.tokens;
  if (point.weights == 0) return lacks("weights", where);
  if (point.tokens == 0) return lacks("tokens", where);
  if (const Json* run = value_of(row, {"run"}))
    point.run = run->is_string() ? run->get<std::string>() : run->dump();
  if (const Json* last = value_of(row, {"last"}))
    point.last = last->is_boolean() ? last->get<bool>() : number_in(*last).value_or(1) != 0;
  return point;
}

Result<std::vector<LossPoint>> read_loss_points(const std::filesystem::path& file) {
  std::vector<LossPoint> points;
  if (ascii_lower(file.extension().string()) == ".json") {
    LUTHIER_TRY(const Json document, read_json_file(file));
    const Json* list = &document;
    if (document.is_object()) {
      const auto found = document.find("points");
      if (found == document.end())
        return input_error("There is no list of points.", file.string() + ": points");
      list = &*found;
    }
    if (!list->is_array()) return input_error("The points are no list.", file.string());
    LUTHIER_TRY(points, points_of(*list, file.string()));
  } else {
    LUTHIER_TRY(const auto rows, Dataset::open({file}));
    if (rows->size() > kMostPoints)
      return input_error("These are " + std::to_string(rows->size()) + " points; " +
                             std::to_string(kMostPoints) + " at most are fitted.",
                         file.string(), "Leave out points on the way.");
    for (std::size_t i = 0; i < rows->size(); ++i) {
      LUTHIER_TRY(const Json row, rows->unmapped_row(i));
      LUTHIER_TRY(LossPoint point, loss_point_from_json(row, rows->where(i)));
      points.push_back(std::move(point));
    }
  }
  if (points.empty()) return input_error("There are no points.", file.string());
  return points;
}

Json to_json(const LossPoint& point) {
  Json json{{"weights", point.weights}, {"tokens", point.tokens}, {"loss", point.loss}};
  if (!point.run.empty()) json["run"] = point.run;
  if (!point.last) json["last"] = false;
  return json;
}

}  // namespace luthier
