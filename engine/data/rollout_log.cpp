// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/rollout_log.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "engine/data/row_kind.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr double kNoReward = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLongestLine = std::size_t{256} << 20;

/// The line that begins at `at`, without its end; false: it has no end yet, or none is to come.
bool read_line_at(std::ifstream& in, std::uint64_t at, std::string& line) {
  in.clear();
  in.seekg(static_cast<std::streamoff>(at));
  return std::getline(in, line) && !in.eof() && line.size() <= kLongestLine;
}

double reward_of(const Json& value) { return value.is_number() ? value.get<double>() : kNoReward; }

/// A row's rewards by who gave them; a plain list has no name but "reward".
std::vector<NamedRewards> rewards_in(const Json& row, std::size_t answers) {
  const auto found = row.find("rewards");
  std::vector<NamedRewards> all;
  if (found == row.end()) return all;
  const auto take = [&](const std::string& name, const Json& values) {
    std::vector<double> own(answers, kNoReward);
    if (values.is_array())
      for (std::size_t i = 0; i < std::min(answers, values.size()); ++i)
        own[i] = reward_of(values[i]);
    all.emplace_back(name, std::move(own));
  };
  if (found->is_object())
    for (const auto& [name, values] : found->items()) take(name, values);
  else if (found->is_array())
    take("reward", *found);
  return all;
}

std::size_t answers_in(const Json& row) {
  const auto found = row.find("completion_ids");
  return found != row.end() && found->is_array() ? found->size() : 0;
}

std::vector<double>& rewards_by(DrawnStep& step, const std::string& name, std::size_t before) {
  for (NamedRewards& each : step.rewards)
    if (each.first == name) return each.second;
  step.rewards.emplace_back(name, std::vector<double>(before, kNoReward));
  return step.rewards.back().second;
}

/// More rows of the same step.
void add_rows(DrawnStep& step, DrawnStep more) {
  const std::size_t before = step.answers;
  step.answers += more.answers;
  step.begins.insert(step.begins.end(), more.begins.begin(), more.begins.end());
  for (const auto& [name, values] : more.rewards) {
    std::vector<double>& own = rewards_by(step, name, before);
    own.insert(own.end(), values.begin(), values.end());
  }
  for (NamedRewards& each : step.rewards) each.second.resize(step.answers, kNoReward);
}

void add_step(std::vector<DrawnStep>& steps, DrawnStep step) {
  if (!steps.empty() && steps.back().step == step.step)
    add_rows(steps.back(), std::move(step));
  else
    steps.push_back(std::move(step));
}

}  // namespace

Result<RolloutIndex> read_rollout_index(const fs::path& file, std::uint64_t from,
                                        std::uint64_t most) {
  RolloutIndex index;
  std::error_code problem;
  const std::uintmax_t size = fs::file_size(file, problem);
  if (problem) {
    index.anew = from > 0;
    return index;
  }
  index.anew = size < from;
  index.read_to = index.anew ? 0 : from;
  if (index.read_to == size) return index;
  std::ifstream in(file, std::ios::binary);
  if (!in) return input_error("The run's answers cannot be read.", file.string());
  const std::uint64_t begin = index.read_to;
  std::string line;
  while (read_line_at(in, index.read_to, line)) {
    if (index.read_to - begin >= most) {
      index.more = true;
      break;
    }
    const std::uint64_t at = index.read_to;
    index.read_to += line.size() + 1;
    const auto row = parse_json(line, file.string());
    if (!row || !row->is_object()) continue;
    const auto step = json_int(*row, "step", file.string());
    if (!step) continue;
    const std::size_t answers = answers_in(*row);
    add_step(index.steps, {*step, {at}, answers, rewards_in(*row, answers)});
  }
  return index;
}

void join_rollouts(std::vector<DrawnStep>& steps, RolloutIndex piece) {
  if (piece.anew) steps.clear();
  for (DrawnStep& step : piece.steps) add_step(steps, std::move(step));
}

Result<std::vector<DrawnRow>> read_drawn_rows(const fs::path& file,
                                              const std::vector<std::uint64_t>& begins) {
  std::ifstream in(file, std::ios::binary);
  std::vector<DrawnRow> rows;
  std::string line;
  for (const std::uint64_t at : begins) {
    if (!in || !read_line_at(in, at, line))
      return input_error("The run's answers cannot be read.", file.string());
    LUTHIER_TRY(const Json written, parse_json(line, file.string()));
    DrawnRow drawn;
    LUTHIER_TRY(drawn.row, json_int(written, "row", file.string()));
    const std::string where = file.filename().string() + ": step " +
                              std::to_string(written.value("step", std::int64_t{0})) + ", row " +
                              std::to_string(drawn.row + 1);
    LUTHIER_TRY(drawn.prompt, rollout_rows().read(written, file.parent_path(), where, nullptr));
    drawn.prompt.answer.reset();
    const std::vector<NamedRewards> rewards = rewards_in(written, answers_in(written));
    for (const auto& [name, values] : rewards) drawn.judges.push_back(name);
    const Json texts = written.value("completions", Json::array());
    for (std::size_t i = 0; i < answers_in(written); ++i) {
      DrawnAnswer answer;
      if (texts.is_array() && i < texts.size() && texts[i].is_string())
        answer.text = texts[i].get<std::string>();
      answer.tokens = written["completion_ids"][i].size();
      for (const auto& [name, values] : rewards) answer.rewards.push_back(values[i]);
      drawn.answers.push_back(std::move(answer));
    }
    rows.push_back(std::move(drawn));
  }
  return rows;
}

double reward_sum(const std::vector<double>& rewards, const std::vector<double>& weights) {
  double sum = 0;
  bool any = false;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    if (std::isnan(rewards[i])) continue;
    any = true;
    sum += rewards[i] * (weights.size() == rewards.size() ? weights[i] : 1);
  }
  return any ? sum : kNoReward;
}

}  // namespace luthier
