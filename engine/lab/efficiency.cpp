// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/efficiency.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>

#include "engine/base/random_stream.h"
#include "engine/data/columns.h"
#include "engine/data/tools/dataset_copy.h"
#include "engine/forecast/method_table.h"
#include "engine/io/files.h"
#include "engine/runs/run_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kRowKeys = 0x0eff1c1e;
constexpr const char* kScores[] = {"exact_match", "token_f1", "chrf", "json_valid"};

Status check_efficiency(const Recipe& recipe, const EfficiencyOptions& o) {
  if (recipe.eval_dataset.empty())
    return input_error("There are no held-out rows to score on.", "eval_dataset",
                       "Part some of the rows with `luthier-cli data split`, and name them.");
  if (o.rows.empty() || *std::min_element(o.rows.begin(), o.rows.end()) < 1)
    return input_error("Numbers of rows begin at 1.", "rows", "Write --rows 16,64,256.");
  if (o.from.empty()) return input_error("There is nothing to start from.", "from", "");
  for (const std::string& from : o.from)
    if (from != "base" && from != "nothing")
      return input_error("A run starts from the base or from nothing, not from \"" + from + "\".",
                         "from", "Write --from base,nothing.");
  const bool nothing = std::find(o.from.begin(), o.from.end(), "nothing") != o.from.end();
  if (nothing && has_four_bits(recipe))
    return input_error("A base that is packed in 4 bits has no weights that could start anew.",
                       "quantization", "Leave the packing out, or write --from base.");
  if (!(o.rate_from_nothing > 0) || o.rate_from_nothing > 1)
    return input_error("A learning rate lies above 0 and at most at 1.", "rate from nothing", "");
  if (o.steps <= 0 && recipe.training.max_steps <= 0)
    return input_error("The runs have no number of steps in common.", "training.max_steps",
                       "Name it in the recipe, or with --steps.");
  return {};
}

class EfficiencyCourse {
 public:
  EfficiencyCourse(const Recipe& recipe, const fs::path& folder, const EfficiencyOptions& options,
                   const EfficiencyHost& host)
      : recipe_(recipe), folder_(folder), options_(options), host_(host) {
    steps_ = options.steps > 0 ? options.steps : recipe.training.max_steps;
  }

  Result<std::vector<EfficiencyPoint>> go() {
    LUTHIER_CHECK(check_efficiency(recipe_, options_));
    LUTHIER_TRY(const auto rows, open_rows(recipe_, recipe_.dataset));
    const auto most = static_cast<std::int64_t>(rows->size());
    std::set<std::int64_t> counts(options_.rows.begin(), options_.rows.end());
    if (*counts.rbegin() > most)
      return input_error("There are " + std::to_string(most) + " rows, and " +
                             std::to_string(*counts.rbegin()) + " were asked for.",
                         "rows", "Ask for no more than there are.");
    LUTHIER_CHECK(begin_folder(rows->fingerprint()));
    LUTHIER_TRY(const auto held_out, open_rows(recipe_, recipe_.eval_dataset));
    LUTHIER_CHECK(
        write_rows(*held_out, static_cast<std::int64_t>(held_out->size()), held_out_file()));
    for (const std::int64_t count : counts) {
      LUTHIER_CHECK(write_rows(*rows, count, rows_file(count)));
      for (const std::string& from : options_.from) {
        EfficiencyPoint point;
        point.from = from;
        point.rows = count;
        point.name = from + "-" + std::to_string(count);
        read(point);
        points_.push_back(std::move(point));
      }
    }
    for (EfficiencyPoint& point : points_) {
      LUTHIER_CHECK(make(point));
      compare_starts(points_);
      LUTHIER_CHECK(write());
    }
    return points_;
  }

 private:
  /// What all runs have in common; a change of it would compare unlike things.
  Json settings() const {
    Recipe shown = recipe_;
    shown.output_dir.clear();
    shown.training.device = "auto";
    const std::string yaml = recipe_to_yaml(shown);
    return {{"steps", steps_},
            {"seed", options_.seed},
            {"rate_from_nothing", options_.rate_from_nothing},
            {"answers", options_.answers},
            {"recipe", sha256_bytes(std::as_bytes(std::span(yaml.data(), yaml.size())))},
            {"rows", rows_print_}};
  }

  Status begin_folder(const std::string& fingerprint) {
    rows_print_ = fingerprint;
    std::error_code failed;
    const fs::path file = folder_ / "efficiency.json";
    if (fs::exists(file, failed)) {
      LUTHIER_TRY(const Json there, read_json_file(file));
      const Json found =
          there.is_object() ? there.value("settings", Json::object()) : Json::object();
      const Json wanted = settings();
      for (const auto& [key, value] : wanted.items())
        if (!found.is_object() || !found.contains(key) || found[key] != value)
          return input_error("The runs that are there had another setting of " + key + ".",
                             file.string() + ": settings." + key,
                             "They would not lie on one curve: name another folder.");
    } else if (fs::exists(folder_, failed) && !fs::is_empty(folder_, failed)) {
      return input_error("The folder holds something else.", folder_.string(),
                         "Name an empty folder, or one that is not there yet.");
    }
    fs::create_directories(folder_ / "rows", failed);
    if (failed)
      return machine_error("The folder cannot be made: " + failed.message() + ".",
                           folder_.string());
    return {};
  }

  fs::path rows_file(std::int64_t count) const {
    return folder_ / "rows" / (std::to_string(count) + ".jsonl");
  }

  fs::path held_out_file() const { return folder_ / "rows" / "held-out.jsonl"; }

  Status write_rows(const Dataset& rows, std::int64_t count, const fs::path& file) const {
    std::error_code failed;
    if (fs::exists(file, failed)) return {};
    CopyRequest request;
    request.rows = nested_rows(rows.size(), static_cast<std::size_t>(count), options_.seed);
    LUTHIER_TRY(const CopyReport report, copy_rows(rows, request, file));
    if (report.left_out == 0) return {};
    fs::remove(file, failed);
    return report.unreadable.empty() ? input_error("Rows cannot be read.", file.string())
                                     : report.unreadable.front();
  }

  Result<Recipe> recipe_of(const EfficiencyPoint& point) const {
    Recipe made = recipe_;
    if (point.from == "nothing") {
      made.init = "random";
      made.adapter.init_from.clear();
      LUTHIER_CHECK(set_field(made, "strategy", "full"));
      made.training.learning_rate = options_.rate_from_nothing;
    }
    made.dataset = {rows_file(point.rows).string()};
    made.eval_dataset = {held_out_file().string()};
    // Copies have the keys that rows are read by, and paths from where they lie.
    made.image_folder.clear();
    LUTHIER_TRY(const Recipe plain, parse_recipe("", "efficiency"));
    for (const char* key : {"dataset_columns", "dataset_prompt", "dataset_answer"}) {
      LUTHIER_TRY(const std::string value, get_field(plain, key));
      LUTHIER_CHECK(set_field(made, key, value));
    }
    made.output_dir = (folder_ / "runs" / point.name).string();
    TrainingSettings& training = made.training;
    training.max_steps = steps_;
    training.eval_steps = std::max<std::int64_t>(1, steps_ / 4);  // and at the end
    training.save_steps = 0;
    training.save_total_limit = 1;
    LUTHIER_CHECK(check_recipe(made));
    return made;
  }

  void read(EfficiencyPoint& point) const {
    const fs::path place = folder_ / "runs" / point.name;
    const auto run = RunFolder::open(place);
    if (!run) return;
    if (const auto summary = summarize_run(place)) {
      point.state = run_state_name(summary->manifest.state);
      point.seconds = summary->manifest.seconds;
      point.error = summary->manifest.error;
    }
    point.eval_loss.reset();
    point.best_eval_loss.reset();
    for (const MetricsLine& line : run->read_metrics()) {
      if (!line.eval_loss) continue;
      point.eval_loss = line.eval_loss;
      if (std::isfinite(*line.eval_loss) &&
          (!point.best_eval_loss || *line.eval_loss < *point.best_eval_loss))
        point.best_eval_loss = line.eval_loss;
      for (const char* name : kScores) {
        const auto found = line.figures.find(std::string("eval_") + name);
        if (found != line.figures.end()) point.scores[name] = found->second;
      }
    }
  }

  Status make(EfficiencyPoint& point) {
    if (point.state == run_state_name(RunState::Finished)) return {};
    if (host_.go_on && !host_.go_on()) return interrupted_error(kGoesOn);
    if (host_.tell) host_.tell(point.name);
    LUTHIER_TRY(const Recipe recipe, recipe_of(point));
    std::error_code failed;
    const fs::path place = recipe.output_dir;
    const bool there = fs::exists(place / "run.json", failed);
    const auto result = host_.train(recipe, there ? std::optional<fs::path>(place) : std::nullopt,
                                    options_.answers);
    read(point);
    if (!result) {
      if (result.error().code == ErrorCode::Interrupted) return result.error();
      point.state = run_state_name(RunState::Failed);
      point.error = result.error().sentence();
      return {};
    }
    if (result->state == RunState::Finished) return {};
    LUTHIER_CHECK(write());
    return interrupted_error(kGoesOn);
  }

  Status write() const {
    const Json document{
        {"format_version", 1}, {"settings", settings()}, {"points", to_json(points_)}};
    std::string table = "from,rows,eval_loss,best_eval_loss,exact_match,token_f1,chrf,json_valid\n";
    const auto cell = [](const std::optional<double>& value) {
      char text[32] = ",";
      if (value) std::snprintf(text, sizeof text, ",%.9g", *value);
      return std::string(text);
    };
    for (const EfficiencyPoint& point : points_) {
      table += point.from + "," + std::to_string(point.rows) + cell(point.eval_loss) +
               cell(point.best_eval_loss);
      for (const char* name : kScores) {
        const auto found = point.scores.find(name);
        table +=
            cell(found == point.scores.end() ? std::nullopt : std::optional<double>(found->second));
      }
      table += "\n";
    }
    LUTHIER_CHECK(write_file_atomically(folder_ / "efficiency.csv", table));
    return write_file_atomically(folder_ / "efficiency.json", document.dump(2) + "\n");
  }

  static constexpr const char* kGoesOn = "Interrupted; saved. The same command goes on from here.";

  const Recipe recipe_;
  const fs::path folder_;
  const EfficiencyOptions options_;
  const EfficiencyHost& host_;
  std::int64_t steps_ = 0;
  std::string rows_print_;
  std::vector<EfficiencyPoint> points_;
};

}  // namespace

std::vector<std::size_t> nested_rows(std::size_t count, std::size_t wanted, std::uint64_t seed) {
  std::vector<std::size_t> rows(count);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(RandomStream(seed, kRowKeys, i).next());
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::size_t left, std::size_t right) { return keys[left] < keys[right]; });
  rows.resize(std::min(wanted, count));
  std::sort(rows.begin(), rows.end());
  return rows;
}

void compare_starts(std::vector<EfficiencyPoint>& points) {
  std::map<std::int64_t, double> nothing;  // rows, loss
  for (const EfficiencyPoint& point : points)
    if (point.from == "nothing" && point.best_eval_loss)
      nothing[point.rows] = *point.best_eval_loss;
  for (EfficiencyPoint& point : points) {
    point.rows_from_nothing.reset();
    if (point.from != "base" || !point.best_eval_loss) continue;
    const double wanted = *point.best_eval_loss;
    for (auto at = nothing.begin(); at != nothing.end(); ++at) {
      if (at->second > wanted) continue;
      point.rows_from_nothing = static_cast<double>(at->first);
      if (at == nothing.begin()) break;
      const auto before = std::prev(at);
      const double share = (before->second - wanted) / (before->second - at->second);
      const double low = std::log(static_cast<double>(before->first)),
                   high = std::log(static_cast<double>(at->first));
      point.rows_from_nothing = std::exp(low + share * (high - low));
      break;
    }
  }
}

Result<std::vector<EfficiencyPoint>> run_efficiency(const Recipe& recipe, const fs::path& folder,
                                                    const EfficiencyOptions& options,
                                                    const EfficiencyHost& host) {
  return EfficiencyCourse(recipe, folder, options, host).go();
}

Json to_json(const std::vector<EfficiencyPoint>& points) {
  const auto number = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
  };
  Json all = Json::array();
  for (const EfficiencyPoint& point : points) {
    Json json{{"from", point.from},
              {"rows", point.rows},
              {"run", point.name},
              {"state", point.state.empty() ? "waiting" : point.state},
              {"eval_loss", number(point.eval_loss)},
              {"best_eval_loss", number(point.best_eval_loss)},
              {"scores", point.scores},
              {"rows_from_nothing", number(point.rows_from_nothing)},
              {"seconds", point.seconds}};
    if (!point.error.empty()) json["error"] = point.error;
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace luthier
