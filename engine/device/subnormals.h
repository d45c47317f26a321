// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers below 1.2e-38, which float32 still has with fewer digits. Gradients that vanish on their
// way through a deep model end there, and Intel's processors make each product with such a number
// by microcode: a product of which a quarter of one side is subnormal took fifty times as long
// (a 7 B decoder of random weights: its first backward had not ended after twenty minutes, that of
// full-size numbers takes one). No sum of a step can tell them from 0.
#pragma once

namespace luthier {

/// While it lives, subnormal numbers are 0 to the threads that compute for this one (FTZ and DAZ),
/// going in and coming out; where a processor cannot, nothing changes. For a step's forward and
/// backward: what reads or packs a checkpoint keeps each number as it is.
class SubnormalsAreZero {
 public:
  SubnormalsAreZero();
  ~SubnormalsAreZero();
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  SubnormalsAreZero& operator=(const SubnormalsAreZero&) = delete;
};

}  // namespace luthier
