// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels' source files compiled as C++, behind the same door as the driver: put in the place
// of a device's launcher, all that asks for kernels gets these.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "engine/kernels/kernel.h"
#include "tests/kernels/thread_loop.h"

namespace luthier::shim {

class ShimLauncher : public Launcher {
 public:
  bool launch(const Launch& launch, int device) override;

  /// Where the host may reach an address that a kernel is given.
  std::function<void*(void*)> reach = [](void* address) { return address; };
  /// Whether a launch fails, as a driver's may; unset: none does.
  std::function<bool(const Launch&)> fails;
  /// Called in place of running the kernel, where it is set and answers true.
  std::function<bool(const Launch&)> instead;
  Order order = Order::Upwards;
  std::map<std::string, int> launches;  ///< by entry
};

/// Every entry that the sources have.
std::set<std::string> entries();

}  // namespace luthier::shim
