// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/failure.h"

#include "engine/device/lost_device.h"
#include "engine/device/memory.h"

namespace luthier {

Error device_failure(const std::exception& failure, Error no_memory, Error otherwise,
                     const std::string& device) {
  const std::string name = device.empty() ? card_at_work() : device;
  const torch::Device worked_on(name.empty() ? "cpu" : name);
  if (const auto why = device_loss(failure, worked_on)) {
    // What is lost is a card, even where nobody says which.
    const torch::Device lost = worked_on.is_cpu() ? torch::Device(torch::kCUDA) : worked_on;
    return lost_device_error(lost, *why, otherwise.where);
  }
  return is_out_of_memory(failure) ? no_memory : otherwise;
}

}  // namespace luthier
