// SPDX-License-Identifier: GPL-3.0-or-later
// Kernels of our own on the pretended device: their sources as C++ (tests/kernels) over its memory,
// each launch written down like any other. In a dry step they are counted and not run.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "tests/kernels/shim_launcher.h"

namespace luthier::pretend {

/// While one stands the device runs them; else they are ATen's operators there.
class OwnKernels {
 public:
  OwnKernels();
  ~OwnKernels();
  OwnKernels(const OwnKernels&) = delete;
  OwnKernels& operator=(const OwnKernels&) = delete;
  /// Whether a launch fails, as a card's may; before the first one.
  void fail_where(std::function<bool(const Launch&)> fails) { shim_.fails = std::move(fails); }
  /// Launches by entry.
  const std::map<std::string, int>& launches() const { return shim_.launches; }

 private:
  shim::ShimLauncher shim_;
  Launcher* before_ = nullptr;
};

}  // namespace luthier::pretend
