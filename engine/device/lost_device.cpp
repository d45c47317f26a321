// SPDX-License-Identifier: GPL-3.0-or-later
// By the code that LibTorch's exception carries, else by the words that cudaGetErrorString and
// cuGetErrorString give for the same codes: libraries between us and CUDA pass the words on alone.
#include "engine/device/lost_device.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <mutex>

namespace luthier {
namespace {

/// The errors that NVIDIA documents as leaving the process in an inconsistent state, those of the
/// hardware, and those that stand for a context or a card that is gone (cudaError_t in
/// driver_types.h; CUresult has the same numbers).
struct FatalError {
  int code;
  const char* words;
};
constexpr FatalError kFatalErrors[] = {
    {4, "driver shutting down"},
    {100, "no CUDA-capable device is detected"},
    {201, "invalid device context"},
    {214, "uncorrectable ECC error encountered"},
    {220, "uncorrectable NVLink error detected during the execution"},
    {226, "Invalid access of peer GPU memory over nvlink or a hardware error"},
    {700, "an illegal memory access was encountered"},
    {702, "the launch timed out and was terminated"},
    {709, "context is destroyed"},
    {710, "device-side assert triggered"},
    {714, "hardware stack error"},
    {715, "an illegal instruction was encountered"},
    {716, "misaligned address"},
    {717, "operation not supported on global/shared address space"},
    {718, "invalid program counter"},
    {719, "unspecified launch failure"},
    {721, "tensor memory not completely freed"},
    {810, "the MPS client has been terminated by the server"},
    {911, "an async error has occured in external entity outside of CUDA"},
    {999, "unknown error"},
};

/// Libraries on top of CUDA say that a call was not carried out, and not whether anything else will
/// be.
bool leaves_it_open(const std::string& text) {
  for (const char* sign : {"CUDA error", "CUDA driver", "CUBLAS_STATUS_EXECUTION_FAILED",
                           "CUBLAS_STATUS_MAPPING_ERROR", "CUBLAS_STATUS_INTERNAL_ERROR",
                           "CUDNN_STATUS_EXECUTION_FAILED", "CUDNN_STATUS_MAPPING_ERROR",
                           "CUDNN_STATUS_INTERNAL_ERROR"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

struct Loss {
  std::mutex mutex;
  std::string why;
};

Loss& loss() {
  static Loss known;
  return known;
}

}  // namespace

std::optional<std::string> device_loss(const std::exception& failure) {
  if (const auto* accelerator = dynamic_cast<const c10::AcceleratorError*>(&failure)) {
    for (const FatalError& fatal : kFatalErrors)
      if (fatal.code == accelerator->get_error_code()) return fatal.words;
  }
  const std::string text = failure.what();
  if (text.find("CUDA") == std::string::npos) return std::nullopt;
  for (const FatalError& fatal : kFatalErrors)
    if (text.find(std::string("error: ") + fatal.words) != std::string::npos) return fatal.words;
  return std::nullopt;
}

std::optional<std::string> device_loss(const std::exception& failure, torch::Device device) {
  std::optional<std::string> why = device_loss(failure);
  if (!why && device.is_cuda() && leaves_it_open(failure.what())) {
    try {
      c10::impl::VirtualGuardImpl(device.type())
          .synchronizeDevice(device.has_index() ? device.index() : c10::DeviceIndex(0));
    } catch (const std::exception& answer) {
      why = device_loss(answer);
    }
  }
  if (why) set_lost_device(*why);
  return why;
}

std::string lost_device() {
  const std::lock_guard lock(loss().mutex);
  return loss().why;
}

void set_lost_device(const std::string& why) {
  const std::lock_guard lock(loss().mutex);
  loss().why = why;
}

Error lost_device_error(torch::Device device, const std::string& why, const std::string& where,
                        const std::string& saved) {
  return machine_error(device.str() + " stopped answering this program (" + why +
                           "), and nothing on it can be read any more.",
                       where, saved.empty() ? "Start the program anew." : saved);
}

}  // namespace luthier
