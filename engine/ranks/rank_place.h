// SPDX-License-Identifier: GPL-3.0-or-later
// Which of several processes that train one run together this one is, as their launcher says it in
// the environment: torchrun's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, LOCAL_RANK),
// which `luthier-cli launch` sets too, Slurm's of a step, and Open MPI's. No LibTorch.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/base/result.h"

namespace luthier {

struct RankPlace {
  int rank = 0, size = 1;              ///< of all processes
  int local_rank = 0, local_size = 1;  ///< of those on this machine
  std::string address;                 ///< where rank 0 is
  int port = 0;
  /// The launcher itself keeps what ranks tell one another (torchrun's agent), not rank 0.
  bool store_elsewhere = false;
  std::string attempt;  ///< tells a launcher's attempts apart; empty: there is one
};

/// A variable of the environment; nullopt: it is not set.
using Variables = std::function<std::optional<std::string>(const char*)>;
std::optional<std::string> environment_variable(const char* name);

/// nullopt: this process trains alone (no launcher, or one that started a single process). Input
/// errors name the variables that are missing, no numbers, or contradict one another. A Slurm job's
/// script itself, outside a step, trains alone.
Result<std::optional<RankPlace>> rank_place(const Variables& variable = environment_variable);

}  // namespace luthier
