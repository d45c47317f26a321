// SPDX-License-Identifier: GPL-3.0-or-later
// Until the run may have begun there, a failure is its end; from then on it is a line that was cut,
// and the next one is tried for as long as the session wants the run.
#include "engine/session/elsewhere/far_run.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/runs/elsewhere/child.h"
#include "engine/runs/elsewhere/followed_files.h"
#include "engine/runs/run_records.h"
#include "engine/session/elsewhere/event_text.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLookMilliseconds = 500, kRoomMicroseconds = 10'000;
constexpr auto kHelloPatience = std::chrono::seconds(120);
constexpr auto kFilesEvery = std::chrono::seconds(1);
constexpr std::array kWaits{1, 2, 5, 10, 20, 30};  // seconds before the next line is tried
constexpr int kNotFound = 127, kSshFailed = 255;   // exit statuses of a shell, and of ssh

std::string machine_of(const RunPlace& place) {
  return place.host.empty() ? "this machine" : place.host;
}

std::vector<std::string> serve_words(const RunPlace& place) {
  if (place.host.empty()) return {command_line_program().string(), "serve"};
  // No password can be typed here, no port and no agent is handed on, whatever ssh's own settings
  // say; a line that is dead is found to be within a minute.
  return {"ssh",         "-T",
          "-a",          "-x",
          "-o",          "BatchMode=yes",
          "-o",          "ClearAllForwardings=yes",
          "-o",          "ConnectTimeout=20",
          "-o",          "ServerAliveInterval=15",
          "-o",          "ServerAliveCountMax=4",
          "--",          place.host,
          "luthier-cli", "serve"};
}

/// Why there is no line, or no more, by how its program ended and what that said last.
Error cut_error(const RunPlace& place, int status, const std::string& said) {
  const auto says = [&](const char* words) { return said.find(words) != std::string::npos; };
  const std::string where = machine_of(place);
  if (place.host.empty())
    return machine_error("luthier-cli serve has ended." + (said.empty() ? "" : " It said: " + said),
                         where);
  if (status == kNotFound)
    return input_error(
        "There is no luthier-cli on that machine.", where,
        "Install Luthier there, or put it where the PATH of `ssh " + where + "` finds it.");
  if (status == kSshFailed && says("Permission denied"))
    return input_error(
        "That machine lets nobody in without a password.", where,
        "Give it a key of yours (ssh-copy-id " + where + "), or load the key (ssh-add).");
  if (status == kSshFailed && says("Host key verification failed"))
    return input_error("That machine's key is not known here, or is not the one that was.", where,
                       "Connect once by hand: ssh " + where + ".");
  if (status == kSshFailed && says("Could not resolve"))
    return input_error("There is no machine of that name.", where,
                       "Use a name that `ssh` knows, of ~/.ssh/config or of the network.");
  return machine_error(
      "The line to that machine was cut." + (said.empty() ? std::string() : " ssh said: " + said),
      where);
}

bool is_state_of_run(SessionState state) {
  return state != SessionState::Empty && state != SessionState::Ready;
}

}  // namespace

struct FarRun::Line {
  explicit Line(TalkingChild given) : child(std::move(given)) {}

  TalkingChild child;
  LineBuffer said{kLongestSaying, "serve"};
  std::string out;
  bool greeted = false;
  Clock::time_point begun = Clock::now(), files_asked{};
};

Status check_host(const std::string& host) {
  // A ProxyCommand of ssh's settings hands the name to a shell; behind "@" it may be an option.
  static const std::string shells = "'`\"$\\;&<>|(){}*?!#~";
  const auto odd = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 127 || shells.find(c) != std::string::npos;
  };
  if (host.empty() || host[0] == '-' || host.find("@-") != std::string::npos ||
      std::any_of(host.begin(), host.end(), odd))
    return input_error("This is no name of a machine.", host,
                       "Write it as for ssh: name, user@name, or a Host of ~/.ssh/config.");
  return {};
}

FarRun::FarRun(RunPlace place, std::string run, std::optional<ElsewhereOrder> order, Host host)
    : place_(std::move(place)),
      run_(std::move(run)),
      client_(new_run_name()),
      order_(std::move(order)),
      host_(std::move(host)),
      wakes_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!place_.host.empty() && !place_.mirror.empty())
    files_ = std::make_unique<FollowedFiles>(place_.mirror);
  known_ = !order_;
}

void FarRun::begin() {
  const std::lock_guard once(ending_);
  if (leaving_ != Leaving::Quiet) thread_ = std::thread([this] { loop(); });
}

FarRun::~FarRun() { hang_up(); }

void FarRun::hang_up() {
  leave_as(Leaving::Quiet);
  const std::lock_guard once(ending_);
  if (thread_.joinable()) thread_.join();
}

void FarRun::leave() { leave_as(Leaving::Told); }

void FarRun::leave_as(Leaving how) {
  leaving_ = how;
  (void)::eventfd_write(wakes_.get(), 1);
}

void FarRun::stop(StopKind kind) {
  RunCommand order;
  order.command = "stop";
  order.discard = kind == StopKind::Discard;
  send(std::move(order));
}

void FarRun::edit(const std::string& setting, double value) {
  RunCommand order;
  order.command = "edit";
  order.setting = setting;
  order.value = value;
  send(std::move(order));
}

void FarRun::answer(const AnswerRequest& request, RequestId id,
                    const std::function<bool()>& cancelled) try {
  if (cancelled()) return host_.tell(RequestDone{id, std::nullopt, true});
  auto asked = answer_to_json(request, /*inlined=*/!place_.host.empty());
  if (cancelled()) return host_.tell(RequestDone{id, std::nullopt, true});
  if (!asked) return host_.tell(RequestDone{id, asked.error(), false});
  RunCommand order;
  order.command = "answer";
  order.request = id;
  order.asked = asked.take();
  if (pass_on(std::move(order), id)) {
    if (cancelled()) cancel(id);  // since it was looked
    return;
  }
  host_.tell(RequestDone{id,
                         machine_error("The line to the run is cut.", machine_of(place_),
                                       "It is tried again; ask then."),
                         false});
} catch (const std::exception& problem) {  // memory, for pictures that go along
  {
    const std::lock_guard lock(mutex_);
    asked_.erase(id);
  }
  host_.tell(RequestDone{id, machine_error(first_line(problem.what()), machine_of(place_)), false});
}

bool FarRun::cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    if (!asked_.contains(id)) return false;
  }
  RunCommand order;
  order.command = "cancel";
  order.request = id;
  send(std::move(order));
  return true;
}

void FarRun::send(const std::string& command) {
  RunCommand order;
  order.command = command;
  send(std::move(order));
}

void FarRun::send(RunCommand order) {
  const std::string command = session_command(order);
  if (pass_on(std::move(order))) return;
  host_.tell(CommandFailed{command, machine_error("The line to the run is cut.", machine_of(place_),
                                                  "The run goes on; this was not passed on.")});
}

bool FarRun::pass_on(RunCommand order, RequestId id) {
  order.client = client_;
  const std::lock_guard lock(mutex_);
  if (!line_stands_ && has_stood_) return false;
  if (id) asked_.insert(id);
  to_send_.push_back(order_line(order));
  unconfirmed_.push_back({session_command(order), order.request});
  (void)::eventfd_write(wakes_.get(), 1);
  return true;
}

std::optional<FarRun::Unconfirmed> FarRun::take_confirmed(const std::string& command) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(
      unconfirmed_.begin(), unconfirmed_.end(),
      [&](const Unconfirmed& each) { return command.empty() || each.command == command; });
  if (found == unconfirmed_.end()) return std::nullopt;
  Unconfirmed order = std::move(*found);
  unconfirmed_.erase(found);
  return order;
}

void FarRun::tell_failed(const Unconfirmed& order, const Error& error) {
  if (order.command != "answer") return host_.tell(CommandFailed{order.command, error});
  {
    const std::lock_guard lock(mutex_);
    if (asked_.erase(order.request) == 0) return;
  }
  host_.tell(RequestDone{order.request, error, false});
}

void FarRun::loop() {
  while (leaving_ == Leaving::No && !ended_) {
    const Error error = hold_line();
    std::deque<Unconfirmed> lost;
    {
      const std::lock_guard lock(mutex_);
      line_stands_ = false;
      if (has_stood_) {  // else nothing of it was sent, and it waits on
        to_send_.clear();
        lost.swap(unconfirmed_);
      }
    }
    attached_ = false;
    if (ended_ || leaving_ != Leaving::No) break;
    if (!known_) {
      end_by(error);
      break;
    }
    set_line(false, error);
    for (const Unconfirmed& order : lost)
      tell_failed(order, machine_error("The line was cut before this was confirmed.",
                                       machine_of(place_), "Ask again once the line stands."));
    wait_before_next();
  }
  if (ended_ || leaving_ != Leaving::Told) return;
  if (known_)
    return tell_end(
        {files_ ? files_->folder() : folder_, run_state_name(RunState::Running), {}, 0});
  end_by(machine_error("The run was left before it could begin there.", machine_of(place_),
                       "Launch it again."));
}

void FarRun::wait_before_next() {
  const auto until =
      Clock::now() + std::chrono::seconds(kWaits[std::min(tries_++, kWaits.size() - 1)]);
  while (leaving_ == Leaving::No && Clock::now() < until) {
    pollfd waited{wakes_.get(), POLLIN, 0};
    ::poll(&waited, 1, kLookMilliseconds);
    eventfd_t ignored = 0;
    (void)::eventfd_read(wakes_.get(), &ignored);
  }
}

/// Said once when it is cut, and once when it stands again.
void FarRun::set_line(bool stands, const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    line_stands_ = stands;
    has_stood_ = has_stood_ || stands;
  }
  if (stands) tries_ = 0;
  if (stands != told_cut_) return;
  told_cut_ = !stands;
  host_.tell(LineChanged{place_, stands ? std::nullopt : std::optional(why)});
}

Error FarRun::hold_line() try {
  auto started = TalkingChild::start(serve_words(place_));
  if (!started) return started.error();
  Line line(started.take());
  if (files_) {
    files_->begin_anew();
    if (end_) files_->start_round(/*all=*/true);
  }
  while (leaving_ == Leaving::No && !ended_) {
    if (attached_) {
      const std::lock_guard lock(mutex_);
      for (const std::string& each : to_send_) line.out += each + "\n";
      to_send_.clear();
    }
    if (files_ && attached_) follow(line);
    if (ended_) break;
    std::array<pollfd, 3> waited{
        {{line.child.stream(), static_cast<short>(POLLIN | (line.out.empty() ? 0 : POLLOUT)), 0},
         {line.child.errors(), POLLIN, 0},
         {wakes_.get(), POLLIN, 0}}};
    ::poll(waited.data(), waited.size(), kLookMilliseconds);
    eventfd_t ignored = 0;
    (void)::eventfd_read(wakes_.get(), &ignored);
    if (waited[1].revents & POLLIN) line.child.read_errors();
    if ((waited[0].revents & POLLOUT) && !line.out.empty()) {
      const ssize_t put = ::send(line.child.stream(), line.out.data(), line.out.size(),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put > 0) line.out.erase(0, static_cast<std::size_t>(put));
    }
    if (waited[0].revents & (POLLIN | POLLHUP | POLLERR)) {
      char piece[65536];
      const ssize_t got = ::recv(line.child.stream(), piece, sizeof piece, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        const int status = line.child.finish();
        return cut_error(place_, status, line.child.last_error());
      }
      if (got > 0) line.said.add({piece, static_cast<std::size_t>(got)});
      while (!ended_) {
        const auto said = line.said.next();
        if (!said) break;
        if (!*said) {
          log_warning(said->error().sentence());
          continue;
        }
        if (const Status heard = hear(line, **said); !heard) return heard.error();
      }
    }
    if (!line.greeted && Clock::now() - line.begun > kHelloPatience)
      return machine_error("luthier-cli serve does not answer.", machine_of(place_));
  }
  return interrupted_error();
} catch (const std::exception& problem) {
  return machine_error(first_line(problem.what()), machine_of(place_));
}

/// The run's files first: what is told of a run may be looked up in them.
void FarRun::follow(Line& line) {
  while (!ended_) {
    if (files_->is_at_rest() && !end_ && Clock::now() - line.files_asked > kFilesEvery) {
      files_->start_round(/*all=*/false);
      line.files_asked = Clock::now();
    }
    if (const auto order = files_->next()) line.out += order_line(*order) + "\n";
    if (!files_->is_at_rest()) return;
    if (end_) return tell_end(*std::exchange(end_, std::nullopt));
    if (held_.empty()) return;
    const Json event = std::move(held_.front());
    held_.pop_front();
    take_event(event);
  }
}

Status FarRun::greet(Line& line, const Json& said) {
  const std::string where = machine_of(place_);
  LUTHIER_TRY(const ServeHello hello, hello_from_json(said, where));
  if (hello.protocol != kServeProtocol || hello.version != luthier_version())
    return input_error("Luthier is " + hello.version + " there and " + luthier_version() +
                           " here, and a run elsewhere needs the same.",
                       where, "Install the same version on both.");
  line.greeted = true;
  if (order_ && last_ == 0) {
    LaunchOrder order;
    order.run = run_;
    order.recipe = order_->recipe;
    order.folder = place_.folder;
    order.resume = order_->resume_run;
    order.reward_program = order_->reward_program;
    order.held_out_answers = order_->held_out_answers;
    line.out += order_line(order) + "\n";
    known_ = true;  // the order may arrive and the answer not
  } else {
    line.out += order_line(AttachOrder{run_, last_}) + "\n";
  }
  return {};
}

Status FarRun::hear(Line& line, const std::string& said) {
  JsonLimits limits;
  limits.max_bytes = kLongestSaying;
  const auto json = parse_json(said, machine_of(place_), limits);
  if (!line.greeted) {
    // A login script may talk first.
    if (!json || !json->is_object() || !json->contains("hello")) return {};
    return greet(line, *json);
  }
  if (!json || !json->is_object()) {
    log_warning(json ? "A line of serve is no object." : json.error().sentence());
    return {};
  }
  if (json->contains("event")) {
    if (files_ && (!held_.empty() || last_ == 0 || !files_->is_at_rest()))
      held_.push_back(*json);
    else
      take_event(*json);
    return {};
  }
  if (json->contains("attached")) {
    attached_ = true;
    if (auto output = json_string(*json, "output", "serve", std::string())) folder_ = *output;
    if (files_)
      if (const Status noted =
              write_mirrored(files_->folder(), {place_.host, place_.folder, folder_, run_});
          !noted)
        log_warning(noted.error().sentence());
    set_line(true);
    return {};
  }
  if (json->contains("files") || json->contains("file")) {
    if (files_)
      if (const Status kept = files_->take(*json); !kept) tell_unkept(kept.error());
    return {};
  }
  if (json->contains("error")) {
    const Error error = error_from_json((*json)["error"]);
    const std::string command = json_string(*json, "command", "serve", std::string()).ok()
                                    ? *json_string(*json, "command", "serve", std::string())
                                    : std::string();
    if (command == "attach" && has_stood_) return error;  // as a line that was cut
    if (command == "launch" || command == "attach") {
      end_by(error);
      return interrupted_error();
    }
    if (command == "files" || command == "fetch") {
      if (files_) files_->take_refusal();
      // While it goes on a file may be gone meanwhile; of what it has left, none should be.
      if (files_ && end_) tell_unkept(error);
      return {};
    }
    tell_failed(take_confirmed(command).value_or(Unconfirmed{command, 0}), error);
    return {};
  }
  if (json->contains("passed"))
    if (const auto command = json_string(*json, "passed", "serve"); command.ok())
      (void)take_confirmed(*command);
  return {};
}

void FarRun::take_event(const Json& json) {
  while (!host_.has_room() && leaving_ == Leaving::No) ::usleep(kRoomMicroseconds);
  const std::string where = "an event of " + machine_of(place_);
  const auto number = json_int(json, "n", where, 0);
  if (!number || *number <= 0 || static_cast<std::uint64_t>(*number) <= last_) return;
  last_ = static_cast<std::uint64_t>(*number);
  const auto client = json.find("client");
  if (client != json.end() && *client != client_) return;  // another window's answer
  if (const auto name = json.find("event"); name != json.end() && *name == "begun")
    return take_version(json);
  auto event = event_from_line(json, where);
  if (!event) return log_warning(event.error().sentence());
  if (!*event) return;
  if (auto* end = std::get_if<RunEnded>(&**event)) {
    if (!files_) return tell_end(std::move(*end));
    end_ = std::move(*end);
    files_->start_round(/*all=*/true);
    return;
  }
  tell(std::move(**event));
}

/// serve is of this version, but the run's process may have begun before that was installed.
void FarRun::take_version(const Json& begun) {
  const auto version = json_string(begun, "version", "begun", std::string());
  if (!version || *version == luthier_version()) return;
  host_.tell(CommandFailed{
      "attach",
      input_error("This run was begun by Luthier " + *version + ", and here is " +
                      luthier_version() + ": some of what one says the other may not know.",
                  machine_of(place_), "Let it come to its end, or stop it and resume it.")});
}

void FarRun::tell(SessionEvent event) {
  if (const auto* state = std::get_if<StateChanged>(&event);
      state && !is_state_of_run(state->state))
    return;
  if (auto* started = std::get_if<RunStarted>(&event); started && files_) {
    const fs::path within =
        started->folder.lexically_normal().lexically_relative(folder_.lexically_normal());
    const bool inside = !within.empty() && *within.begin() != "..";
    started->folder = inside && within != "." ? files_->folder() / within : files_->folder();
  }
  if (auto* stage = std::get_if<StageBegan>(&event); stage && files_)
    stage->folder = files_->folder();
  if (const auto* done = std::get_if<RequestDone>(&event)) {
    // One that was told as lost with the line has its end already.
    const std::lock_guard lock(mutex_);
    if (asked_.erase(done->request) == 0) return;
  }
  host_.tell(std::move(event));
}

void FarRun::tell_end(RunEnded end) {
  ended_ = true;
  std::set<RequestId> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(asked_);
    line_stands_ = false;
  }
  for (const RequestId request : left) host_.tell(RequestDone{request, std::nullopt, true});
  if (files_) end.folder = files_->folder();
  if (std::exchange(told_cut_, false)) host_.tell(LineChanged{place_, std::nullopt});
  host_.tell(std::move(end));
}

/// While the run goes on, the next round asks again.
void FarRun::tell_unkept(const Error& error) {
  log_warning(error.sentence());
  if (end_ && !std::exchange(told_unkept_, true)) host_.tell(CommandFailed{"fetch", error});
}

void FarRun::end_by(const Error& error) { tell_end({folder_, "failed", error, 0}); }

}  // namespace luthier
