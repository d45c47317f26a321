// SPDX-License-Identifier: GPL-3.0-or-later
// What a model answers when it is asked what a training step of a batch costs: stages in the order
// of its forward, each with what it keeps and the moments of its backward. Made by the model's own
// modules (each says its share beside its forward) and only added up by the forecast. Plain data,
// no LibTorch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/cost.h"

namespace luthier {

/// What pictures add to a batch.
struct PictureLoad {
  std::int64_t images = 0;
  std::int64_t frames = 0;   ///< whole pictures and tiles that go through a tower of a fixed size
  std::int64_t patches = 0;  ///< of families whose tower takes patches, before they are merged
  std::int64_t numbers = 0;  ///< in pixel_values
  std::int64_t tokens = 0;   ///< their places in the text
  std::int64_t tile_numbers = 0;  ///< of `numbers`, where tiles and wholes have sizes of their own,
                                  ///< the tiles'
  PictureLoad& operator+=(const PictureLoad& other) {
    images += other.images, frames += other.frames, patches += other.patches;
    numbers += other.numbers, tile_numbers += other.tile_numbers, tokens += other.tokens;
    return *this;
  }
};

/// One micro-batch of a training step.
struct Pass {
  StepTerms terms;
  std::int64_t tokens = 0;                   ///< of all rows, with filler
  std::int64_t labels = 0;                   ///< that the loss is about
  std::int64_t asked = 0;                    ///< tokens whose last states a decoder hands to the
                                             ///< loss, with filler; 0: all
  std::vector<std::int64_t> lengths;         ///< of the rows, the filler's last
  bool forks = false;                        ///< some of those go on from others
  RowsShape rows;                            ///< as causal attention meets them
  std::vector<std::int64_t> source_lengths;  ///< of what an encoder reads, row by row; empty:
                                             ///< there is one text alone
  PictureLoad pictures;
  bool pictures_together = false;  ///< all go through a fixed tower at once, within the loss
};

/// A part of the forward. Its backward runs after that of the stages behind it.
struct Stage {
  struct Moment {
    std::int64_t left = 0;  ///< of this stage, what is still there (or there again)
    std::int64_t work = 0;  ///< temporaries
  };
  std::int64_t kept = 0;        ///< from its forward to its backward
  std::vector<Moment> moments;  ///< of its backward, in order
  std::int64_t gradients = 0;   ///< bytes of those that its backward adds
};

/// What a training step does before a decoder's first layer, for what comes after.
struct DecoderEntry {
  bool flows = false;          ///< a gradient is wanted of what enters the decoder
  bool blocks = false;         ///< its sequences have blocks
  std::int64_t beside = 0;     ///< bytes that stand beside its layers while they run
  std::int64_t deepstack = 0;  ///< layers behind which features are added to the states
  std::int64_t across = 0;     ///< states of pictures that some layers look across to
  bool across_flows = false;   ///< and a gradient is wanted of those
};

/// The output head, for who makes a loss of the last states.
struct HeadCost {
  std::int64_t vocabulary = 0, width = 0;
  bool weight_gradient = false;   ///< the product with its weight gives that weight a gradient
  bool plugged = false;           ///< something that trains hangs on it
  bool scaled = false;            ///< and that only scales the product's result
  std::int64_t plug_numbers = 0;  ///< trained numbers of what hangs on it
  bool chosen = false;            ///< the loss is handed the states with a label and no others
  bool capped = false;            ///< a softcap is on the logits
};

struct PassCost {
  std::vector<Stage> stages;
  std::int64_t unreached = 0;  ///< trained parameters that no gradient ever arrives at
  HeadCost head;
};

/// The layers of a decoder or of a tower.
struct LayerCost {
  std::int64_t attention = 0, mlp = 0;            ///< kept by either half
  std::int64_t attention_work = 0, mlp_work = 0;  ///< temporaries of either half's backward
  TrainedShare share;
  std::int64_t kept() const { return attention + mlp; }
};

/// A layer as a stage of its own, which keeps all that its backward needs.
inline Stage kept_stage(const StepTerms& terms, const LayerCost& cost) {
  const std::int64_t kept = cost.kept();
  return {kept,
          {{kept, cost.mlp_work}, {kept - cost.mlp, cost.attention_work}},
          cost.share.parameters * terms.gradient_element};
}

/// A layer of the text as a stage, which makes states of `made` bytes. A checkpointed one keeps its
/// input of `state` bytes, and is made once more before its backward.
inline Stage layer_stage(const StepTerms& terms, const LayerCost& cost, std::int64_t state,
                         std::int64_t made) {
  Stage stage = kept_stage(terms, cost);
  if (!terms.checkpointing) return stage;
  for (Stage::Moment& moment : stage.moments) moment.left += state + made;
  stage.kept = state;
  return stage;
}

/// A picture tower, from the pixels on: its layers are never made again.
struct TowerCost {
  bool trains = false;         ///< something that a gradient reaches
  bool flows = false;          ///< a gradient is wanted at its end
  std::vector<Stage> stages;   ///< what stands before the first layer, the layers, what comes last
  std::int64_t unreached = 0;  ///< parameters that train where no gradient arrives

  /// What is before the first layer or behind the last, and what it keeps.
  void add_part(const StepTerms& terms, const TrainedShare& part, std::int64_t kept,
                std::int64_t work = 0) {
    trains = trains || part.trains;
    flows = flows || part.trains;
    stages.push_back({kept, {{kept, work}}, part.parameters * terms.gradient_element});
  }
  void add_layer(const StepTerms& terms, const LayerCost& layer) {
    trains = trains || layer.share.trains;
    flows = flows || layer.share.trains;
    stages.push_back(kept_stage(terms, layer));
  }
  /// Those stages; where nothing in it trains its features alone, of so many bytes.
  void add_to(PassCost& cost, std::int64_t features) const {
    if (trains)
      cost.stages.insert(cost.stages.end(), stages.begin(), stages.end());
    else
      cost.stages.push_back({features, {{features, 0}}, 0});
    cost.unreached += unreached;
  }
};

/// The way from a tower's features into the text.
struct ProjectorCost {
  bool trains = false;
  std::int64_t kept = 0;       ///< where a gradient comes out of it
  std::int64_t work = 0;       ///< temporaries of its backward, where they are many
  std::int64_t gradients = 0;  ///< bytes of those that its backward adds, where they are many
};

/// What a model that can be trained answers. A capability (see models/model.h).
class StepCosts {
 public:
  virtual ~StepCosts() = default;
  virtual PassCost cost(const Pass& pass) const = 0;
  /// What Causal::forks() answers in such a step.
  virtual bool takes_forks(const StepTerms&) const { return false; }
  /// Numbers that a fixed tower hands on for these pictures.
  virtual std::int64_t feature_numbers(const PictureLoad&) const { return 0; }
};

/// Asks a model whose weights need not be loaded.
class ModelCost {
 public:
  virtual ~ModelCost() = default;
  /// `trained`: by the names of modules and of branches; those that the model does not have are
  /// left out.
  virtual PassCost of(Pass pass,
                      const std::vector<std::pair<std::string, TrainedShare>>& trained) const = 0;
  virtual bool takes_forks(
      StepTerms terms, const std::vector<std::pair<std::string, TrainedShare>>& trained) const = 0;
  /// Numbers that a fixed tower hands on for these pictures.
  virtual std::int64_t feature_numbers(const PictureLoad& pictures) const = 0;
};

}  // namespace luthier
