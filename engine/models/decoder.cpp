// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder.h"

#include <algorithm>

#include "engine/models/chameleon/chameleon_layer.h"
#include "engine/models/fuyu/persimmon_layer.h"
#include "engine/models/gemma3n/layer.h"
#include "engine/models/gemma4/layer.h"
#include "engine/models/idefics/gated_layer.h"
#include "engine/models/mllama/across_layer.h"
#include "engine/models/opt/opt_layer.h"
#include "engine/models/opt/opt_options.h"
#include "engine/models/sharded_layers.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/heads.h"
#include "engine/nn/side_by_side.h"
#include "engine/nn/state_watch.h"

namespace luthier {

using torch::Tensor;

Tensor own_rows(const Tensor& of_tokens, const TokenSequence& sequence) {
  return sequence.own.defined() ? of_tokens.index_select(0, sequence.own) : of_tokens;
}

bool rows_alone(const torch::nn::Module& module) {
  const auto* own = dynamic_cast<const ParameterModule*>(&module);
  if (own && !own->row_by_row()) return false;
  const auto* branch = dynamic_cast<const BranchPort*>(&module);
  if (branch && branch->branch_plug && !branch->branch_plug->row_by_row()) return false;
  const auto below = module.children();
  return std::all_of(below.begin(), below.end(),
                     [](const auto& child) { return rows_alone(*child); });
}

SelfAttentionImpl::SelfAttentionImpl(const DecoderOptions& o, std::int64_t layer,
                                     const torch::TensorOptions& tensors)
    : AttentionPort(o.num_key_value_heads, o.head_dim),
      TokenMixer(o.hidden_size),
      layer_(layer),
      heads_(o.num_attention_heads),
      kv_heads_(o.num_key_value_heads),
      head_dim_(o.head_dim),
      pairs_(o.neighbours_turn && o.turns(layer) ? o.rotary.dimension : 0),
      gate_(o.attention_gate),
      rule_{true, o.sliding_windows.at(static_cast<std::size_t>(layer)), o.attention_scale,
            o.attention_softcap, o.window_in_blocks} {
  const std::int64_t width = heads_ * head_dim_, narrow = kv_heads_ * head_dim_;
  if (o.fused_qkv) {
    qkv_proj_ =
        register_module("qkv_proj", Linear(o.hidden_size, width + 2 * narrow, o.qkv_bias, tensors));
  } else {
    const auto made = neighbouring_linears(
        o.hidden_size, {gate_ ? 2 * width : width, narrow, narrow}, o.qkv_bias, tensors);
    q_proj_ = register_module("q_proj", made[0]);
    k_proj_ = register_module("k_proj", made[1]);
    v_proj_ = register_module("v_proj", made[2]);
  }
  o_proj_ = register_module(o.lfm2_names ? "out_proj" : "o_proj",
                            Linear(heads_ * head_dim_, o.hidden_size, o.o_bias, tensors));
  if (!o.qk_norm) return;
  const auto norm = [&](const char* name) {
    return register_module(name, RmsNorm(head_dim_, o.rms_norm_eps, tensors, o.centred_norms));
  };
  q_norm_ = norm(o.lfm2_names ? "q_layernorm" : "q_norm");
  k_norm_ = norm(o.lfm2_names ? "k_layernorm" : "k_norm");
}

std::vector<Tensor> SelfAttentionImpl::products(const Tensor& x, std::size_t apart) const {
  if (!qkv_proj_) return side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()}, apart);
  const std::int64_t narrow = kv_heads_ * head_dim_;
  return qkv_proj_->forward(x).split_with_sizes({heads_ * head_dim_, narrow, narrow}, -1);
}

Tensor SelfAttentionImpl::forward(const Tensor& x, const TokenSequence& sequence,
                                  const RotaryTable& rotary, KeyValueCache* cache) {
  const bool begins = !cache || cache->length() == 0;
  const KeysAndValues first = begins ? before() : KeysAndValues();
  // What is kept of one of the three keeps the memory of all. Norms keep queries and keys as they
  // came, so that values which attention only copies get memory of their own; where attention keeps
  // values as they came, turned queries and keys take the place of what they were.
  const bool kept = keeps_as_given(x, heads_, kv_heads_, head_dim_, sequence.rows, rule_,
                                   sequence.blocks, first.count() > 0);
  const auto made =
      products(x, (q_norm_ && (gate_ || !kept)) || pairs_ > 0 ? std::size_t{2} : kNoneApart);
  const Tensor value = made[2].view({-1, kv_heads_, head_dim_});
  Tensor query = made[0], key = made[1].view({-1, kv_heads_, head_dim_}), open;
  if (gate_) {  // of each head first the query, then the gate
    const auto halves = query.view({-1, heads_, 2, head_dim_}).unbind(2);
    query = halves[0].contiguous(), key = key.contiguous();  // and the product's memory goes
    open = at::sigmoid(halves[1].reshape({-1, heads_ * head_dim_}));
  }
  query = query.view({-1, heads_, head_dim_});
  if (pairs_ > 0) query = pairs_apart(query, pairs_), key = pairs_apart(key, pairs_);
  const auto turned = rotary.cos.defined()
                          ? normed_and_turned(query, key, q_norm_, k_norm_, rotary, kept)
                          : std::pair<Tensor, Tensor>(query, key);
  const Tensor& scale = sequence.query_scale;
  const Tensor all = attend(scale.defined() ? turned.first * scale : turned.first, turned.second,
                            value, sequence.rows, rule_, sequence.blocks, cache, layer_, first);
  const Tensor mixture = own_rows(all, sequence);
  return o_proj_(gate_ ? mixture * own_rows(open, sequence) : mixture);
}

DecoderLayerImpl::DecoderLayerImpl(const DecoderOptions& o, std::int64_t layer,
                                   const torch::TensorOptions& tensors) {
  const auto norm = [&](const char* name) {
    return register_module(name, RmsNorm(o.hidden_size, o.rms_norm_eps, tensors, o.centred_norms));
  };
  if (o.delta && o.delta->linear.at(static_cast<std::size_t>(layer))) {
    mixer_ = register_module("linear_attn", GatedDeltaNet(*o.delta, layer, o.hidden_size,
                                                          o.rms_norm_eps, o.hidden_act, tensors));
  } else if (o.convolutions && o.convolutions->layers.at(static_cast<std::size_t>(layer))) {
    mixer_ =
        register_module("conv", GatedConvolution(*o.convolutions, layer, o.hidden_size, tensors));
  } else {
    mixer_ = register_module("self_attn", SelfAttention(o, layer, tensors));
  }
  if (o.experts && o.experts->sparse.at(static_cast<std::size_t>(layer)))
    mlp_ = std::make_shared<SparseMlpImpl>(o.hidden_size, *o.experts, o.hidden_act, tensors);
  else if (o.fused_mlp)
    mlp_ =
        std::make_shared<FusedMlpImpl>(o.hidden_size, o.intermediate_size, o.hidden_act, tensors);
  else
    mlp_ =
        std::make_shared<GatedMlpImpl>(o.hidden_size, o.intermediate_size, o.mlp_bias, o.hidden_act,
                                       tensors, o.lfm2_names ? kNumberedNames : kGatedNames);
  register_module(o.lfm2_names ? "feed_forward" : "mlp", mlp_);
  if (o.parallel) {
    shared_layernorm_ = register_module(
        "input_layernorm", LayerNorm(o.hidden_size, o.rms_norm_eps, tensors, /*with_bias=*/false));
    return;
  }
  if (o.lfm2_names) {
    input_layernorm_ = norm("operator_norm");
    post_attention_layernorm_ = norm("ffn_norm");
    return;
  }
  input_layernorm_ = norm("input_layernorm");
  if (o.norms_by_place) {
    pre_feedforward_layernorm_ = norm("post_attention_layernorm");
    post_attention_layernorm_ = norm("post_self_attn_layernorm");
    post_feedforward_layernorm_ = norm("post_mlp_layernorm");
    return;
  }
  post_attention_layernorm_ = norm("post_attention_layernorm");
  if (!o.sandwich_norms) return;
  pre_feedforward_layernorm_ = norm("pre_feedforward_layernorm");
  post_feedforward_layernorm_ = norm("post_feedforward_layernorm");
}

Tensor DecoderLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                 const RotaryTable& rotary, KeyValueCache* cache) {
  if (shared_layernorm_) return side_by_side_halves(all, sequence, rotary, cache);
  // Chosen before attention: the gradient of what goes past it is spread out after attention's.
  const Tensor x = own_rows(all, sequence);
  const Tensor mixed = mixer_->forward(input_layernorm_(all), sequence, rotary, cache);
  if (pre_feedforward_layernorm_) {
    const auto [attended, normal] = pre_feedforward_layernorm_->after_sum(
        x, mixer_->joined(post_attention_layernorm_(mixed), x));
    const Tensor fed = post_feedforward_layernorm_(mlp_->forward(normal, sequence.routers.get()));
    return attended + mlp_->joined(fed, attended);
  }
  const auto [attended, normal] = post_attention_layernorm_->after_sum(x, mixer_->joined(mixed, x));
  return attended + mlp_->joined(mlp_->forward(normal, sequence.routers.get()), attended);
}

Tensor DecoderLayerImpl::side_by_side_halves(const Tensor& all, const TokenSequence& sequence,
                                             const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor normal = shared_layernorm_(all);
  const Tensor x = own_rows(all, sequence), own = own_rows(normal, sequence);
  const Tensor mixed = mixer_->forward(normal, sequence, rotary, cache);
  const Tensor attended = x + mixer_->joined(mixed, x);
  return attended + mlp_->joined(mlp_->forward(own, sequence.routers.get()), x);
}

namespace {

constexpr const char* kPositions = "embed_positions";

bool is_opt(const DecoderOptions& options) { return options.model_type == kOptDecoder; }

/// The sequence's embeddings with those of its tokens' places, where a decoder has a table of
/// places. `end`: one past the largest position, where it is known.
Tensor with_places(const DecoderImpl& decoder, const Tensor& embeddings, const Tensor& positions,
                   const std::optional<std::int64_t>& end) {
  if (!is_opt(decoder.options)) return embeddings;
  const auto parts = decoder.named_children();
  const auto* table = parts[kPositions]->as<EmbeddingImpl>();
  const std::int64_t places = decoder.options.rotary.max_position_embeddings;
  TORCH_CHECK(!end || *end <= places, "a row of ", end.value_or(0),
              " tokens is longer than the model's ", places, " positions");
  return embeddings + table->forward(positions + kOptRowsBefore);
}

}  // namespace

DecoderImpl::DecoderImpl(const DecoderOptions& o, const torch::TensorOptions& tensors)
    : SequencePort(o.hidden_size), options(o) {
  embed_tokens = register_module(
      "embed_tokens", Embedding(o.vocab_size + o.more_embeddings, o.hidden_size, tensors));
  if (is_opt(o)) {
    register_module(kPositions, Embedding(o.rotary.max_position_embeddings + kOptRowsBefore,
                                          o.hidden_size, tensors));
  }
  const bool persimmon = o.model_type == "persimmon";
  torch::nn::ModuleList layers;
  const auto add = [&](const auto& layer) {
    layers_.push_back(layer);
    layers->push_back(layer);
  };
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    if (o.gemma3n)
      add(std::make_shared<Gemma3nLayerImpl>(o, i, tensors));
    else if (o.gemma4)
      add(std::make_shared<Gemma4LayerImpl>(o, i, tensors));
    else if (o.looks_across(i))
      add(std::make_shared<AcrossLayerImpl>(o, i, tensors));
    else if (is_opt(o))
      add(std::make_shared<OptLayerImpl>(o, i, tensors));
    else if (persimmon)
      add(std::make_shared<PersimmonLayerImpl>(o, i, tensors));
    else if (o.model_type == "chameleon")
      add(std::make_shared<ChameleonLayerImpl>(o, i, tensors));
    else if (o.model_type == "idefics")
      add(std::make_shared<IdeficsLayerImpl>(o, i, tensors));
    else
      add(std::make_shared<DecoderLayerImpl>(o, i, tensors));
  }
  register_module("layers", layers);
  if (is_opt(o)) {
    layer_norm_ =
        register_module("final_layer_norm", LayerNorm(o.hidden_size, kOptNormEpsilon, tensors));
    return;
  }
  if (o.parallel)
    layer_norm_ = register_module(
        "norm", LayerNorm(o.hidden_size, o.rms_norm_eps, tensors, /*with_bias=*/false));
  else if (persimmon)
    layer_norm_ =
        register_module("final_layernorm", LayerNorm(o.hidden_size, o.rms_norm_eps, tensors));
  else
    norm_ = register_module(o.lfm2_names ? "embedding_norm" : "norm",
                            RmsNorm(o.hidden_size, o.rms_norm_eps, tensors, o.centred_norms,
                                    /*once=*/o.gemma4.has_value()));
  rotary_ = RotaryEmbedding(o.rotary);
  if (o.two_rotaries) local_rotary_ = RotaryEmbedding(o.local_rotary);
  if (o.gemma4 && o.gemma4->per_layer_width > 0) per_layer_.emplace(*this, o, tensors);
  if (o.gemma3n) streams_.emplace(*this, o, tensors);
}

Tensor DecoderImpl::embed(const Tensor& ids) const {
  const Tensor found = embed_tokens->forward(ids);
  // The scale has the weights' precision, as in Gemma's own embedding.
  return options.embedding_scale == 1 ? found
                                      : found * torch::full({}, options.embedding_scale,
                                                            found.options().requires_grad(false));
}

bool DecoderImpl::forks() const {
  if (!options.forks() || sequence_plug || !rows_alone(*this)) return false;
  return std::all_of(layers_.begin(), layers_.end(),
                     [](const auto& layer) { return layer->count_before() == 0; });
}

TokenSequence with_prompt(const TokenSequence& sequence, const Tensor& prompt) {
  const torch::Device device = sequence.embeddings.device();
  const std::int64_t count = prompt.size(0);
  std::vector<std::int64_t> lengths, places;
  std::vector<Tensor> parts;
  std::int64_t start = 0, place = 0;
  const Tensor first = prompt.to(sequence.embeddings.scalar_type());
  for (const std::int64_t length : sequence.rows.lengths()) {
    lengths.push_back(count + length);
    parts.push_back(first);
    parts.push_back(sequence.embeddings.slice(0, start, start + length));
    place += count;
    for (std::int64_t i = 0; i < length; ++i) places.push_back(place++);
    start += length;
  }
  TokenSequence extended = sequence;
  extended.rows = RowLayout(std::move(lengths));
  extended.embeddings = at::cat(parts);
  // Text positions for the whole row, each token seeing those before it alone, as PEFT has them:
  // what a picture's or a prompt's tokens would have of their own is given up.
  extended.positions = extended.position_offsets = extended.blocks = Tensor();
  const Tensor moved = torch::tensor(places, torch::kInt64).to(device);
  if (sequence.deepstack_places.defined())
    extended.deepstack_places = moved.index_select(0, sequence.deepstack_places);
  extended.own = sequence.own.defined() ? moved.index_select(0, sequence.own) : moved;
  return extended;
}

Tensor DecoderImpl::forward(const TokenSequence& sequence, KeyValueCache* cache,
                            bool checkpointing) {
  const bool begins = !cache || cache->length() == 0;
  if (!sequence_plug || !begins) return run(sequence, cache, checkpointing);
  const TokenSequence extended = sequence_plug->extend(sequence);
  if (cache) cache->reserve(extended.rows.longest() - sequence.rows.longest());
  return run(extended, cache, checkpointing);
}

namespace {

/// A layer that is made once more in the backward, with what it reads beside its input (`source`:
/// the layer whose keys and values it sees), what it makes for later layers, and what its router is
/// looked at for.
Tensor checkpointed_with_all(const ComingLayer& layer, const Tensor& x, const TokenSequence& frame,
                             const RotaryTable& rotary, std::int64_t source) {
  using Seen = std::map<std::int64_t, KeysAndValues>;
  std::vector<Tensor> inputs{x};
  const bool embedded = frame.layer_input.defined();
  if (embedded) inputs.push_back(frame.layer_input);
  const bool given = frame.seen && frame.seen->contains(source);
  if (given) {
    const KeysAndValues& known = frame.seen->at(source);
    inputs.insert(inputs.end(), {known.keys, known.values});
  }
  TokenSequence beside = frame;  // without tensors that have a graph
  beside.layer_input = Tensor();
  beside.seen.reset();
  const std::shared_ptr<RouterNotes> notes = frame.routers;
  const auto block = [layer, beside, rotary, notes, embedded, given,
                      source](const std::vector<Tensor>& in) {
    TokenSequence own = beside;
    if (embedded) own.layer_input = in[1];
    own.seen = std::make_shared<Seen>();
    if (given) (*own.seen)[source] = {in[in.size() - 2], in.back()};
    if (notes) {
      own.routers = std::make_shared<RouterNotes>();
      own.routers->rows = notes->rows, own.routers->tokens = notes->tokens;
    }
    std::vector<Tensor> made{layer.forward(in[0], own, rotary, nullptr)};
    if (const auto found = own.seen->find(source); !given && found != own.seen->end())
      made.insert(made.end(), {found->second.keys, found->second.values});
    if (notes) {
      for (const RouterNotes::Layer& each : own.routers->layers)
        made.insert(made.end(), {each.probabilities, each.counts});
    }
    return made;
  };
  const std::vector<Tensor> made = checkpointed_all(block, inputs);
  const bool noted = notes && made.size() >= 3 && made.back().dim() == 1;
  if (noted) notes->layers.push_back({made[made.size() - 2], made.back().detach()});
  if (frame.seen && !given && made.size() >= (noted ? 5u : 3u))
    (*frame.seen)[source] = {made[1], made[2]};
  return made[0];
}

/// A layer that is made once more in the backward, and looks across to pictures' states.
Tensor checkpointed_across(const ComingLayer& layer, const Tensor& x, const TokenSequence& frame,
                           const RotaryTable& rotary) {
  TokenSequence beside = frame;  // without tensors that have a graph
  PictureSight sight = *frame.sight;
  sight.states = Tensor();
  beside.sight.reset();
  const auto block = [layer, beside, sight, rotary](const Tensor& in, const Tensor& states) {
    const auto shown = std::make_shared<PictureSight>(sight);
    shown->states = states;
    TokenSequence own = beside;
    own.sight = shown;
    return layer.forward(in, own, rotary, nullptr);
  };
  return checkpointed(block, x, frame.sight->states);
}

bool sees_pictures(const DecoderBlock& block) {
  const auto* sees = dynamic_cast<const SeesPictures*>(&block);
  return sees && sees->sees_pictures();
}

/// [tokens, 1, 1] float32.
Tensor query_scale(const DecoderOptions& o, const Tensor& positions) {
  const Tensor lengths =
      at::floor(positions.to(torch::kFloat32) / static_cast<double>(o.query_scale_length));
  return (1 + o.query_scale_beta * at::log(1 + lengths)).view({-1, 1, 1});
}

}  // namespace

Tensor DecoderImpl::run(const TokenSequence& sequence, KeyValueCache* cache, bool checkpointing) {
  const torch::Device device = sequence.embeddings.device();
  const bool begins = !cache || cache->length() == 0;
  const bool by_length = rotary_.goes_by_length() || local_rotary_.goes_by_length();
  if (by_length && sequence.rows.stands())
    throw StandingRowsAsked("the length that its positions go by");
  if (options.experts && sequence.rows.stands())
    throw StandingRowsAsked("how many tokens each expert gets");
  if (options.carries_states() && sequence.rows.stands())
    throw StandingRowsAsked("where the rows that a state is carried along end");
  if (sequence.sight && sequence.rows.stands())
    throw StandingRowsAsked("which of its pictures each token sees");
  const std::int64_t before = begins && !layers_.empty() ? layers_.front()->count_before() : 0;
  if (cache && before > 0) cache->reserve(before);
  Tensor positions = sequence.positions;
  std::optional<std::int64_t> end;  // one past the largest position, where it is known here
  if (cache && cache->stands()) {
    positions = cache->positions();
  } else if (!positions.defined()) {
    positions = sequence.rows.positions(device);
    end = before + sequence.rows.reach();
    if (cache && cache->length() > 0) {
      positions = positions + cache->length();
      end = *end + cache->length();
      if (cache->position_offsets.defined()) {
        end.reset();
        positions = positions +
                    cache->position_offsets.to(device).repeat_interleave(sequence.rows.longest());
      }
    }
  }
  if (before > 0) positions = positions + before;
  if (cache && sequence.position_offsets.defined())
    cache->position_offsets = sequence.position_offsets;
  if (cache && (by_length || options.experts || options.carries_states())) cache->can_stand = false;
  if (cache && sequence.sight) cache->can_stand = false;
  if (cache) cache->can_join = !by_length;  // positions are made of each row's own offset
  const torch::ScalarType dtype = sequence.embeddings.scalar_type();
  const RotaryTable none{};
  const RotaryTable whole = is_opt(options) ? none : rotary_.table(positions, dtype, end);
  const RotaryTable local =
      options.two_rotaries ? local_rotary_.table(positions, dtype, end) : RotaryTable();

  TokenSequence frame = sequence;  // what the layers read of it; the states pass through them
  // Up to that length the scale is 1.
  if (options.query_scale_beta != 0 && (!end || *end > options.query_scale_length))
    frame.query_scale = query_scale(options, positions).to(dtype);
  frame.embeddings = Tensor();
  if (before > 0) frame.blocks = Tensor();  // as with_prompt()
  frame.own = frame.ids = Tensor();
  frame.trains = is_training() && at::GradMode::is_enabled();
  std::vector<Tensor> layer_inputs;
  if (per_layer_) layer_inputs = per_layer_->forward(sequence.ids, sequence.embeddings);
  if (options.gemma4) frame.seen = std::make_shared<std::map<std::int64_t, KeysAndValues>>();
  StateWatch* const watch = StateWatch::here();
  // The last layer's states are asked of those alone, and may be made of them alone: where nothing
  // is added to all of them behind it.
  const bool narrow = !watch && sequence.own.defined() && sequence.own.size(0) > 0 &&
                      !layers_.empty() && sequence.deepstack.size() < layers_.size() &&
                      layers_.back()->narrows();
  if (RouterNotes* notes = sequence.routers.get()) {
    const std::vector<std::int64_t>& lengths = sequence.rows.lengths();
    for (std::size_t row = 0; row < notes->rows; ++row) notes->tokens += lengths.at(row);
  }
  const auto weights = layers_of_ranks(*this);
  Tensor x = streams_ ? streams_->spread(sequence.embeddings)
                      : with_places(*this, sequence.embeddings, positions, end);
  if (watch && watch->asks(0)) watch->take(watch->at_places(x));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const ComingLayer layer{*layers_[i], weights, i};
    if (narrow && i + 1 == layers_.size()) frame.own = sequence.own;
    const bool across = options.looks_across(static_cast<std::int64_t>(i));
    if (across && !sequence.sight && !cache) continue;  // text alone passes it by
    const bool turns = options.turns(static_cast<std::int64_t>(i));
    const RotaryTable& rotary = !turns                                               ? none
                                : options.two_rotaries && options.sliding_windows[i] ? local
                                                                                     : whole;
    if (per_layer_) frame.layer_input = layer_inputs[i];
    if (checkpointing && !cache && (sequence.routers || options.gemma4)) {
      x = checkpointed_with_all(layer, x, frame, rotary,
                                options.gemma4 ? options.gemma4->sources[i] : -1);
    } else if (checkpointing && !cache && sequence.sight && sees_pictures(*layers_[i])) {
      x = checkpointed_across(layer, x, frame, rotary);
    } else if (checkpointing && !cache) {
      x = checkpointed([layer, rotary, frame](
                           const Tensor& in) { return layer.forward(in, frame, rotary, nullptr); },
                       x);
    } else {
      x = layer.forward(x, frame, rotary, cache);
    }
    if (i < sequence.deepstack.size())
      x = x.index_add(0, sequence.deepstack_places, sequence.deepstack[i].to(dtype));
    if (watch && i + 1 < layers_.size() && watch->asks(static_cast<std::int64_t>(i) + 1))
      watch->take(watch->at_places(x));
  }
  const auto normed = [this](const Tensor& all) {
    return layer_norm_ ? layer_norm_(all) : norm_(all);
  };
  if (watch && watch->asks(std::ssize(layers_))) watch->take(normed(watch->at_places(x)));
  if (cache) cache->advance(before + sequence.rows.longest());
  Tensor last = narrow ? x : own_rows(x, sequence);
  if (streams_) last = streams_->joined(last);
  return normed(last);
}

}  // namespace luthier
