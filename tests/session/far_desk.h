// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of runs elsewhere share: posts in a folder of the test's own, the processes behind
// them, and what must come out of a run that somebody disturbed.
#pragma once

#include "engine/device/torch.h"

#include <ATen/Parallel.h>

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/runs/run_folder.h"
#include "engine/session/elsewhere/event_text.h"
#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/patience.h"
#include "tests/session/held_run.h"
#include "tests/train/tiny_run.h"

namespace luthier::test {

/// Another program in the place of luthier-cli for as long as this lives. What LUTHIER_CLI names is
/// a link, because the environment of a process with threads cannot be changed.
class InPlaceOfCli {
 public:
  explicit InPlaceOfCli(const fs::path& program) { lead_to(program); }
  ~InPlaceOfCli() { lead_to(LUTHIER_BINARY_DIR "/bin/luthier-cli"); }
  InPlaceOfCli(const InPlaceOfCli&) = delete;
  InPlaceOfCli& operator=(const InPlaceOfCli&) = delete;

  static void lead_to(const fs::path& program) {
    const fs::path link = std::getenv("LUTHIER_CLI"), fresh = link.string() + ".new";
    fs::create_symlink(program, fresh);
    fs::rename(fresh, link);
  }
};

/// Before the first tensor: all processes make their sums alike.
inline void set_far_environment(const fs::path& state) {
  qputenv("XDG_STATE_HOME", state.c_str());
  qputenv("LUTHIER_CLI", (state / "luthier-cli").c_str());
  InPlaceOfCli::lead_to(LUTHIER_BINARY_DIR "/bin/luthier-cli");
  qputenv("LUTHIER_PRODUCTS", "onednn");
  qputenv("OMP_NUM_THREADS", "1");
  at::set_num_threads(1);  // this process has read the variable already
}

/// Processes whose words are these, one behind the other ("serve --run X").
inline std::vector<pid_t> processes(const std::vector<std::string>& words, bool at_end = true) {
  std::string wanted;
  for (const std::string& word : words) wanted += '\0' + word;
  wanted += '\0';
  std::vector<pid_t> found;
  std::error_code problem;
  fs::directory_iterator walk("/proc", problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    const std::string name = walk->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(walk->path() / "cmdline", std::ios::binary);
    const std::string line((std::istreambuf_iterator<char>(file)), {});
    const auto at = line.find(wanted);
    if (at == std::string::npos || (at_end && at + wanted.size() != line.size())) continue;
    found.push_back(static_cast<pid_t>(std::atoi(name.c_str())));
  }
  return found;
}

inline pid_t parent_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto name_end = text.rfind(')');
  return name_end == std::string::npos ? 0 : std::atoi(text.c_str() + name_end + 4);
}

/// The relays that this process has started, and the process of a run.
inline std::vector<pid_t> own_relays() {
  std::vector<pid_t> own;
  for (const pid_t each : processes({"serve"}))
    if (parent_of(each) == ::getpid()) own.push_back(each);
  return own;
}
inline std::vector<pid_t> hosts_of(const std::string& run) {
  return processes({"serve", "--run", run});
}
inline bool kill_all(const std::vector<pid_t>& all) {
  for (const pid_t each : all)
    if (::kill(each, SIGKILL) != 0) return false;
  return !all.empty();
}

/// A session that a test drives, and its events in their order: what comes between two waits is
/// looked at by the second one.
class Driven {
 public:
  Session session;

  /// The next event of that kind for which `is` holds. Null: the run ended before it came, or a
  /// hang.
  template <class Event>
  const Event* next(const std::function<bool(const Event&)>& is = {}) {
    for (const Patience patience; !patience.is_over(); take()) {
      while (at_ < events_.size()) {
        const SessionEvent& each = events_[at_++];
        const auto* event = std::get_if<Event>(&each);
        if (event && (!is || is(*event))) return event;
        if (std::holds_alternative<RunEnded>(each)) return nullptr;
      }
    }
    return nullptr;
  }
  const StateChanged* next_state(SessionState state) {
    return next<StateChanged>([=](const StateChanged& event) { return event.state == state; });
  }
  const StepDone* next_step(std::int64_t step) {
    return next<StepDone>([=](const StepDone& event) { return event.line.step == step; });
  }
  const LineChanged* next_line(bool stands) {
    return next<LineChanged>([=](const LineChanged& event) { return !event.why == stands; });
  }
  const RequestDone* next_done(RequestId request) {
    return next<RequestDone>([=](const RequestDone& event) { return event.request == request; });
  }
  const CommandFailed* next_failed(const std::string& command) {
    return next<CommandFailed>(
        [=](const CommandFailed& event) { return event.command == command; });
  }
  /// The run's end in that state, after which the session is at rest.
  const RunEnded* ends_as(const std::string& state) {
    const auto* end = next<RunEnded>();
    const bool rests = wait_for([this] { return !session.has_run(); });
    return end && rests && end->state == state ? end : nullptr;
  }

  template <class Event>
  std::vector<Event> all() const {
    std::vector<Event> found;
    for (const SessionEvent& each : events_)
      if (const auto* event = std::get_if<Event>(&each)) found.push_back(*event);
    return found;
  }
  /// What came last, for a test that misses something.
  const char* said() {
    said_ = "what came last:";
    for (std::size_t i = events_.size() > 12 ? events_.size() - 12 : 0; i < events_.size(); ++i) {
      const auto json = event_to_json(events_[i]);
      const auto* line = std::get_if<LineChanged>(&events_[i]);
      said_ += "\n" + (json        ? json->dump(-1, ' ', true, Json::error_handler_t::replace)
                       : !line     ? "event " + std::to_string(events_[i].index())
                       : line->why ? "line: " + line->why->sentence()
                                   : "line stands")
                          .substr(0, 400);
    }
    return said_.c_str();
  }
  /// Another run comes.
  void forget() {
    take();
    events_.clear();
    at_ = 0;
  }

 private:
  void take() {
    session.wait(0.2);
    for (SessionEvent& event : session.drain()) events_.push_back(std::move(event));
  }

  std::deque<SessionEvent> events_;
  std::size_t at_ = 0;  ///< up to which they have been looked at
  std::string said_;
};

/// What differs between the steps that were told and those that the run wrote; empty: nothing, so
/// none was missed and none told twice.
inline QString untold(const Driven& driven, const fs::path& run) {
  const auto folder = RunFolder::open(run);
  if (!folder) return QString::fromStdString(folder.error().sentence());
  std::vector<std::string> told, written;
  for (const StepDone& each : driven.all<StepDone>()) told.push_back(to_json(each.line).dump());
  for (const MetricsLine& each : folder->read_metrics()) written.push_back(to_json(each).dump());
  if (told == written) return {};
  return QStringLiteral("%1 told, %2 written").arg(told.size()).arg(written.size());
}

/// Lines of the run's metrics.jsonl by now.
inline std::size_t lines_written(const fs::path& run) {
  std::ifstream file(run / "metrics.jsonl");
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n'));
}

/// What "key=value" says, of settings over a tiny run's.
inline std::vector<std::string> held_settings(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all;
  for (const auto& [key, value] : HeldRun::settings()) all.push_back(key + "=" + value);
  all.insert(all.end(), {"training.max_steps=12", "training.save_steps=4"});
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

inline ElsewhereOrder order_of(const Recipe& recipe) { return {recipe_to_yaml(recipe)}; }
inline ElsewhereOrder order_of(const Recipe& recipe, const HeldRun& held,
                               const fs::path& resume = {}) {
  return {recipe_to_yaml(recipe), resume, held.program()};
}

inline Sample far_question() {
  Sample sample;
  sample.conversation.messages.push_back(
      {"user", {ContentPart::of_image(fixture() / "a.png"), ContentPart::of_text("What is it?")}});
  sample.where = "test";
  return sample;
}

}  // namespace luthier::test

/// What a Driven waits for has come.
#define SEES(driven, awaited) QVERIFY2((driven).awaited, (driven).said())
