// SPDX-License-Identifier: GPL-3.0-or-later
// Signals stand for the child as a shell would give them: this program blocks some, and ignores
// SIGPIPE, and both would be handed on.
#include "engine/runs/elsewhere/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "engine/base/text.h"

extern char** environ;

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kErrorsKept = 4096;  // bytes
constexpr int kFarewells = 100;            // times 20 ms

class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&streams);
    posix_spawnattr_init(&attributes);
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) sigaddset(&pipe, signal);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&streams);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  Result<pid_t> start(std::vector<std::string> words, short more_flags) {
    posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK |
                                                             POSIX_SPAWN_SETSIGDEF | more_flags));
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t process = 0;
    const int failed =
        posix_spawnp(&process, arguments.front(), &streams, &attributes, arguments.data(), environ);
    if (failed != 0)
      return input_error(
          std::string("This program cannot be started: ") + std::strerror(failed) + ".",
          words.front());
    return process;
  }

  posix_spawn_file_actions_t streams;
  posix_spawnattr_t attributes;
};

}  // namespace

fs::path command_line_program() {
  if (const char* named = std::getenv("LUTHIER_CLI"); named && *named) return named;
  std::error_code problem;
  return fs::read_symlink("/proc/self/exe", problem).parent_path() / "luthier-cli";
}

Result<TalkingChild> TalkingChild::start(const std::vector<std::string>& words) {
  int ends[2], errors[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("No stream to this program can be made", words.front(), errno);
  TalkingChild child;
  child.stream_ = Descriptor(ends[0]);
  const Descriptor theirs(ends[1]);
  if (::pipe2(errors, O_CLOEXEC) != 0)
    return system_error("No stream to this program can be made", words.front(), errno);
  child.errors_ = Descriptor(errors[0]);
  const Descriptor their_errors(errors[1]);
  ::fcntl(errors[0], F_SETFL, O_NONBLOCK);
  SpawnPlan plan;
  posix_spawn_file_actions_adddup2(&plan.streams, theirs.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&plan.streams, theirs.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&plan.streams, their_errors.get(), STDERR_FILENO);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  LUTHIER_TRY(child.process_, plan.start(words, POSIX_SPAWN_SETPGROUP));
  return child;
}

TalkingChild::TalkingChild(TalkingChild&& other) noexcept
    : stream_(std::move(other.stream_)),
      errors_(std::move(other.errors_)),
      process_(std::exchange(other.process_, 0)),
      status_(other.status_),
      said_(std::move(other.said_)) {}

TalkingChild::~TalkingChild() { finish(); }

void TalkingChild::read_errors() {
  char piece[1024];
  for (ssize_t got = 0; (got = ::read(errors_.get(), piece, sizeof piece)) > 0;) {
    said_.append(piece, static_cast<std::size_t>(got));
    if (said_.size() > 2 * kErrorsKept) said_.erase(0, said_.size() - kErrorsKept);
  }
}

std::string TalkingChild::last_error() const {
  const std::string text = trimmed(said_);
  const std::size_t line = text.rfind('\n');
  return trimmed(line == std::string::npos ? text : text.substr(line + 1));
}

int TalkingChild::finish() {
  if (process_ == 0) return status_;
  stream_.close();
  int status = 0;
  pid_t ended = 0;
  for (int tries = 0; ended == 0 && tries < kFarewells; ++tries) {
    ended = ::waitpid(process_, &status, WNOHANG);
    if (ended == 0) ::usleep(20'000);
  }
  if (ended == 0) {
    ::kill(-process_, SIGKILL);
    ended = ::waitpid(process_, &status, 0);
  }
  process_ = 0;
  read_errors();
  status_ = ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return status_;
}

Result<pid_t> start_detached(const std::vector<std::string>& words, const fs::path& log,
                             const Descriptor& kept) {
  const Descriptor out(
      ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (out.get() < 0) return system_error("This file cannot be written", log, errno);
  // Above the numbers that the child has: dup2 of a number onto itself would leave it to be closed.
  const Descriptor safe(::fcntl(kept.get(), F_DUPFD_CLOEXEC, kKeptDescriptor + 1));
  if (safe.get() < 0) return system_error("This file cannot be handed on", log, errno);
  SpawnPlan plan;
  posix_spawn_file_actions_addopen(&plan.streams, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&plan.streams, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&plan.streams, out.get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&plan.streams, safe.get(), kKeptDescriptor);
  return plan.start(words, POSIX_SPAWN_SETSID);
}

}  // namespace luthier
