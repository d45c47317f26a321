// SPDX-License-Identifier: GPL-3.0-or-later
// Steps of decoding that are recorded (device/graph). All that differs from step to step stands in
// tensors that stay: the tokens, the place in the cache, the cache itself, and what is sent of the
// logits. There is one recording for a number of rows and room in the cache; those of one room
// share the memory.
//   standing.begin(cache, rows, 63); while (…) read_leading(standing.step(), …);
#pragma once

#include <map>
#include <memory>

#include "engine/device/graph.h"
#include "engine/generate/generation_types.h"
#include "engine/models/model.h"

namespace luthier {

class StandingSteps {
 public:
  /// `recorder`: of the model's device.
  StandingSteps(Model& model, const GenerationOptions& options, GraphRecorder& recorder)
      : model_(model),
        options_(options),
        device_(model.device()),
        memory_(recorder.make_memory()) {}

  /// Takes over from a cache that `rows` prompts were read into, for `more` tokens of each. False:
  /// this model or so few tokens are not for it, or there is no memory.
  bool begin(const KeyValueCache& filled, std::int64_t rows, std::int64_t more,
             std::int64_t vocabulary);
  /// The tokens that the next step goes on from: [rows] int64 on the device. Where the most likely
  /// ones are, a step has put them there itself.
  void choose_next(const torch::Tensor& ids);
  /// → what read_leading takes, of each row.
  torch::Tensor step();
  /// Of the last step: [rows, vocab] float32 on the device; undefined where none is drawn.
  torch::Tensor logits() const;
  std::int64_t vocabulary() const { return vocabulary_; }

  /// Rows that have ended stay until half of the batch has: a row more costs a step next to
  /// nothing, another number of rows another recording.
  bool lets_go(std::size_t left, std::size_t rows) const { return 2 * left <= rows; }
  /// These rows are left (int64 [rows], on the device).
  void keep(const torch::Tensor& rows);

 private:
  struct Batch {
    KeyValueCache cache;
    torch::Tensor ids, leading, logits;  ///< of its rows, in the memory that all share
    std::unique_ptr<DeviceGraph> graph;
  };
  void make_room(const KeyValueCache& filled, std::int64_t rows, std::int64_t capacity);
  void use(std::int64_t rows);
  void do_step(Batch& batch);

  Model& model_;
  const GenerationOptions& options_;
  torch::Device device_;
  std::shared_ptr<GraphMemory> memory_;  ///< of all recordings
  std::unique_ptr<KeyValueCache> whole_;
  std::int64_t room_rows_ = 0, vocabulary_ = 0;
  torch::Tensor ids_, leading_, logits_;
  std::map<std::int64_t, Batch> batches_;  ///< by rows
  Batch* now_ = nullptr;
};

/// For all batches of one call; null: steps are not recorded on this device, or nobody asks for it.
std::unique_ptr<StandingSteps> make_standing_steps(Model& model, const GenerationOptions& options);

}  // namespace luthier
