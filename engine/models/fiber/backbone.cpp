// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/fiber/backbone.h"

#include "engine/models/bert/named_parts.h"
#include "engine/models/swin/swin_layer.h"
#include "engine/nn/attention.h"
#include "engine/nn/checkpointing.h"

namespace luthier::fiber {

using torch::Tensor;

namespace {

/// What is set aside of the n-th fused layer's maps.
std::string aside_of(const char* what, std::size_t pair) {
  return std::string("fiber_") + what + "_" + std::to_string(pair);
}

}  // namespace

Tensor FusedTextLayer::fused(const Tensor& x, const RowLayout& rows, const FusedAttention& look,
                             const RowStates& picture, bool last_norm) const {
  const LayerFrame frame{rows};
  return behind_attention(x, look.forward(attention(x, frame), rows, picture), frame, last_norm);
}

Backbone::Backbone(torch::nn::Module& model, const Options& o, const torch::TensorOptions& t)
    : options_(o) {
  swin_ = model.register_module("swin", std::make_shared<SwinBody>(o.vision, t));
  const auto texts = model.register_module("roberta", std::make_shared<EncoderPart>());
  embeddings_ = texts->register_module("embeddings", std::make_shared<TextEmbeddings>(o.tables, t));
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i)
    text_layers_.push_back(register_at(*texts, "encoder.layer." + std::to_string(i),
                                       std::make_shared<FusedTextLayer>(o.layer, kBertLayer, t)));
  for (std::int64_t pair = 0; pair < o.num_fuse_block; ++pair) {
    const SwinMap own = map(pair);
    const std::string number = std::to_string(pair);
    of_images_.push_back(register_at(
        model, "image_fusion." + number,
        std::make_shared<FusedAttention>(FusionSizes{own.width, o.layer.hidden, own.heads,
                                                     o.vision.qkv_bias, o.vision.layer_norm_eps},
                                         t)));
    of_texts_.push_back(register_at(
        model, "text_fusion." + number,
        std::make_shared<FusedAttention>(
            FusionSizes{o.layer.hidden, own.width, o.layer.heads, true, std::nullopt}, t)));
  }
}

SwinMap Backbone::map(std::int64_t pair) const {
  return swin_->map_of(options_.first_image_layer() + pair, swin_->own_frames(1));
}

Tensor Backbone::begin(const Tensor& pixels) const {
  TORCH_CHECK(pixels.size(2) == options_.vision.image_height &&
                  pixels.size(3) == options_.vision.image_width,
              "the picture is not of the model's size");
  return swin_->through(swin_->begin(pixels), 0, options_.first_image_layer()).flatten(0, 2);
}

Tensor Backbone::images(const Tensor& begun) const {
  const SwinMap first = first_map();
  const Tensor maps = begun.view({-1, first.rows, first.columns, first.width});
  const Tensor last = swin_->through(maps, options_.first_image_layer(), options_.image_layers());
  return swin_->normed(last).mean({1, 2});
}

Tensor Backbone::texts(const Tensor& ids, const Tensor& types, const RowLayout& rows,
                       bool checkpointing) const {
  Tensor x = embeddings_->forward(ids, types, rows);
  for (const auto& layer : text_layers_) {
    const auto run = [&layer, rows](const Tensor& in) { return layer->forward(in, {rows}); };
    x = checkpointing ? checkpointed(run, x) : run(x);
  }
  return x;
}

Backbone::Fused Backbone::fused(const Tensor& begun, const Tensor& ids, const Tensor& types,
                                const FusedRows& rows, bool images_too, bool checkpointing) const {
  Tensor text = embeddings_->forward(ids, types, rows.words);
  const auto first = static_cast<std::size_t>(options_.first_text_layer());
  for (std::size_t i = 0; i < first; ++i) {
    const auto& layer = text_layers_[i];
    const auto run = [&layer, words = rows.words](const Tensor& in) {
      return layer->forward(in, {words});
    };
    text = checkpointing ? checkpointed(run, text) : run(text);
  }
  Tensor image = begun;  // [rows · places, width] of each layer's map
  for (std::size_t pair = 0; pair < of_texts_.size(); ++pair) {
    const std::int64_t number = options_.first_image_layer() + static_cast<std::int64_t>(pair);
    const bool last = pair + 1 == of_texts_.size(), seen = !last || images_too;
    const SwinMap own = map(static_cast<std::int64_t>(pair));
    const RowLayout words = rows.words, maps = rows.maps[pair];
    const auto run = [this, pair, number, last, seen, own, words,
                      maps](const std::vector<Tensor>& in) {
      const RowStates said{in[1], words}, shown{in[0], maps};
      std::vector<Tensor> out;
      if (seen) {
        const Tensor whole = in[0].view({-1, own.rows, own.columns, own.width});
        out.push_back(swin_->layer(number).forward(whole, [&](const Tensor& made) {
          const Tensor flat = made.reshape({-1, own.width});
          return of_images_[pair]->forward(flat, maps, said).view(made.sizes());
        }));
      }
      const auto& layer = text_layers_[text_layers_.size() - of_texts_.size() + pair];
      out.push_back(layer->fused(in[1], words, *of_texts_[pair], shown, /*last_norm=*/!last));
      return out;
    };
    const std::vector<Tensor> in{image, text},
        out = checkpointing ? checkpointed_all(run, in) : run(in);
    text = out.back();
    if (!seen) return {text, {}};
    image = swin_->merged(out.front(), number);
    if (last) return {text, image.mean({1, 2})};
    image = image.flatten(0, 2);
  }
  return {text, {}};
}

FusedRows Backbone::rows_of(const RowLayout& words) const {
  FusedRows rows{words, {}};
  for (std::int64_t pair = 0; pair < options_.num_fuse_block; ++pair) {
    const std::int64_t places = map(pair).places();
    if (!rows.maps.empty() && rows.maps.back().tokens() == words.rows() * places)
      rows.maps.push_back(rows.maps.back());  // which share what is made of them once
    else
      rows.maps.emplace_back(
          std::vector<std::int64_t>(static_cast<std::size_t>(words.rows()), places));
  }
  return rows;
}

void Backbone::set_aside(const RowLayout& words, NamedTensorMap& aside) const {
  const FusedRows rows = rows_of(words);
  for (std::size_t pair = 0; pair < rows.maps.size(); ++pair) {
    const RowLayout& maps = rows.maps[pair];
    if (pair > 0 && maps.tokens() == rows.maps[pair - 1].tokens()) continue;
    const std::string name = aside_of("maps", pair);
    maps.set_aside(aside, name);
    // All are of one length: texts of several look across to them by their ends still.
    aside[name + " ends"] = maps.ends(torch::kCPU);
    set_across_aside(words, maps, aside, aside_of("words_across", pair));
    set_across_aside(maps, words, aside, aside_of("maps_across", pair));
  }
}

void Backbone::take_back(FusedRows& rows, const NamedTensorMap& aside) const {
  for (std::size_t pair = 0; pair < rows.maps.size(); ++pair) {
    if (pair > 0 && rows.maps[pair].tokens() == rows.maps[pair - 1].tokens()) {
      rows.maps[pair] = rows.maps[pair - 1];
      continue;
    }
    rows.maps[pair].take_back(aside, aside_of("maps", pair));
    take_across_back(rows.words, rows.maps[pair], aside, aside_of("words_across", pair));
    take_across_back(rows.maps[pair], rows.words, aside, aside_of("maps_across", pair));
  }
}

}  // namespace luthier::fiber
