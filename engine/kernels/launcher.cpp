// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/launcher.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include <c10/core/impl/VirtualGuardImpl.h>

#include "engine/kernels/cuda_driver.h"
#include "engine/kernels/kernel_binary.h"

namespace luthier::kernels {
namespace {

constexpr std::size_t kTypes = static_cast<std::size_t>(c10::COMPILE_TIME_MAX_DEVICE_TYPES);
std::array<std::atomic<Launcher*>, kTypes> replaced{};

class CudaLauncher : public Launcher {
 public:
  bool launch(const Launch& asked, int device) override {
    const c10::Device on(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device));
    const c10::Stream stream = c10::impl::VirtualGuardImpl(on.type()).getStream(on);
    return driver_.launch(asked, device, stream.native_handle());
  }

 private:
  KernelCache cache_;
  DriverKernels driver_{[this](const KernelSource& source, int capability) {
    return kernel_binary(source, capability, cache_);
  }};
};

bool turned_off() {
  const char* value = std::getenv("LUTHIER_KERNELS");
  return value && std::string_view(value) == "off";
}

}  // namespace

Launcher* launcher_for(c10::DeviceType type) {
  Launcher* launcher = replaced[static_cast<std::size_t>(type)].load(std::memory_order_acquire);
  if (launcher || type != c10::DeviceType::CUDA) return launcher;
  static Launcher* cuda =
      turned_off() ? nullptr : new CudaLauncher;  // lives as long as the program
  return cuda;
}

Launcher* set_launcher(c10::DeviceType type, Launcher* launcher) {
  return replaced[static_cast<std::size_t>(type)].exchange(launcher, std::memory_order_acq_rel);
}

bool available(const torch::Tensor& x) {
  return launcher_for(x.device().type()) != nullptr && x.layout() == torch::kStrided &&
         (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16);
}

}  // namespace luthier::kernels
