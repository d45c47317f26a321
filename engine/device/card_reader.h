// SPDX-License-Identifier: GPL-3.0-or-later
// Asks the NVIDIA driver itself what cards there are, without a CUDA header and before LibTorch: a
// driver that is too old for LibTorch, or a card that it has no kernels for, answers here all the
// same. libcuda tells the cards that CUDA_VISIBLE_DEVICES leaves, libnvidia-ml how much of each is
// free, without a context on each (which would take half a gigabyte of every card that is only
// looked at).
#pragma once

#include <string>

#include "engine/device/card_facts.h"

namespace luthier {

/// Where the driver's two libraries are looked for; by name as a rule, by path in tests.
struct DriverLibraries {
  std::string cuda = "libcuda.so.1", management = "libnvidia-ml.so.1";
};

/// Fills in the driver's part of `facts`: everything from driver_found to visible_devices, without
/// what this process holds. A call that fails ends the reading of cards, and is what driver_call
/// and driver_error say; without libnvidia-ml, `free` stays unknown. The libraries stay loaded.
void read_driver(DeviceFacts& facts, const DriverLibraries& libraries = {});

}  // namespace luthier
