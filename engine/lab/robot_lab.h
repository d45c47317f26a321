// SPDX-License-Identifier: GPL-3.0-or-later
// OpenVLA's three phases made small (Kim et al. 2024): a model that learns from nothing to say what
// it sees (0), then to move two robots at once (1), then one adapter for a third (2); and what it
// comes to, driven over the lab's table (lab/robot_world). Each phase is a stage of an ordinary
// run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct LoadedModel;
struct LabRobot;

struct RobotLabOrder {
  std::uint64_t seed = 7;
  std::int64_t rows = 6000;  ///< of each phase; its steps go by them
};

/// model/ (an openvla of one small SigLIP tower, without weights), the rows and pictures of every
/// phase, recipe.yaml of three stages, and moves-only.yaml, which leaves phase 0 out. A folder that
/// holds anything else is refused.
Status write_robot_lab(const std::filesystem::path& folder, const RobotLabOrder& order);

struct DriveOptions {
  std::int64_t episodes = 64;
  std::uint64_t seed = 99;
};
struct DriveResult {
  std::int64_t episodes = 0, succeeded = 0;
  double steps = 0;         ///< that an episode took, in the mean
  double action_error = 0;  ///< mean distance of a number from the one who knows', of its range
  double success() const {
    return episodes > 0 ? static_cast<double>(succeeded) / static_cast<double>(episodes) : 0;
  }
};
/// All episodes side by side, a step of each at a time, with whatever adapter is active.
Result<DriveResult> drive_robot(LoadedModel& model, const LabRobot& robot,
                                const DriveOptions& options,
                                const std::function<bool(std::int64_t step)>& go_on);

}  // namespace luthier
