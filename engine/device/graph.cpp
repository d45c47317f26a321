// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/graph.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/device/cuda_graph.h"
#include "engine/device/lost_device.h"

namespace luthier {

namespace {

constexpr std::size_t kDeviceTypes = static_cast<std::size_t>(c10::COMPILE_TIME_MAX_DEVICE_TYPES);
std::array<std::atomic<GraphRecorder*>, kDeviceTypes> recorders{};

void tell_refusal(torch::Device device, const std::exception& failure) {
  static std::atomic<bool> told{false};
  if (told.exchange(true)) return;
  log_warning("Work on " + device.str() +
              " cannot be recorded; it is launched piece by piece, more slowly: " +
              first_line(failure.what()));
}

}  // namespace

GraphRecorder* graph_recorder(c10::DeviceType type) {
  GraphRecorder* recorder = recorders[static_cast<std::size_t>(type)].load();
  return recorder || type != c10::DeviceType::CUDA ? recorder : cuda_graph_recorder();
}

GraphRecorder* set_graph_recorder(c10::DeviceType type, GraphRecorder* recorder) {
  return recorders[static_cast<std::size_t>(type)].exchange(recorder);
}

bool graphs_asked_for() {
  const char* value = std::getenv("LUTHIER_GRAPHS");
  return value && std::string_view(value) == "on";
}

DeviceGraph::DeviceGraph(torch::Device device, std::function<void()> work,
                         std::shared_ptr<GraphMemory> memory)
    : device_(device), work_(std::move(work)), memory_(std::move(memory)) {}

void DeviceGraph::run() {
  if (recording_) return recording_->replay();
  GraphRecorder* recorder = refused_ ? nullptr : graph_recorder(device_.type());
  if (!recorder) return work_();
  // Work that failed while it was done in earnest may have changed something: it is not done again.
  bool begun = false;
  try {
    if (std::exchange(warm_, true))
      recording_ = recorder->record(device_, work_, memory_);
    else
      recorder->warm_up(device_, [&] {
        begun = true;
        work_();
      });
    return;
  } catch (const std::exception& failure) {
    if (begun) throw;
    if (device_loss(failure, device_)) throw;
    refused_ = true;
    tell_refusal(device_, failure);
  }
  work_();  // what fails by itself fails here too
}

}  // namespace luthier
