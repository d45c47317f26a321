// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's robots: OpenVLA's phases on generated scenes, and how well a model drives.
#include <cstdio>
#include <limits>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/lab/robot_lab.h"
#include "engine/lab/robot_world.h"
#include "engine/methods/adapter.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

struct RobotOptions {
  std::string folder, model, adapter, robot = "arm", device = "auto", dtype = "auto";
  RobotLabOrder order;
  DriveOptions drive;
  bool json = false;
};

Status write_lab(const RobotOptions& o) {
  LUTHIER_CHECK(write_robot_lab(o.folder, o.order));
  print_line("cd " + o.folder + " && luthier-cli train recipe.yaml");
  return {};
}

Status drive(const RobotOptions& o) {
  LUTHIER_TRY(const LabRobot* robot, lab_robot(o.robot));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel model, load_model(o.model, load));
  std::shared_ptr<Adapter> adapter;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(adapter, load_adapter(model, o.adapter));
    adapter->activate();
  }
  LUTHIER_TRY(const DriveResult result, drive_robot(model, *robot, o.drive, [](std::int64_t) {
                return !interrupted().stop_requested();
              }));
  if (o.json) {
    print_json({{"robot", o.robot},
                {"episodes", result.episodes},
                {"success", result.success()},
                {"steps", result.steps},
                {"action_error", result.action_error}});
    return {};
  }
  char line[160];
  std::snprintf(line, sizeof line,
                "%s: %.1f %% of %lld episodes, %.1f steps each, action error %.3f of its range",
                o.robot.c_str(), 100 * result.success(), static_cast<long long>(result.episodes),
                result.steps, result.action_error);
  print_line(line);
  return {};
}

}  // namespace

Action add_robot(CLI::App& app) {
  const auto o = std::make_shared<RobotOptions>();
  app.require_subcommand(1);
  CLI::App* lab =
      app.add_subcommand("lab", "Write OpenVLA's three phases, small, as a run of stages");
  lab->add_option("FOLDER", o->folder, "A folder that is not there")->required();
  lab->add_option("--rows", o->order.rows, "Rows of each phase")->capture_default_str();
  lab->add_option("--seed", o->order.seed, "Of scenes and weights")
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max() - 4))
      ->capture_default_str();
  CLI::App* run = app.add_subcommand("drive", "Let a model move a robot of the lab");
  run->add_option("MODEL", o->model, "A checkpoint folder of openvla")->required();
  run->add_option("--robot", o->robot, "arm, crane or mirror")->capture_default_str();
  run->add_option("--adapter", o->adapter, "A PEFT folder");
  run->add_option("--episodes", o->drive.episodes, "How many")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000}))
      ->capture_default_str();
  run->add_option("--seed", o->drive.seed, "Of their scenes")->capture_default_str();
  run->add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  run->add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  run->add_flag("--json", o->json, "One JSON document on stdout");
  return [o, lab]() -> Ending { return lab->parsed() ? write_lab(*o) : drive(*o); };
}

}  // namespace luthier::cli
