// SPDX-License-Identifier: GPL-3.0-or-later
// luthier-cli train in several processes of this machine, which find each other by torchrun's
// variables. They have a process group of their own: a Ctrl+C of the terminal comes here alone, and
// goes on to rank 0, which ends the run for all.
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "app/cli/verbs.h"
#include "engine/base/cores.h"
#include "engine/ranks/rank_place.h"

extern char** environ;

namespace luthier::cli {

namespace {

/// A port of this machine that nobody has.
Result<int> free_port() {
  const int socket_number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  const bool found = socket_number >= 0 &&
                     bind(socket_number, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0 &&
                     getsockname(socket_number, reinterpret_cast<sockaddr*>(&place), &size) == 0;
  const int problem = errno;
  if (socket_number >= 0) close(socket_number);
  if (!found)
    return machine_error(
        std::string("There is no free port on this machine (") + std::strerror(problem) + ").",
        "--port", "Name one.");
  return static_cast<int>(ntohs(place.sin_port));
}

struct Started {
  pid_t process = 0;
  std::optional<int> status;  ///< once it has ended, as a shell has it
};

/// The environment of this process with these variables in place of its own.
std::vector<std::string> environment_with(const std::vector<std::string>& variables) {
  std::vector<std::string> all = variables;
  for (char** each = environ; *each; ++each) {
    const std::string text = *each, name = text.substr(0, text.find('=') + 1);
    const auto same = [&](const std::string& ours) { return ours.starts_with(name); };
    if (std::none_of(variables.begin(), variables.end(), same)) all.push_back(text);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Rank 0 has this one's standard streams, the others its standard error alone.
Result<pid_t> start(int rank, std::vector<std::string> arguments,
                    std::vector<std::string> variables, pid_t group) {
  posix_spawn_file_actions_t streams;
  posix_spawn_file_actions_init(&streams);
  posix_spawn_file_actions_addopen(&streams, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (rank > 0) posix_spawn_file_actions_addopen(&streams, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, group);
  std::vector<std::string> environment = environment_with(variables);
  pid_t process = 0;
  const int failed = posix_spawn(&process, "/proc/self/exe", &streams, &attributes,
                                 pointers_to(arguments).data(), pointers_to(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&streams);
  if (failed != 0)
    return machine_error("Rank " + std::to_string(rank) + " could not be started (" +
                         std::strerror(failed) + ").");
  return process;
}

/// Says of a rank that was killed, of which it can say nothing itself.
int told_status(int rank, int raw) {
  if (WIFEXITED(raw)) return WEXITSTATUS(raw);
  const int signal = WTERMSIG(raw);
  std::fprintf(stderr, "luthier-cli: rank %d was killed by signal %d (%s).\n", rank, signal,
               strsignal(signal));
  return 128 + signal;
}

/// Until all have ended. An interrupt goes to rank 0, which ends the run for all, and after its end
/// to those who had not met it yet. A second one ends this process, and with it all ranks
/// (train.cpp).
void wait_for_all(std::vector<Started>& ranks) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kLastWords{90};
  bool told = false, late = false, told_others = false;
  std::optional<Clock::time_point> leaderless;
  for (;;) {
    bool running = false;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      if (ranks[rank].status) continue;
      int raw = 0;
      const pid_t ended = waitpid(ranks[rank].process, &raw, WNOHANG);
      if (ended == ranks[rank].process)
        ranks[rank].status = told_status(static_cast<int>(rank), raw);
      running = running || !ranks[rank].status;
    }
    if (!running) return;
    // Without rank 0 there is nothing to wait for but the others' last words.
    if (ranks.front().status) {
      if (!leaderless) leaderless = Clock::now();
      for (const Started& each : ranks)
        if (!each.status && Clock::now() - *leaderless > kLastWords) kill(each.process, SIGKILL);
    }
    if (interrupted().stop_requested() && !std::exchange(told, true)) {
      late = ranks.front().status.has_value();
      if (!late) kill(ranks.front().process, SIGTERM);
    }
    const std::optional<int> lead = ranks.front().status;
    if (told && lead && (*lead != 0 || late) && !std::exchange(told_others, true))
      for (const Started& each : ranks)
        if (!each.status) kill(each.process, SIGTERM);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Result<int> launch_all(int count, int port, std::vector<std::string> arguments) {
  if (environment_variable("RANK") || environment_variable("WORLD_SIZE"))
    return input_error("This process is a rank of another launcher already.", "RANK, WORLD_SIZE",
                       "Start luthier-cli train by that launcher, or launch outside of it.");
  if (!arguments.empty() && arguments.front() == "train") arguments.erase(arguments.begin());
  if (arguments.empty())
    return input_error("Nothing says what to train.", "launch",
                       "luthier-cli launch --nproc 2 RECIPE, with train's options behind it.");
  if (port == 0) {
    auto found = free_port();
    if (!found) return found.error();
    port = *found;
  }
  arguments.insert(arguments.begin(), {"luthier-cli", "train"});
  if (count > 1 && !environment_variable("OMP_NUM_THREADS"))
    std::fprintf(stderr,
                 "Each of the %d ranks has the %d threads that one process would have, and so its "
                 "last bits. OMP_NUM_THREADS=%d shares this machine's cores among them.\n",
                 count, usable_cores(), std::max(1, usable_cores() / count));
  std::vector<Started> ranks;
  for (int rank = 0; rank < count; ++rank) {
    std::vector<std::string> variables{"RANK=" + std::to_string(rank),
                                       "WORLD_SIZE=" + std::to_string(count),
                                       "LOCAL_RANK=" + std::to_string(rank),
                                       "LOCAL_WORLD_SIZE=" + std::to_string(count),
                                       "MASTER_ADDR=127.0.0.1",
                                       "MASTER_PORT=" + std::to_string(port),
                                       "LUTHIER_LAUNCHER=" + std::to_string(getpid())};
    auto started =
        start(rank, arguments, std::move(variables), ranks.empty() ? 0 : ranks.front().process);
    if (!started) {
      for (const Started& each : ranks) kill(each.process, SIGTERM);
      wait_for_all(ranks);
      return started.error();
    }
    ranks.push_back({*started, {}});
  }
  wait_for_all(ranks);
  for (const Started& each : ranks)
    if (*each.status != 0) return *each.status;
  return 0;
}

}  // namespace

Action add_launch(CLI::App& app) {
  struct LaunchOptions {
    int count = 0, port = 0;
  };
  const auto o = std::make_shared<LaunchOptions>();
  app.add_option("--nproc", o->count,
                 "Processes, each with its own copy of the model: the run's window is that many "
                 "times the recipe's accumulation, and its result that of one process with it")
      ->required()
      ->check(CLI::Range(1, 1024));
  app.add_option("--port", o->port, "Where they meet on this machine; a free one by itself")
      ->check(CLI::Range(1, 65'535));
  app.prefix_command();
  app.footer(
      "What follows is train's: luthier-cli launch --nproc 2 RECIPE [--set KEY=VALUE] "
      "[--resume RUN]\n\nOver several machines it is torchrun, srun or mpirun that starts "
      "luthier-cli train: docs/ranks.md.");
  CLI::App* given = &app;
  return [o, given]() -> Ending {
    const auto status = launch_all(o->count, o->port, given->remaining());
    return status ? Ending(*status) : Ending(Status(status.error()));
  };
}

}  // namespace luthier::cli
