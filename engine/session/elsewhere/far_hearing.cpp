// SPDX-License-Identifier: GPL-3.0-or-later
// What a run elsewhere says over its line, and what of it the session is told.
#include <unistd.h>

#include <chrono>

#include "engine/base/log.h"
#include "engine/runs/elsewhere/followed_files.h"
#include "engine/runs/run_records.h"
#include "engine/session/elsewhere/event_text.h"
#include "engine/session/elsewhere/far_line.h"

namespace luthier {

namespace {

constexpr int kRoomMicroseconds = 10'000;
constexpr auto kFilesEvery = std::chrono::seconds(1);

bool is_state_of_run(SessionState state) {
  return state != SessionState::Empty && state != SessionState::Ready;
}

}  // namespace

/// The run's files first: what is told of a run may be looked up in them.
void FarRun::follow(Line& line) {
  while (!ended_) {
    if (files_->is_at_rest() && !end_ &&
        std::chrono::steady_clock::now() - line.files_asked > kFilesEvery) {
      files_->start_round(/*all=*/false);
      line.files_asked = std::chrono::steady_clock::now();
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
    const std::filesystem::path within =
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
