// SPDX-License-Identifier: GPL-3.0-or-later
// What a session asks of the run in hand, wherever that is: in this process (a TrainControl that
// the trainer looks at) or elsewhere (elsewhere/far_run.h). No LibTorch.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "engine/session/session.h"
#include "engine/train/control.h"

namespace luthier {

class RunControls {
 public:
  virtual ~RunControls() = default;
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual void stop(StopKind kind) = 0;
  virtual void save_now() = 0;
  virtual void edit(const std::string& setting, double value) = 0;
  /// Something waits for the time between two steps.
  virtual void wake() {}
};

/// Of a run in this process: the state that follows is known at once.
class OwnRun : public RunControls {
 public:
  explicit OwnRun(std::function<void(SessionState)> set_state) : set_state_(std::move(set_state)) {}
  void pause() override {
    set_state_(SessionState::Pausing);
    control.pause();
  }
  void resume() override { control.resume(); }
  void stop(StopKind kind) override {
    set_state_(SessionState::Stopping);
    control.stop(kind == StopKind::Save);
  }
  void save_now() override { control.save_now(); }
  void edit(const std::string& setting, double value) override { control.edit(setting, value); }
  void wake() override { control.wake(); }

  TrainControl control;

 private:
  std::function<void(SessionState)> set_state_;
};

}  // namespace luthier
