// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of runs elsewhere share: posts in a folder of the test's own, the processes behind
// them, and what must come out of a run that somebody disturbed.
#pragma once

#include <QtTest>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/runs/run_folder.h"
#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

namespace luthier::test {

/// Before the first tensor: all processes make their sums alike.
inline void set_far_environment(const fs::path& state) {
  qputenv("XDG_STATE_HOME", state.c_str());
  qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
  qputenv("LUTHIER_PRODUCTS", "onednn");
  qputenv("OMP_NUM_THREADS", "1");
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

template <class Event>
std::vector<Event> all_of(const std::vector<SessionEvent>& events) {
  std::vector<Event> found;
  for (const SessionEvent& each : events)
    if (const auto* event = std::get_if<Event>(&each)) found.push_back(*event);
  return found;
}

inline bool is_end_of_run(const SessionEvent& event) {
  return std::holds_alternative<RunEnded>(event);
}
inline std::function<bool(const SessionEvent&)> step_from(std::int64_t step) {
  return [step](const SessionEvent& event) {
    const auto* done = std::get_if<StepDone>(&event);
    return done && done->line.step >= step;
  };
}

/// What differs between the steps that were told and those that the run wrote; empty: nothing, so
/// none was missed and none told twice.
inline QString untold(const std::vector<SessionEvent>& events, const fs::path& run) {
  std::vector<std::string> told, written;
  for (const StepDone& each : all_of<StepDone>(events)) told.push_back(to_json(each.line).dump());
  for (const MetricsLine& each : RunFolder::open(run)->read_metrics())
    written.push_back(to_json(each).dump());
  if (told == written) return {};
  return QStringLiteral("%1 told, %2 written").arg(told.size()).arg(written.size());
}

inline ElsewhereOrder order_of(const Recipe& recipe, const fs::path& resume = {}) {
  return {recipe_to_yaml(recipe), resume};
}

inline Sample far_question() {
  Sample sample;
  sample.conversation.messages.push_back(
      {"user", {ContentPart::of_image(fixture() / "a.png"), ContentPart::of_text("What is it?")}});
  sample.where = "test";
  return sample;
}

}  // namespace luthier::test
