// SPDX-License-Identifier: GPL-3.0-or-later
// The pretended device's recorder. What a recording holds is what a card's graph holds: addresses
// and host numbers as they were, and nothing that keeps what lies there. A replay calls the same
// operators with tensors at the same addresses, and puts what they make where the recorded ones
// lay. As on a card, writing work down does none of it, and its memory comes from a pool of its
// own.
#pragma once

#include <functional>
#include <string>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "engine/device/graph.h"

namespace luthier::pretend {

GraphRecorder* recorder();

/// This thread's work is being recorded, or comes from a recording.
bool is_recording();
bool is_replaying();
/// Is done again at each replay of what is being recorded.
void note(std::function<void()> again);
/// Does it now, and at each replay where it is being recorded: `work` keeps no tensor (arena.h,
/// unowned).
template <class Work>
void do_and_note(const Work& work) {
  work();
  if (is_recording()) note(work);
}
/// An error while work is recorded: a card's graph cannot hold `what`.
void refuse_while_recording(const std::string& what);

/// Runs an operator, noted with its arguments and where its results lie.
void run_and_note(const c10::OperatorHandle& op, torch::jit::Stack* stack,
                  void (*run)(const c10::OperatorHandle&, torch::jit::Stack*));

}  // namespace luthier::pretend
