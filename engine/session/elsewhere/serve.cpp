// SPDX-License-Identifier: GPL-3.0-or-later
// One thread: it waits for commands for a few hundredths of a second, then looks what the journal
// has. What it is told wrongly it answers with an error, and goes on.
#include "engine/session/elsewhere/serve.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include "engine/base/base64.h"
#include "engine/io/files.h"
#include "engine/runs/elsewhere/child.h"
#include "engine/runs/elsewhere/journal.h"
#include "engine/runs/elsewhere/run_post.h"
#include "engine/runs/run_folder.h"
#include "engine/session/machine_words.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr int kTurnMilliseconds = 30;
constexpr std::size_t kMostFiles = 10'000;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

ServeHello hello() {
  ServeHello hello;
  hello.version = luthier_version();
  hello.host = host_name();
  hello.process = ::getpid();
  const MachineWords words = machine_words();
  hello.devices = {words.card.empty() ? "cpu" : words.card};
  return hello;
}

/// A run's files but its checkpoints, which stay where they are, and what is being written.
Json run_files(const fs::path& folder) {
  Json files = Json::array();
  std::error_code problem;
  fs::recursive_directory_iterator walk(folder, problem);
  for (const fs::recursive_directory_iterator end; !problem && walk != end;
       walk.increment(problem)) {
    const std::string name = walk->path().filename().string();
    std::error_code ignored;
    if (name == "checkpoints" || name.starts_with(".")) {
      walk.disable_recursion_pending();
      continue;
    }
    if (!walk->is_regular_file(ignored) || files.size() >= kMostFiles) continue;
    files.push_back({{"name", walk->path().lexically_relative(folder).generic_string()},
                     {"bytes", walk->file_size(ignored)}});
  }
  return files;
}

class Relay {
 public:
  Relay(int in, int out, const std::stop_token& stop)
      : in_(in), out_(out), stop_(stop), lines_(kLongestCommand, "the command") {}

  Status run() {
    if (!say(json_line(to_json(hello())))) return {};
    while (!stop_.stop_requested()) {
      pollfd waited{in_, POLLIN, 0};
      if (::poll(&waited, 1, kTurnMilliseconds) > 0) {
        char piece[65536];
        const ssize_t got = ::read(in_, piece, sizeof piece);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return {};
        if (got > 0) lines_.add({piece, static_cast<std::size_t>(got)});
        while (const auto line = lines_.next()) {
          command_.clear();
          const Status done = *line ? obey(**line) : Status(line->error());
          if (gone_) return {};
          if (!done && !say(error_line(done.error(), command_))) return {};
        }
      }
      if (started_ > 0 && ::waitpid(started_, nullptr, WNOHANG) != 0) started_ = 0;
      if (const Status told = tell_events(); !told) {
        if (gone_) return {};
        post_.reset();
        if (!say(error_line(told.error(), "attach"))) return {};
      }
    }
    return {};
  }

 private:
  Status say(const std::string& line) {
    const std::string text = line + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t put = ::write(out_, text.data() + sent, text.size() - sent);
      if (put > 0) sent += static_cast<std::size_t>(put);
      if (put < 0 && errno == EAGAIN) {
        pollfd room{out_, POLLOUT, 0};
        ::poll(&room, 1, -1);
      } else if (put < 0 && errno != EINTR) {
        gone_ = true;
        return system_error("The client does not read any more", "serve", errno);
      }
    }
    return {};
  }

  Status obey(const std::string& line) {
    LUTHIER_TRY(const ServeOrder order, read_order(line));
    command_ = session_command(order);
    return std::visit([this](const auto& each) { return carry_out(each); }, order);
  }

  Status carry_out(const LaunchOrder& asked) {
    LUTHIER_TRY(const RunPost post, post_of(asked.run));
    if (!post.exists()) {
      LaunchOrder order = asked;
      std::error_code problem;
      order.folder = fs::absolute(order.folder.empty() ? "." : order.folder, problem);
      if (!fs::is_directory(order.folder, problem))
        return input_error("This folder is not there.", order.folder.string(),
                           "Name one of " + host_name() + ".");
      LUTHIER_CHECK(output_of(order));
      sweep_posts();
      const auto lock = make_post(post, order);
      if (!lock && !post.exists()) return lock.error();
      if (lock) LUTHIER_CHECK(start(post, *lock));  // else another start of it was the first one
    }
    return attach(post, 0);
  }

  Status start(const RunPost& post, const Descriptor& lock) {
    std::error_code unknown;
    const fs::path own = fs::read_symlink("/proc/self/exe", unknown);
    LUTHIER_TRY(started_,
                start_detached({own.string(), "serve", "--run", post.run}, post.log(), lock));
    return {};
  }

  Status carry_out(const AttachOrder& order) {
    LUTHIER_TRY(const RunPost post, post_of(order.run));
    if (!post.exists())
      return input_error("There is no such run here.", order.run,
                         "It ended long ago, or was begun on another machine.");
    return attach(post, order.after);
  }

  Status attach(const RunPost& post, std::uint64_t after) {
    LUTHIER_TRY(const LaunchOrder order, read_post_order(post));
    LUTHIER_TRY(output_, output_of(order));
    post_ = post;
    reader_.emplace(post.journal(), after);
    ended_ = closed_ = false;
    return say(json_line({{"attached", post.run},
                          {"after", after},
                          {"running", post.is_held()},
                          {"output", output_.string()}}));
  }

  Status carry_out(const ListOrder&) {
    Json runs = Json::array();
    for (const PostedRun& run : list_posts()) runs.push_back(to_json(run));
    return say(json_line({{"runs", std::move(runs)}}));
  }

  Status need_run() const {
    if (post_) return {};
    return input_error("No run is attached.", "the command", "Launch one, or attach to one.");
  }

  Status carry_out(const FilesOrder&) {
    LUTHIER_CHECK(need_run());
    return say(json_line({{"files", run_files(output_)}}));
  }

  Status carry_out(const FetchOrder& order) {
    LUTHIER_CHECK(need_run());
    LUTHIER_TRY(const fs::path path, resolve_inside(output_, order.file));
    LUTHIER_TRY(const Descriptor file, open_for_reading(path));
    struct stat about {};
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode))
      return input_error("This is no file that can be fetched.", path.string());
    std::string bytes(kFetchedPiece, '\0');
    const ssize_t got =
        ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(order.from));
    if (got < 0) return system_error("This file cannot be read", path, errno);
    bytes.resize(static_cast<std::size_t>(got));
    return say(json_line({{"file", order.file},
                          {"from", order.from},
                          {"bytes", about.st_size},
                          {"data", encode_base64(std::as_bytes(std::span(bytes)))}}));
  }

  Status carry_out(const RunCommand& order) {
    LUTHIER_CHECK(need_run());
    if (!post_->is_held())
      return input_error("The run has ended.", "the command: " + order.command);
    LUTHIER_CHECK(send_to_post(*post_, order_line(order)));
    return say(json_line({{"passed", command_}, {"request", order.request}}));
  }

  /// What the journal has anew; where the process is gone without an end, that is written first.
  Status tell_events() {
    if (!post_ || ended_) return {};
    const bool held = post_->is_held();  // before reading: what it wrote last is read then
    LUTHIER_TRY(const auto lines, reader_->read_on());
    for (const std::string& line : lines) {
      LUTHIER_CHECK(say(line));
      ended_ = ended_ || is_end(line);
    }
    if (ended_ || held) return {};
    LUTHIER_CHECK(close_journal(*post_));
    ended_ = lines.empty() && std::exchange(closed_, true);  // the client has it all
    return {};
  }

  static bool is_end(const std::string& line) {
    if (line.find("\"run_ended\"") == std::string::npos) return false;
    const auto event = parse_json(line, "journal");
    return event && event->contains("event") && (*event)["event"] == "run_ended";
  }

  const int in_, out_;
  const std::stop_token stop_;
  LineBuffer lines_;
  std::string command_;  ///< that is being carried out
  std::optional<RunPost> post_;
  std::optional<JournalReader> reader_;
  fs::path output_;
  pid_t started_ = 0;
  bool ended_ = false, closed_ = false, gone_ = false;
};

}  // namespace

Status serve(int in, int out, const std::stop_token& stop) {
  std::signal(SIGPIPE, SIG_IGN);  // a line that is cut is an error of the write
  return Relay(in, out, stop).run();
}

}  // namespace luthier
