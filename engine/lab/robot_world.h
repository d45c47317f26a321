// SPDX-License-Identifier: GPL-3.0-or-later
// A table with two coloured shapes and a gripper over it, seen from above: what robots of the lab
// learn to move in. All robots do the same, and each says it in dimensions of its own, so that one
// robot's adapter moves another wrongly. An episode ends when the gripper closes; it has succeeded
// where it closes over the shape that was named. No LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/image.h"

namespace luthier {

inline constexpr int kTablePixels = 72;      ///< side of the picture
inline constexpr double kLongestMove = 0.2;  ///< of the table's side, along an axis and a step
inline constexpr double kReach = 0.12;       ///< how near the gripper has to close
inline constexpr int kEpisodeSteps = 10;

/// Places are of the table's side, from the left and from the top.
struct TableThing {
  bool square = false;  ///< else a circle
  int colour = 0;       ///< of kTableColours
  double x = 0, y = 0;
};
struct TableState {
  std::array<TableThing, 2> things;
  int target = 0;  ///< which of them is named
  double x = 0.5, y = 0.5;
  bool closed = false;
};

/// How a robot writes a move: its three numbers are two ways of the table and the gripper.
struct LabRobot {
  std::string name;
  std::array<std::array<double, 2>, 2> axes;  ///< of its first two numbers, by (x, y)
  double scale = 1;

  std::vector<double> action(double dx, double dy, bool close) const;
  /// (dx, dy) of an action, each at most kLongestMove.
  std::array<double, 2> move(const std::vector<double>& action) const;
};
/// "arm" and "crane" are trained on together, "mirror" is new to a model of those.
const std::vector<LabRobot>& lab_robots();
Result<const LabRobot*> lab_robot(const std::string& name);

TableState random_table(RandomStream& random);
/// "move to the red circle".
std::string table_instruction(const TableState& state);
Image draw_table(const TableState& state);
/// What the one who knows does next: straight to the target, and close there.
std::vector<double> expert_action(const LabRobot& robot, const TableState& state);
/// The table after an action; a robot whose third number is above one half closes its gripper.
TableState after_action(const LabRobot& robot, TableState state, const std::vector<double>& action);
bool has_succeeded(const TableState& state);

/// config.json's norm_stats of the robots: what their numbers are between.
Json lab_norm_stats();
/// A state on the way of a random episode, seeded by place.
TableState state_on_the_way(std::uint64_t seed, std::uint64_t row);

}  // namespace luthier
