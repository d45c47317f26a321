// SPDX-License-Identifier: GPL-3.0-or-later
// What a model is to the rest of the engine. What it can do is asked, not assumed: a capability is
// an interface that a model may offer, and who needs one that a model lacks refuses it by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/data/class_options.h"
#include "engine/models/decoder.h"
#include "engine/models/model_input.h"
#include "engine/models/model_summary.h"
#include "engine/nn/parameters.h"

namespace luthier {

class StepCosts;  // models/cost.h

/// Each token is predicted from those before it. The head is applied by who needs it (a loss only
/// where labels are, decoding only at the end).
class Causal {
 public:
  virtual ~Causal() = default;
  /// Token embeddings, with pictures' projected features in their places where the model takes
  /// pictures, and what the decoder needs to know of them. The number of image tokens must fit (an
  /// exception otherwise: callers build inputs through ChatProcessor, which guarantees it).
  virtual TokenSequence embed(const ModelInput& input) = 0;
  /// → [tokens, hidden] after the final norm, of the tokens that the sequence asks for (its `own`).
  /// With a cache, the sequence continues what the cache holds.
  virtual torch::Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) = 0;
  /// Output projection [.., hidden] → [.., vocab].
  virtual Linear head() = 0;
  virtual std::int64_t num_hidden_layers() const = 0;
  /// Of a model with mixtures of experts, what keeps them evenly used; null: it has none.
  virtual const ExpertOptions* experts() const { return nullptr; }
  /// Some layers carry a state along each row, whose length the host has to know.
  virtual bool carries_states() const { return false; }
  /// Whether rows may fork (RowLayout::forks), with what hangs on the model now: attention alone
  /// brings a row's tokens together, and a token's place goes by those before it.
  virtual bool forks() const { return false; }
};

/// Each token's state sees its whole row, and what was covered in the row is predicted from it.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// → [tokens, hidden].
  virtual torch::Tensor encode(const ModelInput& input) = 0;
  /// What the head takes of states [.., hidden], asked only where labels are.
  virtual torch::Tensor before_head(const torch::Tensor& states) = 0;
  /// Output projection [.., hidden] → [.., vocab].
  virtual Linear head() = 0;
};

/// One text is read whole, and another is written after it: each of its tokens is predicted from
/// those before it and from all of the first.
class SequenceToSequence {
 public:
  virtual ~SequenceToSequence() = default;
  /// What is read (source_ids) → the states that the other text's rows look across to.
  virtual RowStates encode(const ModelInput& input) = 0;
  /// What is written so far (input_ids, which begin with the start token) → [tokens, hidden] as
  /// the head takes them; row i looks across to row i of `memory`. With a cache, rows of equal
  /// length go on from what it holds, and the memory is looked at the first time alone.
  virtual torch::Tensor decode(const ModelInput& input, const RowStates& memory,
                               KeyValueCache* cache) = 0;
  /// Output projection [.., hidden] → [.., vocab].
  virtual Linear head() = 0;
  virtual TokenId start_token() const = 0;
  virtual std::int64_t decoder_layers() const = 0;
};

/// Pictures and texts come to points of one space, where what belongs together lies close.
class TwoTowers {
 public:
  virtual ~TwoTowers() = default;
  /// Of each picture of the input: [pictures, width], of length 1.
  virtual torch::Tensor image(const ModelInput& input) = 0;
  /// Of the texts of the first `rows` rows: [rows, width], of length 1.
  virtual torch::Tensor text(const ModelInput& input, std::int64_t rows) = 0;
  /// What likenesses are multiplied with: [].
  virtual torch::Tensor scale() = 0;
  /// What is added to them then: []. Undefined: nothing is, and each picks its own among all by a
  /// softmax; else each pair is judged by itself (SigLIP).
  virtual torch::Tensor bias() { return {}; }
};

/// Patches of pictures are covered, and the model says what was there.
class PatchRebuilder {
 public:
  struct Rebuilt {
    torch::Tensor made, wanted;  ///< [pictures, patches, numbers]
    torch::Tensor covered;       ///< [pictures, patches], 1 where the patch was not seen, else 0
  };
  virtual ~PatchRebuilder() = default;
  /// Of each picture.
  virtual std::int64_t patches() const = 0;
  /// `noise` [pictures, patches]: the patches of the smallest are seen.
  virtual Rebuilt rebuild(const ModelInput& input, const torch::Tensor& noise) = 0;
};

/// A head tells of each row, or of each of its tokens, which classes it belongs to.
class Classifier {
 public:
  virtual ~Classifier() = default;
  virtual const ClassOptions& classes() const = 0;
  /// → [rows, classes], those of filler too; of tokens [tokens, classes]; of pictures [pictures,
  /// classes]. The numbers before softmax or sigmoid.
  virtual torch::Tensor classify(const ModelInput& input) = 0;
};

/// The part of a picture's way that depends on nothing but pixels, grids and the tower's weights.
class PictureTower {
 public:
  virtual ~PictureTower() = default;
  /// → [features of all pictures, vision width], before any projector.
  virtual torch::Tensor tower(const ModelInput& input) = 0;
  /// How many of them are a picture's, where they do not go by its rows of pixel_values; else any
  /// number that they go by.
  virtual std::int64_t feature_rows(const PictureFacts& picture) const { return picture.rows; }
};

/// The parts' names, as recipes (freeze) and forecasts have them.
inline constexpr const char* kVisionTower = "vision_tower";
inline constexpr const char* kProjector = "projector";
inline constexpr const char* kLanguageModel = "language_model";

/// Most hold other modules alone; a model may hold tensors of its own, too (CLIP's logit_scale).
class Model : public ParameterModule {
 public:
  std::string type_name() const override { return "Parameter"; }

  // What the model can do; null: it cannot.
  virtual Causal* causal() { return nullptr; }
  virtual Encoder* encoder() { return nullptr; }
  virtual SequenceToSequence* sequence_to_sequence() { return nullptr; }
  virtual TwoTowers* two_towers() { return nullptr; }
  virtual Classifier* classifier() { return nullptr; }
  virtual PatchRebuilder* patch_rebuilder() { return nullptr; }
  virtual PictureTower* picture_tower() { return nullptr; }
  virtual const StepCosts* step_costs() const { return nullptr; }

  /// What makes logits of hidden states, which adapters leave alone unless it is named; null: the
  /// model has no such product.
  virtual Linear output_head();

  virtual ModelGeometry geometry() const = 0;

  /// Makes on the host what the model and its loss would otherwise ask the device for, which would
  /// have to be waited for or copied piece by piece, and sets it aside in the input.
  virtual void prepare(ModelInput& input) const { set_rows_and_labels_aside(input); }

  /// Gives the tensors that the model itself holds the values that training from scratch begins at.
  virtual void start_own_tensors() {}

  /// The part that a parameter's or module's in-memory name belongs to.
  std::string part_of(std::string_view name) const;
  /// The parts there are, the language model last.
  std::vector<std::string> parts() const;

  /// Recompute each layer in the backward instead of keeping its activations.
  void set_gradient_checkpointing(bool on) { gradient_checkpointing_ = on; }
  bool gradient_checkpointing() const { return gradient_checkpointing_; }

  torch::Device device() const;
  torch::ScalarType dtype() const;

  // Of models that are known to be causal; the capability itself is the better thing to hold.
  TokenSequence embed(const ModelInput& input) { return causal()->embed(input); }
  torch::Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) {
    return causal()->decode(sequence, cache);
  }
  Linear head() { return output_head(); }

 protected:
  /// What lies under these in-memory names is `part`; what no part claims is the language model.
  void declare_part(const char* part, std::string prefix) {
    declared_.emplace_back(std::move(prefix), part);
  }

  bool gradient_checkpointing_ = false;

 private:
  std::vector<std::pair<std::string, std::string>> declared_;  // prefix → part
};

/// The states of a whole input as the output head takes them: [tokens, hidden]. An exception where
/// the model has no head.
torch::Tensor states_before_head(Model& model, const ModelInput& input);

/// How alike each text is to each picture, scaled: [rows, pictures] in float32. A row has one
/// picture; rows behind the last picture (filler) have no part in it.
torch::Tensor text_likeness(TwoTowers& towers, const ModelInput& input);

/// A batch that is still on the host as the model takes it: on its device, prepared where that is
/// another one.
ModelInput for_model(const Model& model, ModelInput input);

/// `features` [image tokens, hidden] into the embeddings' `places` ([image tokens] int64).
torch::Tensor place_features(const torch::Tensor& embeddings, const torch::Tensor& places,
                             const torch::Tensor& features);

}  // namespace luthier
