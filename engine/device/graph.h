// SPDX-License-Identifier: GPL-3.0-or-later
// Work that asks the same of a device each time, written down once and then started by one call: a
// step of decoding is some hundreds of launches, and the host needs longer to make them than a card
// to do them. What is written down are addresses and host numbers as they were; so what differs
// from time to time must stand in the device's memory, in tensors that stay.
#pragma once

#include <functional>
#include <memory>

#include "engine/device/torch.h"

namespace luthier {

/// Work that was written down. With it goes the memory that it uses between its launches.
class Recording {
 public:
  virtual ~Recording() = default;
  /// Does it again, on the current stream.
  virtual void replay() = 0;
};

/// Memory of recordings that are done one after another and hand nothing on in it: they share it,
/// so that all together take what the largest takes. It goes with the last of them.
class GraphMemory {
 public:
  virtual ~GraphMemory() = default;
};

/// Who writes down the work of a kind of device.
class GraphRecorder {
 public:
  virtual ~GraphRecorder() = default;
  virtual std::shared_ptr<GraphMemory> make_memory() = 0;
  /// Does the work where it will be recorded, so that what is made at first use is there.
  virtual void warm_up(torch::Device device, const std::function<void()>& work) = 0;
  /// Writes the work down, which does none of it, and then does it once. Throws where the work
  /// waits for the device, copies from memory that is not pinned, or the device refuses it; none of
  /// it is done then. `memory`: what make_memory gave; null: the recording has its own.
  virtual std::unique_ptr<Recording> record(torch::Device device, const std::function<void()>& work,
                                            const std::shared_ptr<GraphMemory>& memory) = 0;
};

/// Null: nobody records on this kind of device. CUDA's goes with LibTorch's CUDA half.
GraphRecorder* graph_recorder(c10::DeviceType type);
/// Puts another in the place of a kind of device (tests; not owned); null: as it was. Returns the
/// one before.
GraphRecorder* set_graph_recorder(c10::DeviceType type, GraphRecorder* recorder);

/// LUTHIER_GRAPHS=on: recorded where it can be. Without it nothing is, until cards have shown that
/// the same comes out (./luthier gpu-check, "decoding" and "recorded steps").
bool graphs_asked_for();

class DeviceGraph {
 public:
  /// `work` allocates nothing that outlives it and reads nothing back.
  DeviceGraph(torch::Device device, std::function<void()> work,
              std::shared_ptr<GraphMemory> memory = {});
  /// Does the work: the first time as it is, the second time written down, later by replaying that.
  /// Where it cannot be recorded it is done as it is each time, and that is told once in the log. A
  /// lost device and failures of the work itself are thrown.
  void run();
  bool recorded() const { return recording_ != nullptr; }

 private:
  torch::Device device_;
  std::function<void()> work_;
  std::shared_ptr<GraphMemory> memory_;
  std::unique_ptr<Recording> recording_;
  bool warm_ = false, refused_ = false;
};

}  // namespace luthier
