// SPDX-License-Identifier: GPL-3.0-or-later
// A layer is one run of bytes, its weights at places in it; rank r of n keeps the r-th n-th of that
// run. A weight's storage is pointed at its place where the layer stands, and at nothing while it
// does not: tensors over it, autograd's too, need not be touched.
#include "engine/models/sharded_layers.h"

#include <algorithm>
#include <stdexcept>

#include "engine/io/json.h"
#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/nn/parameters.h"

namespace luthier {

namespace {

constexpr std::int64_t kAligned = 512;  ///< bytes, as allocators have it

std::int64_t up_to(std::int64_t bytes, std::int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

void point(const c10::Storage& storage, void* data, std::int64_t bytes) {
  c10::StorageImpl& memory = *storage.unsafeGetStorageImpl();
  memory.set_data_ptr_noswap(c10::DataPtr(data, storage.device()));
  memory.set_nbytes(static_cast<std::size_t>(bytes));
}

/// A tensor of the model, and who holds it.
struct HeldTensor {
  ParameterModule* holder;
  std::string name, full;  ///< within the holder; in the model
  torch::Tensor before;
};

/// The decoder, and its layers' names in the model.
struct FoundDecoder {
  DecoderImpl* decoder = nullptr;
  std::vector<std::string> layers;
};
FoundDecoder decoder_of(const Model& model) {
  FoundDecoder found;
  for (const auto& item : model.named_modules()) {
    auto* decoder = dynamic_cast<DecoderImpl*>(item.value().get());
    if (!decoder || found.decoder) continue;
    found.decoder = decoder;
    const std::string start = item.key().empty() ? "layers." : item.key() + ".layers.";
    for (std::int64_t i = 0; i < decoder->options.num_hidden_layers; ++i)
      found.layers.push_back(start + std::to_string(i));
  }
  return found;
}

}  // namespace

LayerSizes layer_sizes(const std::vector<std::int64_t>& bytes, int ranks) {
  std::int64_t all = 0;
  for (const std::int64_t each : bytes) all += up_to(each, kAligned);
  const std::int64_t piece = up_to((all + ranks - 1) / ranks, kAligned);
  return {piece, piece * ranks};
}

bool is_sharded_shape(at::IntArrayRef shape) { return shape.size() >= 2; }

ShardedLayers::ShardedLayers(std::shared_ptr<Ranks> ranks, torch::Device device)
    : ranks_(std::move(ranks)), device_(device) {}

ShardedLayers::~ShardedLayers() { let_go(); }

Result<std::vector<std::string>> decoder_layer_names(const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(folder / "config.json"));
  LUTHIER_TRY(const Family* family, find_family(config, where));
  LUTHIER_TRY(const Plan plan, family->read(config, folder));
  return decoder_of(*plan.made(torch::TensorOptions().device(torch::kMeta))).layers;
}

Status ShardedLayers::place(Model& model, const torch::TensorOptions& options,
                            std::shared_ptr<Ranks> ranks, const std::set<std::string>& trained,
                            const std::string& where) {
  const torch::NoGradGuard no_grad;
  const auto made = std::make_shared<ShardedLayers>(std::move(ranks), options.device());
  const FoundDecoder found = decoder_of(model);
  for (const std::string& name : found.layers) made->layers_.push_back({name, {}, {}, {}});
  const auto layer_of = [&](const std::string& name) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < made->layers_.size(); ++i)
      if (name.starts_with(made->layers_[i].name + ".")) return i;
    return std::nullopt;
  };
  // Tensors over one memory stay over one.
  std::map<const c10::StorageImpl*, std::vector<HeldTensor>> owned;
  std::vector<const c10::StorageImpl*> order;
  std::vector<HeldTensor> shared;
  for (const auto& item : model.named_modules()) {
    auto* holder = dynamic_cast<ParameterModule*>(item.value().get());
    if (!holder) continue;
    const auto own = holder->named_parameters(/*recurse=*/false);
    for (const auto& [name, member] : holder->slots()) {
      HeldTensor slot{holder, name, (item.key().empty() ? "" : item.key() + ".") + name, *member};
      if (!own.contains(name)) {
        shared.push_back(std::move(slot));
        continue;
      }
      const c10::StorageImpl* memory = member->storage().unsafeGetStorageImpl();
      if (owned[memory].empty()) order.push_back(memory);
      owned[memory].push_back(std::move(slot));
    }
  }
  std::map<const c10::TensorImpl*, torch::Tensor> placed;  // by the tensor that stood there
  for (const c10::StorageImpl* memory : order) {
    const std::vector<HeldTensor>& slots = owned[memory];
    const std::optional<std::size_t> layer = layer_of(slots.front().full);
    const bool sharded =
        layer && std::all_of(slots.begin(), slots.end(), [&](const HeldTensor& slot) {
          return is_sharded_shape(slot.before.sizes()) && slot.before.is_contiguous() &&
                 !trained.contains(slot.full);
        });
    const auto bytes = static_cast<std::int64_t>(memory->nbytes());
    const torch::Tensor room = torch::empty({bytes}, options.dtype(torch::kUInt8));
    std::int64_t at = 0;
    if (sharded) {
      auto& pieces = made->layers_[*layer].pieces;
      at = pieces.empty() ? 0 : pieces.back().at + up_to(pieces.back().bytes, kAligned);
      pieces.push_back({room.storage(), at, bytes});
      made->all_ += bytes;
    }
    for (const HeldTensor& slot : slots) {
      torch::Tensor tensor = torch::empty({0}, options)
                                 .set_(room.storage(), slot.before.storage_offset(),
                                       slot.before.sizes(), slot.before.strides());
      if (sharded)
        made->parameters_[slot.full] = {
            *layer,
            at + slot.before.storage_offset() * static_cast<std::int64_t>(tensor.itemsize()),
            tensor.numel(), tensor.scalar_type()};
      placed[slot.before.unsafeGetTensorImpl()] = tensor;
      slot.holder->place(slot.name, tensor);
    }
    if (sharded) point(room.storage(), nullptr, 0);
  }
  for (const HeldTensor& slot : shared) {
    const auto now = placed.find(slot.before.unsafeGetTensorImpl());
    if (now != placed.end()) slot.holder->place(slot.name, now->second);
  }
  if (made->all_ == 0)
    return input_error(
        "No weight of a decoder's layer stays as it is, so there is nothing to shard.", where,
        "Leave --shard base out, or train an adapter.");
  for (Layer& layer : made->layers_) {
    std::vector<std::int64_t> sizes;
    for (const Piece& piece : layer.pieces) sizes.push_back(piece.bytes);
    layer.sizes = layer_sizes(sizes, made->ranks_->size());
    layer.mine = torch::zeros({layer.sizes.piece}, torch::kUInt8);
  }
  found.decoder->register_module("sharded", made);
  return {};
}

Status ShardedLayers::read(const std::string& parameter, const StoredParameter& stored,
                           const ReadWatch& watch, std::string* broken) const {
  const Place& place = parameters_.at(parameter);
  const Layer& layer = layers_[place.layer];
  const auto width = static_cast<std::int64_t>(c10::elementSize(place.type));
  const std::int64_t begin = layer.sizes.piece * ranks_->rank(), end = begin + layer.sizes.piece,
                     first = std::max(begin, place.at),
                     last = std::min(end, place.at + place.numbers * width);
  if (first >= last) return {};
  return stored.read_some((first - place.at) / width,
                          layer.mine.narrow(0, first - begin, last - first).view(place.type), watch,
                          broken);
}

Status ShardedLayers::open() {
  std::vector<torch::Tensor> pieces;
  std::int64_t largest = 0;
  for (const Layer& layer : layers_) {
    pieces.push_back(layer.mine);
    largest = std::max(largest, layer.sizes.whole);
  }
  const auto bytes = torch::TensorOptions().dtype(torch::kUInt8);
  coming_ = torch::empty({largest}, bytes);
  here_ = torch::empty({largest}, bytes.device(device_));
  return ranks_->keep(std::move(pieces));
}

void ShardedLayers::ask(std::size_t layer) {
  const LayerSizes& sizes = layers_[layer].sizes;
  if (const Status asked = ranks_->ask(layer, coming_.narrow(0, 0, sizes.whole)); !asked)
    throw std::runtime_error(asked.error().sentence());
  asked_ = layer;
}

void ShardedLayers::wait() {
  if (const Status came = ranks_->arrived(); !came)
    throw std::runtime_error(came.error().sentence());
  asked_.reset();
}

void ShardedLayers::let_go() {
  if (!there_) return;
  for (const Piece& piece : layers_[*there_].pieces) point(piece.storage, nullptr, 0);
  there_.reset();
}

void ShardedLayers::look_ahead(bool down) {
  if (asked_) return;
  std::size_t next = *there_;
  do {
    next = down ? next - 1 : next + 1;  // past the first one there is none, as past the last
  } while (next < layers_.size() && layers_[next].pieces.empty());
  if (next < layers_.size()) ask(next);
}

void ShardedLayers::take(std::size_t layer) {
  if (layers_[layer].pieces.empty()) return;  // all of it trains
  const torch::NoGradGuard no_grad;
  // A backward goes down from where the forward has come to; behind it the next forward goes up.
  const bool down = there_ && layer > 0 && layer <= *there_;
  if (there_ == layer) return look_ahead(down);
  if (asked_ && asked_ != layer) wait();  // for what nobody wants: the guess was wrong
  if (!asked_) ask(layer);
  wait();
  let_go();
  if (device_.is_cpu())
    std::swap(here_, coming_);
  else
    here_.copy_(coming_);  // behind what still reads the layer before
  auto* start = static_cast<std::byte*>(here_.mutable_data_ptr());
  for (const Piece& piece : layers_[layer].pieces)
    point(piece.storage, start + piece.at, piece.bytes);
  there_ = layer;
  look_ahead(down);
}

void ShardedLayers::bring(const std::string& name) {
  for (std::size_t i = 0; i < layers_.size(); ++i)
    if (name.starts_with(layers_[i].name + ".")) return take(i);
}

std::int64_t ShardedLayers::bytes_here() const {
  std::int64_t bytes = static_cast<std::int64_t>(here_.nbytes());
  if (!device_.is_cpu()) return bytes;
  bytes += static_cast<std::int64_t>(coming_.nbytes());
  for (const Layer& layer : layers_) bytes += layer.sizes.piece;
  return bytes;
}

std::shared_ptr<ShardedLayers> sharded_of(const Model& model) {
  const DecoderImpl* decoder = decoder_of(model).decoder;
  return decoder ? layers_of_ranks(*decoder) : nullptr;
}

std::shared_ptr<ShardedLayers> layers_of_ranks(const DecoderImpl& decoder) {
  for (const auto& each : decoder.children())
    if (auto found = std::dynamic_pointer_cast<ShardedLayers>(each)) return found;
  return nullptr;
}

torch::Tensor ComingLayer::forward(const torch::Tensor& x, const TokenSequence& sequence,
                                   const RotaryTable& rotary, KeyValueCache* cache) const {
  if (!weights) return block.forward(x, sequence, rotary, cache);
  weights->take(place);
  torch::Tensor y = block.forward(x, sequence, rotary, cache);
  // The gradient of y comes before all that the layer makes of it.
  if (y.requires_grad())
    y.register_hook([own = weights, at = place](const torch::Tensor&) { own->take(at); });
  return y;
}

}  // namespace luthier
