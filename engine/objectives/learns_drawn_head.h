// SPDX-License-Identifier: GPL-3.0-or-later
// An objective whose model says it all by a head that may have been drawn anew: under an adapter it
// must be trained whole beside it, or it stays as it was drawn.
#pragma once

namespace luthier {

/// What such an objective is, besides.
class LearnsDrawnHead {
 public:
  virtual ~LearnsDrawnHead() = default;
  /// What adapter.modules_to_save calls such a head, whatever the model calls it.
  virtual const char* drawn_head() const = 0;
};

}  // namespace luthier
