// SPDX-License-Identifier: GPL-3.0-or-later
// The program's standard streams are one end of a socket, so that writing to one that is gone is an
// error and no signal, and both ways are waited for at once: a program may answer before it has
// read all.
#include "engine/rewards/program_reward.h"

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <mutex>

#include "engine/base/utf8.h"

extern char** environ;

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestReply = 64 << 20;  // bytes

class ProgramReward : public RewardFunction {
 public:
  ProgramReward(const fs::path& program, double seconds, int stream, pid_t process)
      : program_(program.string()),
        name_(program.stem().string()),
        seconds_(seconds),
        stream_(stream),
        process_(process) {}
  ~ProgramReward() override { end(); }
  ProgramReward(const ProgramReward&) = delete;
  ProgramReward& operator=(const ProgramReward&) = delete;

  const std::string& name() const override { return name_; }

  Result<std::vector<Reward>> rewards(const std::vector<AnsweredRow>& answers) override {
    if (process_ == 0)
      return machine_error("The program for rewards has ended.", program_, kLookAtIt);
    Json list = Json::array();
    for (const AnsweredRow& each : answers)
      list.push_back({{"text", each.text},
                      {"row", each.row ? *each.row : Json(nullptr)},
                      {"where", each.where}});
    const Json question{{"answers", std::move(list)}};
    auto reply =
        exchange(question.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
    if (reply) {
      auto read = read_rewards(*reply, answers.size());
      if (read) return read;
      end();
      return read.error();
    }
    return reply.error();
  }

 private:
  static constexpr const char* kLookAtIt =
      "What it wrote to its standard error stands above; try it by itself with a line of JSON.";

  /// A line out, a line in, within the time that it has.
  Result<std::string> exchange(std::string question) {
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(seconds_));
    question.push_back('\n');
    std::size_t sent = 0;
    while (true) {
      const std::size_t line = received_.find('\n');
      if (line != std::string::npos && sent == question.size()) {
        std::string reply = received_.substr(0, line);
        received_.erase(0, line + 1);
        return reply;
      }
      if (received_.size() > kLongestReply) {
        end();
        return machine_error("The program for rewards answers with more than memory should hold.",
                             program_, kLookAtIt);
      }
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      const auto events = static_cast<short>(POLLIN | (sent < question.size() ? POLLOUT : 0));
      pollfd waited{stream_, events, 0};
      const int ready =
          left <= 0 ? 0 : poll(&waited, 1, static_cast<int>(std::min<long long>(left, 60'000)));
      if (ready < 0 && errno != EINTR) return broken();
      if (ready == 0 && left <= 0) {
        end(/*kills=*/true);
        char text[32];
        std::snprintf(text, sizeof text, "%g", seconds_);
        return machine_error("The program for rewards did not answer within " + std::string(text) +
                                 " seconds and was ended.",
                             program_, kLookAtIt);
      }
      if (ready <= 0) continue;
      if (waited.revents & POLLIN) {
        char piece[65536];
        const ssize_t got = recv(stream_, piece, sizeof piece, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return broken();
        if (got > 0) received_.append(piece, static_cast<std::size_t>(got));
      } else if (waited.revents & (POLLHUP | POLLERR)) {
        return broken();
      }
      if ((waited.revents & POLLOUT) && sent < question.size()) {
        const ssize_t put = send(stream_, question.data() + sent, question.size() - sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno != EAGAIN && errno != EINTR) return broken();
        if (put > 0) sent += static_cast<std::size_t>(put);
      }
    }
  }

  Result<std::vector<Reward>> read_rewards(const std::string& reply, std::size_t count) const {
    const auto refused = [&](const std::string& what) {
      return machine_error(
          "The program for rewards answered \"" + shortened(reply, 80) + "\", " + what + ".",
          program_,
          "It must answer each line with {\"rewards\": [...]}, a number or null "
          "for each answer.");
    };
    const auto json = parse_json(reply, program_);
    if (!json || !json->is_object() || !json->contains("rewards") || !(*json)["rewards"].is_array())
      return refused("which is no object with rewards");
    const Json& list = (*json)["rewards"];
    if (list.size() != count)
      return refused("which has " + std::to_string(list.size()) + " rewards for " +
                     std::to_string(count) + " answers");
    std::vector<Reward> rewards;
    for (const Json& each : list) {
      if (each.is_null()) {
        rewards.emplace_back();
        continue;
      }
      if (!each.is_number() || !std::isfinite(each.get<double>()))
        return refused("in which a reward is no number");
      rewards.emplace_back(each.get<double>());
    }
    return rewards;
  }

  /// Its stream is gone: how it ended.
  Error broken() {
    const int status = end();
    const std::string how =
        WIFEXITED(status)     ? "ended with status " + std::to_string(WEXITSTATUS(status))
        : WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                              : "ended";
    return machine_error("The program for rewards " + how + " before it answered.", program_,
                         kLookAtIt);
  }

  /// Closes its streams and waits for it, by force where it does not go → its status.
  int end(bool kills = false) {
    if (process_ == 0) return 0;
    close(stream_);
    int status = 0;
    for (int tries = 0; !kills && tries < 20; ++tries) {
      if (waitpid(process_, &status, WNOHANG) == process_) return process_ = 0, status;
      usleep(50'000);
    }
    kill(-process_, SIGKILL);  // and what it has started itself
    waitpid(process_, &status, 0);
    process_ = 0;
    return status;
  }

  const std::string program_, name_;
  const double seconds_;
  const int stream_;
  pid_t process_;  // 0: it has ended
  std::string received_;
};

/// The one that the person has named last; who named it keeps it.
class ProgramOfPerson {
 public:
  void set(const std::shared_ptr<RewardFunction>& program) {
    const std::lock_guard lock(mutex_);
    program_ = program;
  }
  std::shared_ptr<RewardFunction> get() const {
    const std::lock_guard lock(mutex_);
    return program_.lock();
  }

 private:
  mutable std::mutex mutex_;
  std::weak_ptr<RewardFunction> program_;
};

ProgramOfPerson& program_of_person() {
  static ProgramOfPerson program;
  return program;
}

class NamedProgram : public RewardFunction {
 public:
  explicit NamedProgram(std::shared_ptr<RewardFunction> program) : program_(std::move(program)) {}

  const std::string& name() const override { return name_; }
  Result<std::vector<Reward>> rewards(const std::vector<AnsweredRow>& answers) override {
    return program_->rewards(answers);
  }

 private:
  const std::string name_ = kProgramReward;
  const std::shared_ptr<RewardFunction> program_;
};

}  // namespace

Result<std::shared_ptr<RewardFunction>> name_reward_program(const fs::path& program,
                                                            double seconds) {
  if (program.empty()) return std::shared_ptr<RewardFunction>();
  LUTHIER_TRY(std::shared_ptr<RewardFunction> started, start_reward_program(program, seconds));
  program_of_person().set(started);
  return started;
}

std::unique_ptr<RewardFunction> named_reward_program() {
  auto program = program_of_person().get();
  return program ? std::make_unique<NamedProgram>(std::move(program)) : nullptr;
}

Result<std::unique_ptr<RewardFunction>> start_reward_program(const fs::path& program,
                                                             double seconds) {
  std::error_code problem;
  const fs::path absolute = fs::absolute(program, problem);
  if (!fs::is_regular_file(absolute, problem) || access(absolute.c_str(), X_OK) != 0)
    return input_error("The program for rewards is no file that can be run.", program.string(),
                       "Name a program with its path; a script needs its first line (#!) and "
                       "chmod +x.");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return machine_error(std::string("No stream to the program for rewards could be made: ") +
                             std::strerror(errno) + ".",
                         program.string());
  posix_spawn_file_actions_t streams;
  posix_spawn_file_actions_init(&streams);
  posix_spawn_file_actions_adddup2(&streams, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&streams, ends[1], STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::string path = absolute.string();
  char* const arguments[] = {path.data(), nullptr};
  pid_t process = 0;
  const int failed = posix_spawn(&process, path.c_str(), &streams, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&streams);
  close(ends[1]);
  if (failed != 0) {
    close(ends[0]);
    return input_error(
        std::string("The program for rewards cannot be started: ") + std::strerror(failed) + ".",
        program.string(), "A script needs its first line (#!) and chmod +x.");
  }
  return std::unique_ptr<RewardFunction>(
      std::make_unique<ProgramReward>(program, seconds, ends[0], process));
}

}  // namespace luthier
