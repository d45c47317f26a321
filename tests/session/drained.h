// SPDX-License-Identifier: GPL-3.0-or-later
// A session's events as its tests wait for them.
#pragma once

#include <functional>
#include <variant>
#include <vector>

#include "engine/session/session.h"
#include "tests/patience.h"

namespace luthier::test {

/// Drains until `enough` says so, keeping all events; false after a hang.
inline bool until(Session& session, std::vector<SessionEvent>& all,
                  const std::function<bool(const SessionEvent&)>& enough) {
  for (const Patience patience; !patience.is_over();) {
    session.wait(0.2);
    bool found = false;
    for (SessionEvent& event : session.drain()) {
      found = found || enough(event);
      all.push_back(std::move(event));
    }
    if (found) return true;
  }
  return false;
}

inline bool is_state(const SessionEvent& event, SessionState state) {
  const auto* changed = std::get_if<StateChanged>(&event);
  return changed && changed->state == state;
}

}  // namespace luthier::test
