// SPDX-License-Identifier: GPL-3.0-or-later
// Micro-batches whose forward and backward are recorded (device/graph). Batches of nearly one size
// are filled up to one (batches/filler) and share a recording, which reads all that differs between
// them from the device's memory: what the model and the loss read of a batch, the seeds of
// dropout's masks, what the loss is divided by. Gradients are added where they stand, and the loss
// stays on the device until the window is read. Launched piece by piece such a micro-batch gives
// the same bits. What cannot be recorded is left to who asks.
//   steps.begin(); for (…) if (!steps.step(…)) steps.apart(…); steps.end();
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/graph.h"
#include "engine/device/together.h"
#include "engine/objectives/objective.h"
#include "engine/train/standing_gradients.h"
#include "engine/train/strategy.h"

namespace luthier {

/// Whether somebody records on this model's device, and the objective can be.
bool can_record(const LoadedModel& base, const Objective& objective);

class RecordedSteps {
 public:
  /// `most`: micro-batches of a window. `records`: false: batches are filled up as ever, and
  /// launched piece by piece.
  RecordedSteps(Policy& policy, Objective& objective, const Trainables& trainables,
                std::int64_t most, bool records);

  /// A window begins: gradients are 0.
  void begin();
  /// Does this micro-batch: its gradients are added, its share of the window's loss is in shares().
  /// set_training comes before. False: it is not for a recording, and nothing is done.
  bool step(const MicroBatch& rows, std::uint64_t seed, double divisor);
  /// Does work that is not recorded, and adds its gradients.
  void apart(const std::function<void()>& work) { (void)gradients_.apart(work); }
  /// The window's end: what no gradient has reached has none.
  void end() { gradients_.end(); }
  /// Of the micro-batches that step() has done in this window, in their order: [steps] float32 on
  /// the device. Undefined: none.
  torch::Tensor shares() const;

  /// How many recordings there are.
  std::size_t recordings() const;

 private:
  /// What batches of one shape share.
  struct Shared {
    std::unique_ptr<StandingBlock> block;
    Batch batch;  ///< as the recording reads it
    torch::Tensor seeds, divisor, place;
    std::vector<bool> reached;  ///< tensors that its backward reaches; empty: not known yet
    std::unique_ptr<DeviceGraph> graph;
    std::uint64_t used = 0;
  };
  /// A batch on its way there.
  struct Given {
    std::vector<std::string> names;  ///< in the order of the tensors
    std::vector<torch::Tensor> tensors;
    std::string shape;
  };
  bool takes(const MicroBatch& rows);
  Given given_of(const Batch& batch, std::uint64_t seed, double divisor) const;
  std::unique_ptr<Shared> made_for(const Batch& batch, const Given& given);
  /// Where there is room for one more shape, or there is this one.
  Shared* kept_for(const Batch& batch, const Given& given);
  void run(Shared& shared, const Given& given, bool keeps);
  void do_step(Shared& shared);

  Policy& policy_;
  Objective& objective_;
  const Trainables& trainables_;
  const bool records_;
  torch::Device device_;
  std::shared_ptr<GraphMemory> memory_;
  StandingGradients gradients_;
  std::map<std::string, std::unique_ptr<Shared>> shapes_;
  std::vector<std::uint64_t> kept_;  ///< what recordings have kept of the adapter
  torch::Tensor shares_;             ///< [most] float32
  torch::Tensor room_;               ///< of the largest block so far; smaller ones lie in it
  std::int64_t done_ = 0;            ///< of this window
  std::uint64_t turn_ = 0;
  bool off_ = false, told_sizes_ = false;
};

}  // namespace luthier
