// SPDX-License-Identifier: GPL-3.0-or-later
// Pauses and waits. The run's own clock stands still meanwhile.
#include "engine/train/interference.h"

#include "engine/base/log.h"

namespace luthier {

/// Runs `work` that may meet a full disk. With somebody there, the run pauses with the reason and
/// tries again when it is continued; else the error ends it.
Status Interference::with_room(const std::function<Status()>& work) {
  for (;;) {
    const Status status = work();
    if (status || !run_.options.interactive || status.error().code != ErrorCode::Machine)
      return status;
    const std::string reason = status.error().sentence();
    const double start = run_clock_.now();
    log_warning(reason);
    run_.note("paused", reason);
    run_.observer.on_phase(TrainPhase::Paused, reason);
    control_.pause();
    while (control_.paused() && !stopping()) {
      serve_host();
      control_.wait();
    }
    run_clock_.leave_out(start);
    if (stopping()) return status;
    run_.note("continued", "");
    run_.observer.on_phase(TrainPhase::Training, "");
  }
}

bool Interference::serve_host() {
  if (!run_.observer.has_work()) return false;
  const Clock::time_point start = Clock::now();
  const AveragesShown shown(*run_.optimizer);
  const bool used = run_.observer.between_steps();
  if (used) put_back();
  idle_seconds_ += seconds_since(start);
  return used;
}

/// The model as the next step wants it, after others have used it.
void Interference::put_back() {
  if (run_.trainables.adapter) run_.trainables.adapter->activate();
  run_.base.model->set_gradient_checkpointing(run_.options.gradient_checkpointing);
}

Result<std::map<std::string, double>> Interference::score_held_out() {
  const AveragesShown shown(*run_.optimizer);
  auto scores = run_.observer.score_held_out([this] { return !stopping(); });
  if (!scores || !scores->empty()) put_back();
  return scores;
}

Result<std::map<std::string, double>> Interference::score_probe() {
  const AveragesShown shown(*run_.optimizer);
  auto scores = run_.observer.score_probe([this] { return !stopping(); });
  if (!scores || !scores->empty()) put_back();
  return scores;
}

Result<std::string> Interference::answer_samples(bool first) {
  const AveragesShown shown(*run_.optimizer);
  auto lines = run_.observer.answer_samples(run_.state.step, first, [this] { return !stopping(); });
  if (!lines || !lines->empty()) put_back();
  return lines;
}

void Interference::edit(const std::string& setting, double value) {
  run_.note(setting, edit_detail(run_.setting(setting), value));
  run_.state.edited[setting] = value;
}

/// Changes that are made again come first: a person's word of now stands over what was said before,
/// also over what would have come later.
Status Interference::take_edits() {
  auto& waiting = run_.edits;
  bool edited = false;
  while (!waiting.empty() && waiting.front().edit.step <= run_.state.step) {
    const RunParts::Waiting due = std::move(waiting.front());
    waiting.pop_front();
    edited = true;
    if (!due.event) {
      edit(due.edit.setting, due.edit.value);
      continue;
    }
    run_.state.edited[due.edit.setting] = due.edit.value;
    run_.observer.on_event(*due.event);
  }
  for (const auto& [setting, value] : control_.take_edits()) {
    edited = true;
    const auto later = [name = setting](const RunParts::Waiting& each) {
      return each.edit.setting == name;
    };
    if (std::erase_if(waiting, later) > 0) {
      LUTHIER_CHECK(flush());
      LUTHIER_CHECK(with_room(
          [&, name = setting] { return run_.log->folder().forget_edits(name, run_.state.step); }));
    }
    edit(setting, value);
  }
  // At once: until its event is on the disk, a crash would forget what a person wanted.
  return edited ? flush() : Status();
}

/// Between steps: what was asked for.
Status Interference::between_steps(const std::function<Status()>& save) {
  serve_host();
  LUTHIER_CHECK(take_edits());
  if (control_.take_save()) LUTHIER_CHECK(save());
  if (!control_.paused() || stopping()) return {};
  const double start = run_clock_.now();
  run_.note("paused", "by hand");
  LUTHIER_CHECK(flush());
  run_.log->manifest().seconds = seconds();
  LUTHIER_CHECK(with_room([this] { return run_.log->write_state(RunState::Paused); }));
  run_.observer.on_phase(TrainPhase::Paused, "");
  while (control_.paused() && !stopping()) {
    serve_host();
    if (control_.take_save()) LUTHIER_CHECK(save());
    LUTHIER_CHECK(take_edits());
    if (control_.paused() && !stopping()) control_.wait();
  }
  run_clock_.leave_out(start);
  if (stopping()) return {};
  run_.note("continued", "");
  run_.observer.on_phase(TrainPhase::Training, "");
  return with_room([this] { return run_.log->write_state(RunState::Running); });
}

Status Interference::flush() {
  return with_room([this] { return run_.log->flush(); });
}

}  // namespace luthier
