// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/pretend/own_kernels.h"

#include "engine/kernels/launcher.h"
#include "tests/pretend/arena.h"
#include "tests/pretend/ledger.h"

namespace luthier::pretend {

OwnKernels::OwnKernels() {
  shim_.reach = readable_address;
  shim_.instead = [](const Launch& launch) {
    Work work;
    work.name = launch.kernel.entry;
    work.bytes = launch.bytes;
    record(work);
    return is_dry();
  };
  before_ = kernels::set_launcher(c10::DeviceType::PrivateUse1, &shim_);
}

OwnKernels::~OwnKernels() { kernels::set_launcher(c10::DeviceType::PrivateUse1, before_); }

}  // namespace luthier::pretend
