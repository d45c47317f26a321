// SPDX-License-Identifier: GPL-3.0-or-later
// The one causal decoder. Its options make it Llama, Mistral, Ministral 3, Qwen2, Qwen3, SmolLM3,
// Cohere 2, Phi-3, Gemma, Gemma 2, Gemma 3 and the text halves of the Qwen-VL and GLM-V models
// (each equal to the class of that name in transformers 5.17): pre-norm layers of grouped-query
// attention with rotary positions and a gated MLP, or a mixture of such. Qwen3.5's layers are
// attention or the gated delta rule (delta_net.h), LFM2's attention or a gated short convolution
// (gated_convolution.h). Gemma 4's have a file of their own (gemma4/layer.h), and so have those of
// Gemma 3n (gemma3n/layer.h) and of Llama 3.2 Vision's layers that look across to pictures
// (mllama/across_layer.h).
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "engine/models/decoder_block.h"
#include "engine/models/delta_net.h"
#include "engine/models/feed_forward.h"
#include "engine/models/gated_convolution.h"
#include "engine/models/gemma3n/alt_up.h"
#include "engine/models/gemma3n/layer_options.h"
#include "engine/models/gemma4/layer_options.h"
#include "engine/models/gemma4/per_layer.h"
#include "engine/models/token_mixer.h"
#include "engine/nn/attention.h"
#include "engine/nn/rotary.h"

namespace luthier {

// What the modules answer when they are asked what a step costs: models/cost.h.
struct AttentionBranchCost;
struct DecoderEntry;
struct LayerCost;
struct Pass;
struct PictureSight;  // mllama/picture_sight.h
struct RowsShape;
struct Stage;

struct DecoderOptions {
  std::string model_type;
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  double rms_norm_eps = 1e-6, initializer_range = 0.02;
  Activation hidden_act = Activation::Silu;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;          ///< RMSNorm of each head's query and key (Qwen3, Gemma 3)
  bool attention_gate = false;   ///< a sigmoid of the input opens what attention gives (Qwen3.5)
  bool centred_norms = false;    ///< Gemma's and Qwen3.5's 1 + weight
  bool sandwich_norms = false;   ///< norms after attention and MLP too (Gemma 2 and 3)
  bool norms_by_place = false;   ///< and all four are called by what they follow (GLM)
  bool fused_mlp = false;        ///< the MLP's gate and up are one product (GLM, Phi-3)
  bool lfm2_names = false;       ///< LFM2's own names of norms and products
  bool fused_qkv = false;        ///< queries, keys and values are one product (Phi-3)
  bool neighbours_turn = false;  ///< rotary positions turn features 2i and 2i + 1 together (GLM)
  bool parallel = false;         ///< attention and MLP read one LayerNorm, of a weight alone, and
                                 ///< are added to the states together (Cohere 2)
  double embedding_scale = 1;    ///< √hidden_size for Gemma
  double logit_scale = 1;        ///< of what the head gives (Cohere 2)
  double attention_scale = 0;  ///< query_pre_attn_scalar^−½ for Gemma 2 and 3; 0: 1 / √head_dim
  double attention_softcap = 0;  ///< Gemma 2
  double final_softcap = 0;      ///< of the head's logits (Gemma 4)
  bool tie_word_embeddings =
      false;  ///< as the text config says; families also ask the config around it
  RotaryOptions rotary, local_rotary;  ///< the second for sliding layers, where `two_rotaries`
  bool two_rotaries = false;           ///< Gemma 3
  std::vector<std::optional<std::int64_t>>
      sliding_windows;  ///< one a layer; nullopt: full attention
  bool window_in_blocks =
      false;  ///< a window bounds what a block's tokens see of one another, too (Gemma 3)
  std::vector<bool> unturned;  ///< layers whose queries and keys know no positions (SmolLM3,
                               ///< Cohere 2); empty: none
  /// Ministral 3: queries grow by 1 + beta · log(1 + ⌊position / length⌋); beta 0: they do not.
  double query_scale_beta = 0;
  std::int64_t query_scale_length = 0;
  std::optional<ExpertOptions> experts;  ///< some layers have a mixture of experts for their MLP
  std::optional<DeltaOptions> delta;     ///< some layers carry a state in the place of attention
  std::optional<ConvolutionOptions> convolutions;  ///< and some a few columns (LFM2)
  std::optional<Gemma4Options> gemma4;             ///< all layers are Gemma 4's
  std::optional<Gemma3nOptions> gemma3n;           ///< or Gemma 3n's, which have those settings too
  std::vector<bool> across;  ///< layers that look across to pictures in the place of their own row
                             ///< (Llama 3.2 Vision); empty: none
  std::int64_t more_embeddings = 0;  ///< rows of the embedding that the head does not have

  /// Of some layers the cache holds what is carried along a row, not keys and values.
  bool carries_states() const { return delta || convolutions; }
  /// Whether rows may fork: experts count their tokens, Gemma 4's layers see those of others, and
  /// pictures are looked across to row by row.
  bool forks() const {
    return !carries_states() && !experts && !gemma4 && !gemma3n && across.empty();
  }

  bool looks_across(std::int64_t layer) const {
    return !across.empty() && across.at(static_cast<std::size_t>(layer));
  }
  bool turns(std::int64_t layer) const {
    return unturned.empty() || !unturned.at(static_cast<std::size_t>(layer));
  }
};
/// Reads a text config with the defaults of its model_type's configuration class; `default_type`
/// where it names none. An Input error for types that are not known.
Result<DecoderOptions> read_decoder_options(const Json& text_config, const std::string& where,
                                            const std::string& default_type = "llama");

/// A batch on its way through the decoder: the tokens of all rows one after another.
struct TokenSequence {
  torch::Tensor embeddings;  ///< [tokens, hidden]
  RowLayout rows;
  torch::Tensor positions;  ///< [tokens], or [3, tokens] for M-RoPE, int64; undefined: each row
                            ///< counts from 0, or goes on from the cache
  torch::Tensor position_offsets;  ///< [rows] int64: what decoding adds to a row's length for its
                                   ///< next position; undefined: 0
  torch::Tensor blocks;  ///< [tokens] int64: tokens of one block (≥ 0) see one another both ways;
                         ///< undefined: none
  std::vector<torch::Tensor> deepstack;  ///< added to the hidden states at `deepstack_places` after
                                         ///< the first layers, one a layer
  torch::Tensor deepstack_places;        ///< [image tokens] int64, into `tokens`
  /// Where mixtures of experts write down what they made of the tokens; null: nowhere.
  std::shared_ptr<RouterNotes> routers;
  torch::Tensor query_scale;  ///< [tokens, 1, 1]: what queries are multiplied with after they have
                              ///< turned; the decoder makes it; undefined: nothing
  torch::Tensor ids;  ///< [tokens] int64: what each layer's own embeddings are looked up by, the
                      ///< padding's id where a picture stands (Gemma 4); else undefined
  /// Made by the decoder for one of Gemma 4's layers: its own embeddings of the tokens [tokens,
  /// width], and the keys and values that later layers see, by the layer that made them.
  torch::Tensor layer_input;
  bool trains = false;  ///< made by the decoder: a step of a model that trains
  std::shared_ptr<std::map<std::int64_t, KeysAndValues>> seen;
  std::shared_ptr<const PictureSight> sight;  ///< what layers that look across to pictures see;
                                              ///< null: there are none
  torch::Tensor own;  ///< [own tokens] int64, into `tokens`: whose states are asked for, of the
                      ///< rows' own tokens; one may be named twice; undefined: all of them
};

/// The sequence with `prompt` [count, hidden] in front of each row, as tokens of it that are no
/// text: they take the row's first positions, and what stood in `sequence` keeps its order.
TokenSequence with_prompt(const TokenSequence& sequence, const torch::Tensor& prompt);

class SelfAttentionImpl : public torch::nn::Module, public AttentionPort, public TokenMixer {
 public:
  SelfAttentionImpl(const DecoderOptions& options, std::int64_t layer,
                    const torch::TensorOptions& tensors);
  /// x [tokens, hidden] → [own tokens, hidden]. An empty table: queries and keys stay as they are.
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return AttentionPort::count_before(); }

 private:
  std::int64_t layer_, heads_, kv_heads_, head_dim_;
  std::int64_t pairs_;  ///< features of a head that turn by neighbouring pairs; 0: none do
  bool gate_;           ///< the query's product holds a gate as wide, too
  AttentionRule rule_;
  /// The queries', keys' and values' products of x, [tokens, width] each; those from the place
  /// `apart` on get memory of their own where they are three.
  std::vector<torch::Tensor> products(const torch::Tensor& x, std::size_t apart) const;

  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
  Linear qkv_proj_{nullptr};  ///< in the place of the first three
  RmsNorm q_norm_{nullptr}, k_norm_{nullptr};
};
TORCH_MODULE(SelfAttention);

class DecoderLayerImpl : public torch::nn::Module, public DecoderBlock {
 public:
  DecoderLayerImpl(const DecoderOptions& options, std::int64_t layer,
                   const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  bool narrows() const override { return rows_alone(*this); }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return mixer_->count_before(); }
  const torch::nn::Module& module() const override { return *this; }

 private:
  torch::Tensor side_by_side_halves(const torch::Tensor& all, const TokenSequence& sequence,
                                    const RotaryTable& rotary, KeyValueCache* cache);
  LayerCost side_by_side_cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                              std::int64_t asked, bool flows) const;

  std::shared_ptr<TokenMixer> mixer_;
  std::shared_ptr<FeedForward> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr},
      pre_feedforward_layernorm_{nullptr}, post_feedforward_layernorm_{nullptr};
  LayerNorm shared_layernorm_{nullptr};  ///< in the place of all of them, before both halves
};
TORCH_MODULE(DecoderLayer);

class DecoderImpl : public torch::nn::Module, public SequencePort {
 public:
  DecoderImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  /// ids [tokens] → [tokens, hidden], scaled where the model scales them.
  torch::Tensor embed(const torch::Tensor& ids) const override;
  /// See Causal::forks.
  bool forks() const;
  /// → [own tokens, hidden] after the final norm: what a plug has put before them is left out. The
  /// last layer makes no others, where it can. With a cache (rows of equal length) positions
  /// continue from it.
  torch::Tensor forward(const TokenSequence& sequence, KeyValueCache* cache, bool checkpointing);
  /// Where each layer looks its own embeddings up by the tokens' ids, a prompt that is no text has
  /// none; nor has it a place among the tokens that see a picture.
  bool takes_prompts() const override { return !per_layer_ && options.across.empty(); }
  /// The stages of forward(): what all layers share, the layers, the final norm.
  void add_cost(const Pass& pass, const DecoderEntry& entry, std::vector<Stage>& stages) const;
  /// Trained numbers of layers that a batch without pictures passes by.
  std::int64_t passed_by(const StepTerms& terms) const;

  Embedding embed_tokens{nullptr};
  const DecoderOptions options;

 private:
  torch::Tensor run(const TokenSequence& sequence, KeyValueCache* cache, bool checkpointing);

  std::vector<std::shared_ptr<DecoderBlock>> layers_;
  std::optional<PerLayerEmbeddings> per_layer_;
  std::optional<Streams> streams_;  ///< several states a token pass through the layers (Gemma 3n)
  RmsNorm norm_{nullptr};
  LayerNorm layer_norm_{nullptr};  ///< in its place
  RotaryEmbedding rotary_, local_rotary_;
};
TORCH_MODULE(Decoder);

}  // namespace luthier
