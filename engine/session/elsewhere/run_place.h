// SPDX-License-Identifier: GPL-3.0-or-later
// Where a run is that is not in this process, and what it is started with. Plain data.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace luthier {

/// A process of its own on this machine, or on another one.
struct RunPlace {
  std::string host;              ///< what ssh calls that machine; empty: this one
  std::filesystem::path folder;  ///< there, where relative paths begin; empty: where one comes to
  /// Of another machine's run: the folder here that its files are fetched into.
  std::filesystem::path mirror = {};

  bool operator==(const RunPlace&) const = default;
};

/// What Session::launch and launch_stages take, as it crosses a line.
struct ElsewhereOrder {
  std::string recipe;  ///< as YAML; one of stages too
  std::filesystem::path resume_run = {}, reward_program = {};
  std::size_t held_out_answers = 0;
};

/// A run that is in hand elsewhere; its name finds it again (Session::attach_run).
struct RunElsewhere {
  RunPlace place;
  std::string run;
};

}  // namespace luthier
