// SPDX-License-Identifier: GPL-3.0-or-later
// Until the run may have begun there, a failure is its end; from then on it is a line that was cut,
// and the next one is tried for as long as the session wants the run.
#include "engine/session/elsewhere/far_line.h"

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

constexpr int kLookMilliseconds = 500;
constexpr auto kHelloPatience = std::chrono::seconds(120);
constexpr std::array kWaits{1, 2, 5, 10, 20, 30};  // seconds before the next line is tried

}  // namespace

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

}  // namespace luthier
