// SPDX-License-Identifier: GPL-3.0-or-later
// A model at the gripper: what it sees is drawn, asked about and done, step after step.
#include <cmath>

#include "engine/base/base64.h"
#include "engine/data/row_kind.h"
#include "engine/generate/generate.h"
#include "engine/lab/robot_lab.h"
#include "engine/lab/robot_world.h"

namespace luthier {

namespace {

/// What the model is asked of a table.
Result<Example> asked_about(const LoadedModel& model, const LabRobot& robot,
                            const TableState& state) {
  LUTHIER_TRY(const auto png, encode_png(draw_table(state)));
  const std::string picture =
      "data:image/png;base64," + encode_base64(std::as_bytes(std::span(png)));
  LUTHIER_TRY(const Conversation row, action_rows().read({{"image", picture},
                                                          {"instruction", table_instruction(state)},
                                                          {"robot", robot.name}},
                                                         {}, "table", nullptr));
  return model.processor->encode_prompt(row, "table");
}

}  // namespace

Result<DriveResult> drive_robot(LoadedModel& model, const LabRobot& robot,
                                const DriveOptions& options,
                                const std::function<bool(std::int64_t step)>& go_on) {
  const ActionOptions* actions = model.processor->actions();
  if (!actions)
    return input_error(
        "A model of type " + std::string(model.family->model_type) + " moves no robot.",
        model.folder.string(), "Choose openvla.");
  LUTHIER_TRY(const ActionOptions::Robot* known, actions->robot(robot.name, "--robot"));
  if (known->dimensions() != robot.action(0, 0, false).size())
    return input_error("The model knows the robot with other dimensions.", "--robot");
  std::vector<TableState> tables;
  for (std::int64_t i = 0; i < options.episodes; ++i) {
    RandomStream random(options.seed, 74, static_cast<std::uint64_t>(i));
    tables.push_back(random_table(random));
  }
  GenerationOptions how;
  how.max_new_tokens = static_cast<std::int64_t>(known->dimensions());
  how.alternatives = 0;
  DriveResult result;
  result.episodes = options.episodes;
  double error = 0, asked = 0;
  for (std::int64_t step = 0; step < kEpisodeSteps; ++step) {
    if (go_on && !go_on(step)) return interrupted_error();
    std::vector<std::size_t> open;
    std::vector<Example> prompts;
    for (std::size_t i = 0; i < tables.size(); ++i) {
      if (tables[i].closed) continue;
      LUTHIER_TRY(Example prompt, asked_about(model, robot, tables[i]));
      open.push_back(i), prompts.push_back(std::move(prompt));
    }
    if (open.empty()) break;
    LUTHIER_TRY(const auto said, generate(model, prompts, how));
    for (std::size_t i = 0; i < open.size(); ++i) {
      std::vector<TokenId> tokens;
      for (const AnswerToken& token : said[i].tokens) tokens.push_back(token.id);
      // One that ends too early does nothing more.
      tokens.resize(known->dimensions(), actions->words - 1 - actions->bins / 2);
      const std::vector<double> action = actions->action(*known, tokens);
      const std::vector<double> best = expert_action(robot, tables[open[i]]);
      for (std::size_t d = 0; d < action.size(); ++d, ++asked)
        error += std::abs(action[d] - best[d]) / (known->high[d] - known->low[d]);
      tables[open[i]] = after_action(robot, tables[open[i]], action);
      ++result.steps;
    }
  }
  for (const TableState& table : tables) result.succeeded += has_succeeded(table) ? 1 : 0;
  result.steps /= static_cast<double>(std::max<std::int64_t>(1, options.episodes));
  result.action_error = asked > 0 ? error / asked : 0;
  return result;
}

}  // namespace luthier
