// SPDX-License-Identifier: GPL-3.0-or-later
// What each state allows.
#include "engine/session/session.h"

namespace luthier {

bool can_load(SessionState state) {
  return state == SessionState::Empty || state == SessionState::Ready;
}
bool can_cancel_loading(SessionState state) { return state == SessionState::Loading; }
bool can_launch(SessionState state) {
  return state == SessionState::Empty || state == SessionState::Ready;
}
bool can_pause(SessionState state) { return state == SessionState::Training; }
bool can_resume(SessionState state) { return state == SessionState::Paused; }
bool can_stop(SessionState state) {
  return state == SessionState::Preparing || state == SessionState::Training ||
         state == SessionState::Pausing || state == SessionState::Paused;
}
bool can_answer(SessionState state) {
  return state == SessionState::Ready || state == SessionState::Training ||
         state == SessionState::Paused;
}

std::string state_name(SessionState state) {
  switch (state) {
    case SessionState::Empty: return "empty";
    case SessionState::Loading: return "loading";
    case SessionState::Ready: return "ready";
    case SessionState::Preparing: return "preparing";
    case SessionState::Training: return "training";
    case SessionState::Pausing: return "pausing";
    case SessionState::Paused: return "paused";
    case SessionState::Saving: return "saving";
    case SessionState::Stopping: return "stopping";
  }
  return "";
}

}  // namespace luthier
