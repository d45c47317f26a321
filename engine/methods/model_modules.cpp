// SPDX-License-Identifier: GPL-3.0-or-later
// The modules that our classes have no need of and transformers' have: what holds others, and what
// holds no tensor. A pattern of PEFT's that meets one of them fails there, so they are known here.
#include <array>
#include <string_view>

#include "engine/methods/module_selection.h"

namespace luthier {

namespace {

struct Beside {
  std::string_view end,
      other;  // where a module's name ends in the first, there is one that ends in the second
  std::string_view within = {};  // where this stands in it
};

constexpr Beside kTensorless[] = {
    {".experts", ".experts.act_fn"},
    {".gate_proj", ".act_fn"},
    {".mlp.gate_up_proj", ".mlp.activation_fn"},
    {".self_attn.qkv_proj", ".resid_attn_dropout"},
    {".self_attn.qkv_proj", ".resid_mlp_dropout"},
    {".merger.proj", ".merger.act1"},
    {".linear_fc1", ".act_fn"},
    {".linear_1", ".act"},
    {".fc1", ".activation_fn"},
    // DeepSeek-OCR-2's towers
    {".mlp.lin1", ".mlp.act"},
    {".vision_encoder.norm", ".vision_encoder.rotary_emb"},
    {".merger.mlp.0", ".merger.mlp.1"},
    {".embed_tokens", ".rotary_emb"},
    {".visual.patch_embed.proj", ".visual.rotary_pos_emb"},
    {".patch_conv", ".patch_positional_embedding"},
    {".mm_soft_emb_norm", ".avg_pool"},
    // InternVL's tower; norms that are not there are an Identity
    {".attention.projection_layer", ".attention.projection_dropout"},
    {".attention.projection_layer", ".attention.q_norm"},
    {".attention.projection_layer", ".attention.k_norm"},
    {".attention.projection_layer", ".dropout"},
    {".patch_embeddings.projection", ".dropout"},
    {".embeddings.patch_embeddings.projection", ".layernorm"},
    // Florence-2's tower, where each half may be dropped
    {"_block.norm1", "_block.drop_path1"},
    {"_block.norm2", "_block.drop_path2"},
    // Phi-4-multimodal
    {".embed_tokens_extend.image_embed.img_projection_up", ".embed_dropout"},
    {".img_projection_up", ".drop"},
    {".img_projection_up", ".image_token_compression"},
    // GPT-2
    {".wpe", ".drop"},
    {".c_attn", ".attn_dropout"},
    {".c_attn", ".resid_dropout"},
    {".c_fc", ".act"},
    {".c_fc", ".dropout"},
    // Gemma 4's text half
    {".router.proj", ".router.norm"},
    {".per_layer_input_gate", ".act_fn"},
    // Gemma 4's tower and the norm behind it
    {".gate_proj.linear", ".act_fn"},
    {".self_attn.v_proj.linear", ".self_attn.v_norm"},
    {".patch_embedder.input_proj", ".encoder.rotary_emb"},
    {".patch_embedder.input_proj", ".pooler"},
    {".embed_vision.embedding_projection", ".embed_vision.embedding_pre_projection_norm"},
    {".multimodal_embedder.embedding_projection",
     ".multimodal_embedder.embedding_pre_projection_norm"},
    // Gemma 3n's tower and the norms behind it
    {".embed_vision.embedding_projection", ".embed_vision.embedding_post_projection_norm"},
    {".embed_audio.embedding_projection", ".embed_audio.embedding_post_projection_norm"},
    {".bn", ".bn.drop"},
    {".bn", ".bn.act"},
    {".bn1", ".bn1.drop"},
    {".bn1", ".bn1.act"},
    {".bn2", ".bn2.drop"},
    {".bn2", ".bn2.act"},
    {".conv_pwl", ".aa"},
    {".conv_pwl", ".se"},
    {".conv_pwl", ".drop_path"},
    {".pw_exp.conv", ".se"},
    {".pw_exp.conv", ".dw_start"},
    {".pw_exp.conv", ".dw_mid"},
    {".pw_exp.conv", ".dw_end"},
    {".pw_exp.conv", ".layer_scale"},
    {".pw_exp.conv", ".drop_path"},
    {".attn.query.proj", ".attn.attn_drop"},
    {".attn.query.proj", ".drop_path"},
    {".attn.query.proj", ".norm.drop"},
    {".attn.query.proj", ".norm.act"},
    {".embed_audio.embedding_projection", ".audio_tower"},
    {".attn.output.proj", ".attn.output.drop"},
    // BERT's layers, and the Q-Former's
    {".intermediate.dense", ".intermediate.intermediate_act_fn"},
    {".output.LayerNorm", ".output.dropout"},
    {".intermediate_query.dense", ".intermediate_query.intermediate_act_fn"},
    {".output_query.LayerNorm", ".output_query.dropout"},
    {"qformer.layernorm", "qformer.dropout"},
    {"qformer.embeddings.layernorm", "qformer.embeddings.dropout"},
    // T5
    {".DenseReluDense.wo", ".DenseReluDense.act"},
    {".DenseReluDense.wo", ".DenseReluDense.dropout"},
    {".DenseReluDense.wo", ".dropout"},
    {".SelfAttention.o", ".dropout"},
    {".EncDecAttention.o", ".dropout"},
    {".block.0.layer.0.SelfAttention.relative_attention_bias", ".dropout"},
    // Persimmon, and Fuyu's decoder
    {".self_attn.query_key_value", ".self_attn.attention_dropout"},
    {".self_attn.query_key_value", ".dropout"},
    {".mlp.dense_h_to_4h", ".mlp.act"},
    // Idefics' gated layers, and its resampler
    {".cross_attn.q_proj", ".cross_attn.rotary_emb", ".gated_cross_attn_layers."},
    {".cross_attn.q_proj", ".act_cross_attn", ".gated_cross_attn_layers."},
    {".cross_attn.q_proj", ".act_dense", ".gated_cross_attn_layers."},
    {".1.c_proj", ".1.act", ".perceiver_resampler."},
    // Chameleon's encoder of pictures
    {".conv1", ".dropout", ".vqmodel."},
    {".block.0.conv1", ".attn", ".vqmodel."},
};

std::string beside(const std::string& name, const Beside& rule) {
  if (!name.ends_with(rule.end) || name.find(rule.within) == std::string::npos) return {};
  // Qwen2-VL's tower has a word of its own.
  const bool blocks = rule.end == ".fc1" && name.find(".visual.blocks.") != std::string::npos;
  return name.substr(0, name.size() - rule.end.size()) + std::string(blocks ? ".act" : rule.other);
}

/// A module of experts holds two stacks; `shape` is the first one's.
void add_stacks(std::vector<ModelModule>& modules, const std::string& name,
                const std::vector<std::int64_t>& shape) {
  const char* type = ModelModule::kExpertStack;
  const auto shapes = stack_shapes(shape);
  modules.push_back({name + ".gate_up_proj", type, shapes[0]});
  modules.push_back({name + ".down_proj", type, shapes[1]});
}

}  // namespace

std::array<std::vector<std::int64_t>, 2> stack_shapes(const std::vector<std::int64_t>& first) {
  return {first, {first.at(0), first.at(2), first.at(1) / 2}};
}

std::vector<ModelModule> all_modules(std::vector<ModelModule> modules) {
  std::set<std::string> known;
  for (const ModelModule& module : modules) known.insert(module.name);
  // Each of Idefics' decoder layers turns by itself.
  const bool gated = known.contains("model.gated_cross_attn_layers.0.cross_attn.q_proj");
  const std::size_t given = modules.size();
  for (std::size_t i = 0; i < given; ++i) {
    const ModelModule held = modules[i];
    if (held.type == "Experts") add_stacks(modules, held.name, held.shape);
  }
  for (std::size_t i = 0; i < given; ++i) {
    const std::string name = modules[i].name;
    const auto add = [&](const std::string& other) {
      if (!other.empty() && known.insert(other).second) modules.push_back({other, ""});
    };
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      add(name.substr(0, dot));
    }
    for (const Beside& rule : kTensorless) add(beside(name, rule));
    // Those that make keys norm their values, without a weight.
    if (modules[i].type == "Gemma4Layer" && known.contains(name + ".self_attn.k_norm"))
      add(name + ".self_attn.v_norm");
    if (const std::string_view own = ".q_proj";
        gated && name.starts_with("model.layers.") && name.ends_with(own))
      add(name.substr(0, name.size() - own.size()) + ".rotary_emb");
    if (name.ends_with(".altup")) {  // so do Gemma 3n's
      const std::string layer = name.substr(0, name.size() - std::string_view(".altup").size());
      if (known.contains(layer + ".self_attn.k_norm")) add(layer + ".self_attn.v_norm");
    }
  }
  return modules;
}

std::vector<ModelModule> all_modules(const ModelSummary& model) {
  std::vector<ModelModule> modules;
  for (const ModuleSummary& module : model.modules) {
    if (module.type != kOwnTensor)
      modules.push_back({module.name, module.type, module.shape, {}, module.bias});
  }
  for (const BranchSummary& branch : model.branches)
    modules.push_back({branch.name, "", {branch.width}, branch.kind});
  return all_modules(std::move(modules));
}

std::string head_of(const std::vector<ModelModule>& modules) {
  for (const ModelModule& module : modules) {
    if (module.linear() && ends_after_dot(module.name, "lm_head")) return module.name;
  }
  return {};
}

}  // namespace luthier
