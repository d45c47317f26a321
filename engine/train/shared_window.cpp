// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/shared_window.h"

#include <cmath>
#include <cstdlib>

#include "engine/io/json.h"

namespace luthier {

namespace {

/// JSON has no number that is not finite.
Json number_json(double value) {
  return std::isfinite(value) ? Json(value) : Json(std::to_string(value));
}
double number_of(const Json& json) {
  return json.is_string() ? std::strtod(json.get<std::string>().c_str(), nullptr)
                          : json.get<double>();
}

Json figures_json(const Figures& figures) {
  Json json = Json::object();
  for (const auto& [name, value] : figures) json[name] = number_json(value);
  return json;
}
Figures figures_of(const Json& json) {
  Figures figures;
  for (const auto& [name, value] : json.items()) figures[name] = number_of(value);
  return figures;
}

Json broken_json(const std::vector<BrokenRow>& rows) {
  Json json = Json::array();
  for (const BrokenRow& each : rows) json.push_back({each.row, each.sentence});
  return json;
}
std::vector<BrokenRow> broken_of(const Json& json) {
  std::vector<BrokenRow> rows;
  for (const Json& each : json)
    rows.push_back({each.at(0).get<std::int64_t>(), each.at(1).get<std::string>()});
  return rows;
}

/// `read` may throw what the JSON library does where something is missing.
template <class Share, class Read>
Result<Share> read_share(const std::string& text, std::size_t rank, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const std::exception&) {
    return machine_error(
        "Rank " + std::to_string(rank) + " said something that is no share of a " + "window.", "",
        "Start all ranks from one build.");
  }
}

/// A sentence with any bytes in it.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_text(const WindowShare& share) {
  return dumped({{"counts", share.counts},
                 {"tokens", share.tokens},
                 {"broken", broken_json(share.broken)},
                 {"fault", share.fault},
                 {"stops", share.stops}});
}

Result<WindowShare> read_window_share(const std::string& text, std::size_t rank) {
  return read_share<WindowShare>(text, rank, [](const Json& json) {
    WindowShare share;
    share.counts = json.at("counts").get<std::vector<std::int64_t>>();
    share.tokens = json.at("tokens").get<std::int64_t>();
    share.broken = broken_of(json.at("broken"));
    share.fault = json.at("fault").get<std::string>();
    share.stops = json.at("stops").get<bool>();
    return share;
  });
}

std::string to_text(const MicroShare& share) {
  Json told = Json::array();
  for (const ToldNumbers& each : share.told)
    told.push_back({number_json(each.share), figures_json(each.figures)});
  return dumped({{"told", std::move(told)},
                 {"suspects", share.suspects},
                 {"finite", share.finite},
                 {"stops", share.stops},
                 {"standing", share.standing},
                 {"fault", share.fault}});
}

Result<MicroShare> read_micro_share(const std::string& text, std::size_t rank) {
  return read_share<MicroShare>(text, rank, [](const Json& json) {
    MicroShare share;
    for (const Json& each : json.at("told"))
      share.told.push_back({number_of(each.at(0)), figures_of(each.at(1))});
    share.suspects = json.at("suspects").get<std::vector<std::int64_t>>();
    share.finite = json.at("finite").get<bool>();
    share.stops = json.at("stops").get<bool>();
    share.standing = json.at("standing").get<std::string>();
    share.fault = json.at("fault").get<std::string>();
    return share;
  });
}

std::string to_text(const EvaluationShare& share) {
  Json batches = Json::array();
  for (const EvaluatedBatch& each : share.batches) {
    Json figures = Json::array();
    for (const Figures& one : each.figures) figures.push_back(figures_json(one));
    batches.push_back(
        {number_json(each.sum), each.rows, std::move(figures), broken_json(each.broken)});
  }
  return dumped({{"batches", std::move(batches)},
                 {"fault", share.fault},
                 {"interrupted", share.interrupted}});
}

Result<EvaluationShare> read_evaluation_share(const std::string& text, std::size_t rank) {
  return read_share<EvaluationShare>(text, rank, [](const Json& json) {
    EvaluationShare share;
    for (const Json& each : json.at("batches")) {
      EvaluatedBatch batch;
      batch.sum = number_of(each.at(0));
      batch.rows = each.at(1).get<std::int64_t>();
      for (const Json& one : each.at(2)) batch.figures.push_back(figures_of(one));
      batch.broken = broken_of(each.at(3));
      share.batches.push_back(std::move(batch));
    }
    share.fault = json.at("fault").get<std::string>();
    share.interrupted = json.at("interrupted").get<bool>();
    return share;
  });
}

}  // namespace luthier
