// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/failure.h"

#include <c10/util/Exception.h>

#include "engine/device/lost_device.h"
#include "engine/device/memory.h"

namespace luthier {
namespace {

/// A card whose compute mode lets in one process, and another is there, or none: "CUDA-capable
/// device(s) is/are busy or unavailable". It comes with the first context, so no choice can foresee
/// it.
bool is_taken_by_others(const std::exception& failure) {
  constexpr int kDevicesUnavailable = 46;  // cudaError_t
  if (const auto* accelerator = dynamic_cast<const c10::AcceleratorError*>(&failure))
    return accelerator->get_error_code() == kDevicesUnavailable;
  const std::string text = failure.what();
  return text.find("CUDA") != std::string::npos && text.find("is/are") != std::string::npos;
}

}  // namespace

Error device_failure(const std::exception& failure, Error no_memory, Error otherwise,
                     const std::string& device) {
  const std::string name = device.empty() ? card_at_work() : device;
  const torch::Device worked_on(name.empty() ? "cpu" : name);
  if (const auto why = device_loss(failure, worked_on)) {
    // What is lost is a card, even where nobody says which.
    const torch::Device lost = worked_on.is_cpu() ? torch::Device(torch::kCUDA) : worked_on;
    return lost_device_error(lost, *why, otherwise.where);
  }
  if (is_taken_by_others(failure)) {
    const std::string card = worked_on.is_cpu() ? "The card" : worked_on.str();
    return machine_error(card + " lets no other program in: one has it to itself, or it is closed.",
                         otherwise.where,
                         "Wait until it is free, or use another card; `nvidia-smi -q -d COMPUTE` "
                         "says its mode.");
  }
  return is_out_of_memory(failure) ? no_memory : otherwise;
}

}  // namespace luthier
