// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/rank_place.h"

#include <charconv>
#include <cstdlib>
#include <vector>

namespace luthier {

namespace {

/// What a launcher calls its numbers.
struct Names {
  const char* launcher;
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};
constexpr Names kTorchrun{"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Names kOpenMpi{"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                         "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Names kSlurm{"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", nullptr};

Result<std::optional<int>> number(const Variables& variable, const char* name) {
  const auto text = name ? variable(name) : std::nullopt;
  if (!text) return std::optional<int>();
  int value = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < 0)
    return input_error("The launcher's variable is \"" + *text + "\", which is no number.", name,
                       "Start all ranks by one launcher: luthier-cli launch, torchrun, srun or "
                       "mpirun.");
  return std::optional<int>(value);
}

/// The numbers of one launcher; nullopt: it has set none.
Result<std::optional<RankPlace>> numbers(const Variables& variable, const Names& names) {
  LUTHIER_TRY(const auto rank, number(variable, names.rank));
  LUTHIER_TRY(const auto size, number(variable, names.size));
  if (!rank && !size) return std::optional<RankPlace>();
  if (!rank || !size)
    return input_error(std::string(rank ? names.rank : names.size) + " is set and " +
                           (rank ? names.size : names.rank) + " is not.",
                       rank ? names.size : names.rank,
                       "Set both for every rank, or neither to train in one process.");
  RankPlace place;
  place.rank = *rank;
  place.size = *size;
  if (place.size < 1 || place.rank >= place.size)
    return input_error(std::string(names.rank) + " is " + std::to_string(place.rank) + " and " +
                           names.size + " is " + std::to_string(place.size) +
                           ": ranks count from 0 and lie below their number.",
                       names.rank);
  LUTHIER_TRY(const auto local, number(variable, names.local_rank));
  LUTHIER_TRY(const auto locals, number(variable, names.local_size));
  place.local_rank = local.value_or(0);
  place.local_size = locals.value_or(local ? *local + 1 : 1);
  if (place.local_rank >= place.local_size || place.local_size > place.size)
    return input_error(std::string(names.local_rank) + " is " + std::to_string(place.local_rank) +
                           " of " + std::to_string(place.local_size) + " on this machine, and " +
                           names.size + " is " + std::to_string(place.size) + ".",
                       names.local_rank);
  return std::optional<RankPlace>(std::move(place));
}

}  // namespace

std::optional<std::string> environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

Result<std::optional<RankPlace>> rank_place(const Variables& variable) {
  std::optional<RankPlace> found;
  const Names* by = nullptr;
  // A launcher within another's task (torchrun under srun) has the word; else they must agree.
  const bool nested = variable("TORCHELASTIC_RUN_ID").has_value();
  for (const Names* names : {&kTorchrun, &kOpenMpi, &kSlurm}) {
    // Steps have small numbers; those of a job's script and of a shell are near 2^32.
    if (const auto step = variable("SLURM_STEP_ID");
        names == &kSlurm && (!step || step->size() > 9))
      continue;
    // Under Open MPI the step may be that of its own daemons.
    if (found && (nested || (by == &kOpenMpi && names == &kSlurm))) break;
    LUTHIER_TRY(auto place, numbers(variable, *names));
    if (!place) continue;
    if (!found) {
      found = std::move(place);
      by = names;
    } else if (place->size > 1 && (place->rank != found->rank || place->size != found->size)) {
      return input_error(std::string(by->launcher) + " says that this is rank " +
                             std::to_string(found->rank) + " of " + std::to_string(found->size) +
                             ", and " + names->launcher + " that it is rank " +
                             std::to_string(place->rank) + " of " + std::to_string(place->size) +
                             ".",
                         std::string(by->rank) + ", " + names->rank,
                         std::string("Unset ") + by->rank + " and " + by->size + ", or " +
                             names->rank + " and " + names->size + ".");
    }
  }
  if (!found || found->size == 1) return std::optional<RankPlace>();
  const auto address = variable("MASTER_ADDR");
  if (!address || address->empty())
    return input_error("There are " + std::to_string(found->size) +
                           " ranks, and nothing says on which machine rank 0 is.",
                       "MASTER_ADDR",
                       "Set it for every rank to the name of rank 0's machine.");
  found->address = *address;
  LUTHIER_TRY(const auto port, number(variable, "MASTER_PORT"));
  if (!port || *port == 0 || *port > 65535)
    return input_error("There are " + std::to_string(found->size) +
                           " ranks, and nothing says at which port they meet.",
                       "MASTER_PORT", "Set it for every rank to a free port, such as 29500.");
  found->port = *port;
  found->store_elsewhere = variable("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  found->attempt = variable("TORCHELASTIC_RUN_ID").value_or("") + "/" +
                   variable("TORCHELASTIC_RESTART_COUNT").value_or("") + "/" +
                   std::to_string(found->size);
  return found;
}

}  // namespace luthier
