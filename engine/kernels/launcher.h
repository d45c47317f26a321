// SPDX-License-Identifier: GPL-3.0-or-later
// Who launches kernels of our own for a tensor's device. On the CPU, and wherever none can, nobody:
// each function of this room then answers with nothing, and its caller goes on with ATen's
// operators, which are always the fallback. So the question costs the CPU one look at a table.
#pragma once

#include "engine/device/torch.h"
#include "engine/kernels/kernel.h"

namespace luthier::kernels {

/// Null: nobody. CUDA's is made at the first question; LUTHIER_KERNELS=off, as it stood then, means
/// nobody.
Launcher* launcher_for(c10::DeviceType type);
/// Puts another in the place of a kind of device (tests; not owned); null: as it was. Returns the
/// one before.
Launcher* set_launcher(c10::DeviceType type, Launcher* launcher);

/// Whether kernels of our own may run on this tensor: somebody launches them on its device, and
/// they know its type.
bool available(const torch::Tensor& x);

/// False: nothing was launched.
template <class... Arguments>
bool launch(const torch::Tensor& on, const Kernel& kernel, std::int64_t columns, std::int64_t rows,
            std::int64_t threads, double bytes, Arguments... arguments) {
  Launcher* launcher = launcher_for(on.device().type());
  if (!launcher) return false;
  void* places[] = {&arguments...};
  constexpr std::size_t kSizes[] = {sizeof(Arguments)...};
  const Launch asked{kernel,
                     static_cast<unsigned>(columns),
                     static_cast<unsigned>(rows),
                     static_cast<unsigned>(threads),
                     places,
                     bytes,
                     kSizes,
                     sizeof...(Arguments)};
  return launcher->launch(asked, on.device().index() < 0 ? 0 : on.device().index());
}

}  // namespace luthier::kernels
