// SPDX-License-Identifier: GPL-3.0-or-later
// A decoder whose frozen weights no rank has all of: each keeps a part of every layer's in the
// machine's memory. A layer's weights are fetched from all ranks just before the layer is computed,
// forward and backward, and the next one's while it is; two layers' weights at most are whole in a
// process. What autograd keeps of a weight is a tensor over its memory, and that memory is empty
// until the layer comes again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/models/decoder_block.h"
#include "engine/models/loaded_model.h"
#include "engine/models/model.h"
#include "engine/models/stored_parameter.h"
#include "engine/ranks/ranks.h"

namespace luthier {

/// In-memory names of the layers of this checkpoint's decoder ("model.language_model.layers.0");
/// empty: it has none, or one of another kind.
Result<std::vector<std::string>> decoder_layer_names(const std::filesystem::path& folder);

/// Of a layer whose weights have so many bytes each, at one of so many ranks.
struct LayerSizes {
  std::int64_t piece = 0;  ///< bytes that each rank keeps
  std::int64_t whole = 0;  ///< of what the layer is gathered into
};
LayerSizes layer_sizes(const std::vector<std::int64_t>& bytes, int ranks);
/// Of a tensor of this shape in a layer: norms and biases are too little to be sent for.
bool is_sharded_shape(at::IntArrayRef shape);

/// A module of the decoder whose layers it brings, without parameters of its own.
class ShardedLayers : public torch::nn::Module {
 public:
  /// Gives memory to all tensors of a model on the meta device but the decoder's weights, which get
  /// none yet, and puts itself into the decoder. `trained`: names of tensors that are whole. Input
  /// error where nothing is left.
  static Status place(Model& model, const torch::TensorOptions& options,
                      std::shared_ptr<Ranks> ranks, const std::set<std::string>& trained,
                      const std::string& where);
  ShardedLayers(std::shared_ptr<Ranks> ranks, torch::Device device);
  ~ShardedLayers() override;
  ShardedLayers(const ShardedLayers&) = delete;
  ShardedLayers& operator=(const ShardedLayers&) = delete;

  bool holds(const std::string& parameter) const { return parameters_.contains(parameter); }
  /// This rank's part of one, out of the files.
  Status read(const std::string& parameter, const StoredParameter& stored, const ReadWatch& watch,
              std::string* broken) const;
  /// All are read: layers can be fetched from here on. All ranks call it.
  Status open();

  /// The layer's weights are there until another's are taken. Throws where a rank is gone; then
  /// Ranks::fault says which.
  void take(std::size_t layer);
  /// The same for the layer that a module or parameter of this name is in, where it is in one.
  void bring(const std::string& name);

  /// Bytes of sharded weights, and of what stands of them on the model's device for each rank: its
  /// part there, and the memory that layers are gathered in.
  std::int64_t all_bytes() const { return all_; }
  std::int64_t bytes_here() const;

 private:
  /// The memory of one weight, or of several that lie one below the other.
  struct Piece {
    c10::Storage storage;
    std::int64_t at, bytes;  ///< in the layer
  };
  struct Layer {
    std::string name;  ///< in memory
    std::vector<Piece> pieces;
    LayerSizes sizes;
    torch::Tensor mine;  ///< [sizes.piece] uint8 on the CPU
  };
  struct Place {
    std::size_t layer;
    std::int64_t at, numbers;  ///< bytes from the layer's beginning; how many
    torch::ScalarType type;
  };

  void ask(std::size_t layer);
  void wait();
  void let_go();
  void look_ahead(bool down);

  const std::shared_ptr<Ranks> ranks_;
  const torch::Device device_;
  std::vector<Layer> layers_;
  std::map<std::string, Place> parameters_;
  std::int64_t all_ = 0;
  torch::Tensor here_;    ///< what the layer that is there stands in, on the device
  torch::Tensor coming_;  ///< what another is gathered into, on the CPU
  std::optional<std::size_t> there_, asked_;
};
/// Of this decoder, or the model's; null: all weights are here.
std::shared_ptr<ShardedLayers> layers_of_ranks(const DecoderImpl& decoder);
std::shared_ptr<ShardedLayers> sharded_of(const Model& model);

/// A layer of a decoder, and what brings its weights.
struct ComingLayer {
  DecoderBlock& block;
  std::shared_ptr<ShardedLayers> weights;  ///< null: they are here
  std::size_t place;

  /// The block's, with its weights there for as long as it takes, and once more for its backward.
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) const;
};

/// Who keeps a part each of the decoder's weights, but of those that will train (by their in-memory
/// names, told from a model on the meta device).
struct Sharding {
  std::shared_ptr<Ranks> ranks;
  std::function<Result<std::set<std::string>>(const Model& shapes)> trained;
};
/// load_model of one of these ranks, all of which call it.
Result<LoadedModel> load_sharded(const std::filesystem::path& folder, const LoadOptions& options,
                                 const Sharding& sharding);

}  // namespace luthier
