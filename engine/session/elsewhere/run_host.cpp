// SPDX-License-Identifier: GPL-3.0-or-later
// One thread reads commands and writes events; the session has its own. The journal's last line is
// the run's end, and what is left unanswered by then ends before it.
#include "engine/session/elsewhere/run_host.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/runs/elsewhere/child.h"
#include "engine/runs/elsewhere/journal.h"
#include "engine/runs/elsewhere/run_post.h"
#include "engine/session/elsewhere/event_text.h"

namespace luthier {

namespace {

constexpr int kHostTurnMilliseconds = 30;
constexpr int kEndAgainMicroseconds = 500'000;

/// The lock that the starter handed on, else one's own.
Result<Descriptor> lock_of(const RunPost& post) {
  struct stat handed {
  }, named{};
  if (::fstat(kKeptDescriptor, &handed) == 0 && ::stat(post.lock().c_str(), &named) == 0 &&
      handed.st_ino == named.st_ino && handed.st_dev == named.st_dev) {
    ::fcntl(kKeptDescriptor, F_SETFD, FD_CLOEXEC);  // the run's own children must not keep it
    return Descriptor(kKeptDescriptor);
  }
  LUTHIER_TRY(auto taken, take_post(post));
  if (!taken) return input_error("This run's process lives already.", post.run);
  return std::move(*taken);
}

/// A client begins its relative paths elsewhere.
void name_whole_folder(SessionEvent& event) {
  const auto whole = [](std::filesystem::path& folder) {
    std::error_code problem;
    const auto absolute = std::filesystem::absolute(folder, problem);
    if (!folder.empty() && !problem) folder = absolute.lexically_normal();
  };
  if (auto* started = std::get_if<RunStarted>(&event)) whole(started->folder);
  if (auto* stage = std::get_if<StageBegan>(&event)) whole(stage->folder);
  if (auto* end = std::get_if<RunEnded>(&event)) whole(end->folder);
}

class RunHost {
 public:
  RunHost(RunPost post, JournalWriter journal, Descriptor commands)
      : post_(std::move(post)),
        journal_(std::move(journal)),
        commands_(std::move(commands)),
        lines_(kLongestCommand, "the command") {}

  void run(const LaunchOrder& order, const std::stop_token& stop) {
    write({{"event", "begun"},
           {"version", luthier_version()},
           {"process", static_cast<std::int64_t>(::getpid())}});
    train(order, stop);
    // The end on a full disk: it waits, with nothing of the run in memory, until there is room.
    while (!journal_.flush() && !stop.stop_requested()) ::usleep(kEndAgainMicroseconds);
  }

 private:
  struct Asker {
    std::string client;
    std::uint64_t request = 0;
  };

  void train(const LaunchOrder& order, const std::stop_token& stop) {
    Session session;
    session_ = &session;
    if (const Status begun = launch(order); !begun) return end_as_failed(begun.error());
    bool stopping = false;
    while (!ended_) {
      wait_for_commands();
      if (stop.stop_requested() && !std::exchange(stopping, true)) session.stop(StopKind::Save);
      for (SessionEvent& event : session.drain()) {
        name_whole_folder(event);
        tell(event);
      }
    }
    session_ = nullptr;
  }

  Status launch(const LaunchOrder& order) {
    if (!order.folder.empty() && ::chdir(order.folder.c_str()) != 0)
      return system_error("The run cannot begin in this folder", order.folder, errno);
    output_ = output_of(order).ok() ? *output_of(order) : std::filesystem::path();
    const auto resume =
        order.resume.empty() ? std::nullopt : std::optional<std::filesystem::path>(order.resume);
    LUTHIER_TRY(const auto staged, parse_staged_recipe(order.recipe, "recipe"));
    if (staged) {
      session_->launch_stages(*staged, resume, order.reward_program);
      return {};
    }
    LUTHIER_TRY(const Recipe recipe, parse_recipe(order.recipe, "recipe"));
    session_->launch(recipe, resume, order.held_out_answers, order.reward_program);
    return {};
  }

  void wait_for_commands() {
    pollfd waited{commands_.get(), POLLIN, 0};
    if (::poll(&waited, 1, kHostTurnMilliseconds) <= 0) return;
    char piece[65536];
    const ssize_t got = ::read(commands_.get(), piece, sizeof piece);
    if (got > 0) lines_.add({piece, static_cast<std::size_t>(got)});
    while (const auto line = lines_.next()) {
      if (const Status done = take_command(*line); !done)
        write({{"event", "command_failed"}, {"command", ""}, {"error", to_json(done.error())}});
    }
  }

  /// The run goes on, whatever a command meets.
  Status take_command(const Result<std::string>& line) try {
    return line ? obey(*line) : Status(line.error());
  } catch (const std::exception& problem) {
    return machine_error(first_line(problem.what()), "the command");
  }

  Status obey(const std::string& line) {
    LUTHIER_TRY(const ServeOrder order, read_order(line));
    const auto* asked = std::get_if<RunCommand>(&order);
    if (!asked) return input_error("This is no command for a run.", "the command");
    if (asked->command == "pause") session_->pause();
    if (asked->command == "resume") session_->resume();
    if (asked->command == "stop")
      session_->stop(asked->discard ? StopKind::Discard : StopKind::Save);
    if (asked->command == "save_now") session_->save_now();
    if (asked->command == "edit") session_->edit_run(asked->setting, asked->value);
    if (asked->command == "cancel") cancel(*asked);
    return asked->command == "answer" ? answer(*asked) : Status();
  }

  Status answer(const RunCommand& order) {
    auto request = answer_from_json(order.asked, "the command: asked");
    if (request) {
      askers_[session_->answer(request.take())] = {order.client, order.request};
      return {};
    }
    write({{"event", "request_done"},
           {"client", order.client},
           {"request", order.request},
           {"error", to_json(request.error())},
           {"cancelled", false}});
    return {};
  }

  void cancel(const RunCommand& order) {
    for (const auto& [request, asker] : askers_)
      if (asker.client == order.client && asker.request == order.request) session_->cancel(request);
  }

  void tell(const SessionEvent& event) {
    if (ended_) return;
    if (const auto* failed = std::get_if<CommandFailed>(&event);
        failed && failed->command == "launch")
      return end_as_failed(failed->error);  // what threw has no other end
    if (const auto* end = std::get_if<RunEnded>(&event)) return end_as(*end);
    auto json = event_to_json(event);
    if (!json) return;
    if (const auto asked = json->find("request"); asked != json->end() && *asked != 0) {
      const auto asker = askers_.find(asked->get<RequestId>());
      if (asker == askers_.end()) return;
      (*json)["client"] = asker->second.client;
      (*json)["request"] = asker->second.request;
      if (std::holds_alternative<RequestDone>(event)) askers_.erase(asker);
    }
    write(std::move(*json));
  }

  void end_as_failed(const Error& error) {
    RunEnded end;
    end.folder = output_;
    end.state = "failed";
    end.error = error;
    end.seconds = 0;
    end_as(end);
  }

  void end_as(const RunEnded& end) {
    for (const auto& [request, asker] : askers_)
      write({{"event", "request_done"},
             {"client", asker.client},
             {"request", asker.request},
             {"error", Json()},
             {"cancelled", true}});
    askers_.clear();
    ended_ = true;
    write(*event_to_json(end));
  }

  void write(Json event) {
    const Status written = journal_.append(std::move(event));
    if (!written && !std::exchange(told_, true)) log_warning(written.error().sentence());
    if (written) told_ = false;
  }

  RunPost post_;
  JournalWriter journal_;
  Descriptor commands_;
  LineBuffer lines_;
  Session* session_ = nullptr;
  std::filesystem::path output_;
  std::map<RequestId, Asker> askers_;
  bool ended_ = false, told_ = false;
};

}  // namespace

Status host_run(const std::string& run, const std::stop_token& stop) {
  LUTHIER_TRY(const RunPost post, post_of(run));
  if (!post.exists()) return input_error("There is no such run.", run);
  LUTHIER_TRY(const Descriptor lock, lock_of(post));
  LUTHIER_TRY(JournalWriter journal, JournalWriter::open(post.journal()));
  if (journal.last() > 0) return input_error("This run has begun before.", run);
  LUTHIER_TRY(const LaunchOrder order, read_post_order(post));
  // For writing too: a pipe whose last writer went would be at its end for good.
  Descriptor commands(::open(post.commands().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (commands.get() < 0)
    return system_error("The run's commands cannot be read", post.commands(), errno);
  RunHost(post, std::move(journal), std::move(commands)).run(order, stop);
  return {};
}

}  // namespace luthier
