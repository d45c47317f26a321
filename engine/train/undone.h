// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/base/log.h"
#include "engine/objectives/objective.h"

namespace luthier {

/// A window that does not come to its end comes again, whole: what the objective carries from step
/// to step is as it was before.
class Undone {
 public:
  explicit Undone(Objective& objective) : objective_(objective), before_(objective.state()) {}
  ~Undone() {
    if (!kept_) again();
  }
  Undone(const Undone&) = delete;
  Undone& operator=(const Undone&) = delete;
  void keep() { kept_ = true; }
  /// As it was before, at once.
  void again() {
    if (before_.is_null()) return;
    if (const Status read = objective_.read_state(before_, "objective"); !read)
      log_warning(read.error().sentence());
  }

 private:
  Objective& objective_;
  const Json before_;
  bool kept_ = false;
};

}  // namespace luthier
