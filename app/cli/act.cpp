// SPDX-License-Identifier: GPL-3.0-or-later
// What a robot should do next, by a picture and what is to be done.
#include <cmath>
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/data/row_kind.h"
#include "engine/generate/generate.h"
#include "engine/methods/adapter.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

struct ActOptions {
  std::string model, adapter, image, instruction, robot, rows, image_folder, device = "auto",
                                                                             dtype = "auto";
  bool json = false;
};

/// One of --rows, or the one that the command line gives.
struct Asked {
  Conversation row;
  std::string where, robot;
  std::vector<double> wanted;  ///< the row's action; empty: it has none
};

Result<std::vector<Asked>> asked_of(const ActOptions& o) {
  std::vector<Asked> asked;
  const auto add = [&](const Json& row, const std::filesystem::path& base,
                       const std::string& where) -> Status {
    LUTHIER_TRY(Conversation read, action_rows().read(row, base, where, nullptr));
    const Json& extra = read.messages.front().extra;
    Asked one{std::move(read), where, extra["robot"].get<std::string>(), {}};
    if (extra.contains("action")) one.wanted = extra["action"].get<std::vector<double>>();
    if (!o.robot.empty()) one.robot = o.robot;
    asked.push_back(std::move(one));
    return {};
  };
  if (o.rows.empty()) {
    if (o.image.empty() || o.instruction.empty())
      return input_error("There is nothing to be done.", "--instruction",
                         "Give --image and --instruction, or --rows.");
    LUTHIER_CHECK(add(
        {{"image", std::filesystem::absolute(o.image).string()}, {"instruction", o.instruction}},
        {}, "--image"));
    return asked;
  }
  LUTHIER_TRY(const auto rows, Dataset::open({o.rows}, o.image_folder));
  for (std::size_t i = 0; i < rows->size(); ++i) {
    LUTHIER_TRY(const Json row, rows->row(i));
    LUTHIER_CHECK(add(row, rows->folder_of(i), rows->where(i)));
  }
  return asked;
}

std::string listed(const std::vector<double>& numbers) {
  std::string text;
  for (const double each : numbers) {
    char one[32];
    std::snprintf(one, sizeof one, "%.5g", each);
    text += (text.empty() ? "" : " ") + std::string(one);
  }
  return text;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

Status act(const ActOptions& o) {
  LUTHIER_TRY(const std::vector<Asked> asked, asked_of(o));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel model, load_model(o.model, load));
  const ActionOptions* actions = model.processor->actions();
  if (!actions)
    return input_error(
        "A model of type " + std::string(model.family->model_type) + " moves no robot.", o.model,
        "Choose openvla.");
  std::vector<const ActionOptions::Robot*> robots;
  std::vector<Example> prompts;
  std::size_t longest = 0;
  for (const Asked& one : asked) {
    LUTHIER_TRY(const ActionOptions::Robot* robot, actions->robot(one.robot, one.where));
    LUTHIER_TRY(Example prompt, model.processor->encode_prompt(one.row, one.where));
    robots.push_back(robot), prompts.push_back(std::move(prompt));
    longest = std::max(longest, robot->dimensions());
    if (!one.wanted.empty() && one.wanted.size() != robot->dimensions())
      return input_error("The row's action has " + std::to_string(one.wanted.size()) +
                             " numbers, the robot moves in " + std::to_string(robot->dimensions()) +
                             " dimensions.",
                         one.where + ": action");
  }
  std::shared_ptr<Adapter> adapter;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(adapter, load_adapter(model, o.adapter));
    adapter->activate();
  }
  GenerationOptions how;
  how.max_new_tokens = static_cast<std::int64_t>(longest);
  LUTHIER_TRY(const auto said, generate(model, prompts, how, [](std::size_t, const Generated&) {
                return !interrupted().stop_requested();
              }));
  if (interrupted().stop_requested()) return interrupted_error();
  Json list = Json::array();
  double sum = 0, judged = 0;
  for (std::size_t i = 0; i < said.size(); ++i) {
    std::vector<TokenId> tokens;
    for (const AnswerToken& token : said[i].tokens) tokens.push_back(token.id);
    if (tokens.size() < robots[i]->dimensions())
      return input_error("The model ended before the action was whole.", asked[i].where,
                         "Tune it on rows of this robot.");
    tokens.resize(robots[i]->dimensions());
    const std::vector<double> action = actions->action(*robots[i], tokens);
    Json entry = {{"row", asked[i].where}, {"action", action}, {"tokens", tokens}};
    std::string line = asked[i].where + ": " + listed(action);
    if (!asked[i].wanted.empty()) {
      const double error = distance(action, asked[i].wanted);
      entry["l1"] = error;
      sum += error, ++judged;
      line += "  (l1 " + listed({error}) + ")";
    }
    if (!o.json) print_line(line);
    list.push_back(std::move(entry));
  }
  Json document = {{"rows", std::move(list)}};
  if (judged > 0) document["l1"] = sum / judged;
  if (o.json) {
    print_json(document);
  } else if (judged > 1) {
    print_line("l1: " + listed({sum / judged}));
  }
  return {};
}

}  // namespace

Action add_act(CLI::App& app) {
  const auto o = std::make_shared<ActOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder of openvla")->required();
  app.add_option("--image", o->image, "What the robot sees");
  app.add_option("--instruction", o->instruction, "What is to be done");
  app.add_option("--robot", o->robot,
                 "Whose actions they are, by the names of config.json's norm_stats");
  app.add_option("--rows", o->rows, "Rows of pictures and instructions in place of one");
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths start (else beside the rows' file)");
  app.add_option("--adapter", o->adapter, "A PEFT folder");
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return act(*o); };
}

}  // namespace luthier::cli
