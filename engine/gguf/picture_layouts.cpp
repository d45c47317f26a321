// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/gguf/picture_layouts.h"

#include <algorithm>
#include <cmath>

#include "engine/vision/processor_settings.h"

namespace luthier {

namespace {

/// CLIP's and SigLIP's towers.
const std::vector<GgufName> kTowerNames{{"embeddings.patch_embedding", "v.patch_embd"},
                                        {"embeddings.position_embedding", "v.position_embd"},
                                        {"pre_layrnorm", "v.pre_ln"},
                                        {"post_layernorm", "v.post_ln"},
                                        {"encoder.layers.#.layer_norm1", "v.blk.#.ln1"},
                                        {"encoder.layers.#.layer_norm2", "v.blk.#.ln2"},
                                        {"encoder.layers.#.self_attn.q_proj", "v.blk.#.attn_q"},
                                        {"encoder.layers.#.self_attn.k_proj", "v.blk.#.attn_k"},
                                        {"encoder.layers.#.self_attn.v_proj", "v.blk.#.attn_v"},
                                        {"encoder.layers.#.self_attn.out_proj", "v.blk.#.attn_out"},
                                        {"encoder.layers.#.mlp.fc1", "v.blk.#.ffn_up"},
                                        {"encoder.layers.#.mlp.fc2", "v.blk.#.ffn_down"}};

const std::vector<GgufName> kQwenNames{{"patch_embed.proj", "v.patch_embd"},
                                       {"pos_embed", "v.position_embd"},
                                       {"blocks.#.norm1", "v.blk.#.ln1"},
                                       {"blocks.#.norm2", "v.blk.#.ln2"},
                                       {"blocks.#.attn.qkv", "v.blk.#.attn_qkv"},
                                       {"blocks.#.attn.proj", "v.blk.#.attn_out"},
                                       {"blocks.#.mlp.fc1", "v.blk.#.ffn_up"},
                                       {"blocks.#.mlp.fc2", "v.blk.#.ffn_down"},
                                       {"blocks.#.mlp.linear_fc1", "v.blk.#.ffn_up"},
                                       {"blocks.#.mlp.linear_fc2", "v.blk.#.ffn_down"},
                                       {"blocks.#.mlp.gate_proj", "v.blk.#.ffn_gate"},
                                       {"blocks.#.mlp.up_proj", "v.blk.#.ffn_up"},
                                       {"blocks.#.mlp.down_proj", "v.blk.#.ffn_down"},
                                       {"merger.ln_q", "v.post_ln"},
                                       {"merger.norm", "v.post_ln"},
                                       // The layer's number takes the place of its merger's.
                                       {"deepstack_merger_list.#.norm", "v.deepstack.#.norm"},
                                       {"deepstack_merger_list.#.linear_fc1", "v.deepstack.#.fc1"},
                                       {"deepstack_merger_list.#.linear_fc2", "v.deepstack.#.fc2"}};

Error no_place(const std::string& what, const GgufCheckpoint& from) {
  return input_error(what + " has no place in llama.cpp's picture half of this model.",
                     (from.folder / "config.json").string(), "Export it as safetensors.");
}

struct TowerSizes {
  std::int64_t image = 0, patch = 0, width = 0, mlp = 0, layers = 0, heads = 0, out = 0;
  double epsilon = 1e-6;
};

/// What every picture half says of itself.
Result<GgufLayout> begin_pictures(const char* projector, const TowerSizes& sizes,
                                  const char* processor, const GgufCheckpoint& from) {
  GgufLayout layout;
  const auto add = [&](const char* key, GgufValue value) {
    layout.fields.push_back({key, std::move(value)});
  };
  const auto count = [&](const char* key, std::int64_t value) {
    add(key, static_cast<std::uint32_t>(value));
  };
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(from.folder, {processor}));
  detail::CommonSettings common;
  const bool clip = std::string_view(processor).starts_with("Llava") ||
                    std::string_view(processor).starts_with("Qwen2");
  common.mean = clip ? detail::kClipMean : detail::kHalves;
  common.std = clip ? detail::kClipStd : detail::kHalves;
  LUTHIER_CHECK(detail::read_common(settings.config, settings.where, common));
  const auto floats = [](const std::array<double, 3>& numbers) {
    return std::vector<float>(numbers.begin(), numbers.end());
  };
  add("general.architecture", std::string("clip"));
  add("clip.has_vision_encoder", true);
  add("clip.projector_type", std::string(projector));
  count("clip.vision.image_size", sizes.image);
  count("clip.vision.patch_size", sizes.patch);
  count("clip.vision.embedding_length", sizes.width);
  count("clip.vision.feed_forward_length", sizes.mlp);
  count("clip.vision.projection_dim", sizes.out);
  count("clip.vision.block_count", sizes.layers);
  count("clip.vision.attention.head_count", sizes.heads);
  add("clip.vision.attention.layer_norm_epsilon", static_cast<float>(sizes.epsilon));
  add("clip.vision.image_mean", floats(common.mean));
  add("clip.vision.image_std", floats(common.std));
  return layout;
}

TowerSizes sizes_of(const VisionTowerOptions& v, std::int64_t out) {
  return {v.image_width,       v.patch_size,          v.hidden_size, v.intermediate_size,
          v.num_hidden_layers, v.num_attention_heads, out,           v.layer_norm_eps};
}

/// The function between an MLP's products: none named is the quick GELU.
Status add_activation(Activation activation, const GgufCheckpoint& from, GgufLayout& layout) {
  if (activation == Activation::QuickGelu) return {};
  if (activation == Activation::Silu) {
    layout.fields.push_back({"clip.use_silu", true});
    return {};
  }
  if (activation >= Activation::Relu) return no_place("This hidden_act", from);
  layout.fields.push_back({"clip.use_gelu", true});
  return {};
}

/// Tables that are added to the patches keep their digits, and a convolution has no blocks.
GgufTensor::As kept_as(const std::string& name) {
  if (name.starts_with("v.patch_embd.weight")) return GgufTensor::As::Half;
  const bool table = name.starts_with("v.position_embd") || name == "v.class_embd";
  return table ? GgufTensor::As::Float : GgufTensor::As::Weight;
}

GgufTensor picture_tensor(const std::string& name, const std::string& parameter) {
  return {.name = name, .parameter = parameter, .as = kept_as(name)};
}

/// The tower's parameters, which begin with `prefix`, into `layout`; the others are handed to
/// `projector`, which gives their name.
template <class Projector>
Status add_tower(const std::string& prefix, const GgufCheckpoint& from, const Projector& projector,
                 GgufLayout& layout) {
  for (const CheckpointShape& stored : from.shapes) {
    if (stored.name.starts_with("lm_head.") || stored.name.starts_with("model.language_model.") ||
        stored.name.starts_with("model.text_model."))
      continue;
    if (stored.name.starts_with(prefix + "head.")) {  // SigLIP's, which nothing here looks at
      layout.left.push_back(stored.name);
      continue;
    }
    std::optional<std::string> name;
    if (stored.name == prefix + "embeddings.class_embedding")
      name = "v.class_embd";
    else if (stored.name.starts_with(prefix))
      name = gguf_name(kTowerNames, stored.name.substr(prefix.size()));
    else
      name = projector(stored.name);
    if (!name) return no_place("The tensor " + stored.name, from);
    layout.tensors.push_back(picture_tensor(*name, stored.name));
  }
  return {};
}

std::optional<std::string> replaced(const std::string& name, const std::string& from,
                                    const std::string& to) {
  if (!name.starts_with(from)) return {};
  return to + name.substr(from.size());
}

}  // namespace

Result<GgufLayout> gguf_llava_pictures(const LlavaOptions& o, const GgufCheckpoint& from) {
  if (o.vision.class_embedding != o.drop_first_feature)
    return no_place("This vision_feature_select_strategy", from);
  if (o.vision.image_height != o.vision.image_width) return no_place("This image_size", from);
  const bool gelu =
      o.projector_hidden_act == Activation::Gelu || o.projector_hidden_act == Activation::GeluTanh;
  if (!gelu) return no_place("This projector_hidden_act", from);
  if (!o.projector_bias) return no_place("A projector without biases", from);
  std::vector<std::int32_t> states;
  for (const std::int64_t layer : o.vision_feature_layers)
    states.push_back(
        static_cast<std::int32_t>(layer < 0 ? layer + o.vision.num_hidden_layers + 1 : layer));
  // Several states lie side by side as the configuration lists them; there, from below.
  if (!std::is_sorted(states.begin(), states.end()))
    return no_place("This order of vision_feature_layer", from);
  const std::int64_t layers = states.back();
  TowerSizes sizes = sizes_of(o.vision, o.text.hidden_size);
  sizes.layers = layers;
  LUTHIER_TRY(GgufLayout layout, begin_pictures("mlp", sizes, "LlavaImageProcessor", from));
  layout.fields.push_back({"clip.has_llava_projector", true});
  layout.fields.push_back({"clip.vision.feature_layer", states});
  LUTHIER_CHECK(add_activation(o.vision.hidden_act, from, layout));
  const auto projector = [](const std::string& name) {
    const std::string prefix = "model.multi_modal_projector.";
    const auto first = replaced(name, prefix + "linear_1", "mm.0");
    return first ? first : replaced(name, prefix + "linear_2", "mm.2");
  };
  const std::string tower = "model.vision_tower.";
  LUTHIER_CHECK(add_tower(tower, from, projector, layout));
  // The features are read before the last norm, and what lies above them is not run.
  const auto unread = [&](const GgufTensor& tensor) {
    if (tensor.name.starts_with("v.post_ln.")) return true;
    return tensor.name.starts_with("v.blk.") && std::stoll(tensor.name.substr(6)) >= layers;
  };
  for (const GgufTensor& tensor : layout.tensors)
    if (unread(tensor)) layout.left.push_back(tensor.parameter);
  std::erase_if(layout.tensors, unread);
  return layout;
}

Result<GgufLayout> gguf_gemma3_pictures(const Gemma3Options& o, const GgufCheckpoint& from) {
  LUTHIER_TRY(GgufLayout layout, begin_pictures("gemma3", sizes_of(o.vision, o.text.hidden_size),
                                                "Gemma3ImageProcessor", from));
  layout.fields.push_back(
      {"clip.vision.projector.scale_factor", static_cast<std::uint32_t>(o.pooling)});
  LUTHIER_CHECK(add_activation(o.vision.hidden_act, from, layout));
  const auto projector = [](const std::string& name) -> std::optional<std::string> {
    const std::string prefix = "model.multi_modal_projector.";
    if (name == prefix + "mm_input_projection_weight") return "mm.input_projection.weight";
    if (name == prefix + "mm_soft_emb_norm.weight") return "mm.soft_emb_norm.weight";
    return {};
  };
  LUTHIER_CHECK(add_tower("model.vision_tower.", from, projector, layout));
  for (GgufTensor& tensor : layout.tensors) {
    if (tensor.name == "mm.input_projection.weight") tensor.as = GgufTensor::As::Half;
    if (tensor.name == "mm.soft_emb_norm.weight") tensor.plus = 1;
  }
  return layout;
}

Result<GgufLayout> gguf_idefics3_pictures(const Idefics3Options& o, const GgufCheckpoint& from) {
  LUTHIER_TRY(GgufLayout layout, begin_pictures("idefics3", sizes_of(o.vision, o.text.hidden_size),
                                                "Idefics3ImageProcessor", from));
  layout.fields.push_back(
      {"clip.vision.projector.scale_factor", static_cast<std::uint32_t>(o.scale_factor)});
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(from.folder, {"Idefics3ImageProcessor"}));
  std::int64_t longest = o.vision.image_width;
  if (const auto size = settings.config.find("size");
      size != settings.config.end() && size->is_object()) {
    LUTHIER_TRY(longest, detail::json_int_in(*size, "longest_edge", settings.where + ": size",
                                             longest, 1, detail::kMaxEdge));
  }
  layout.fields.push_back({"clip.vision.preproc_image_size", static_cast<std::uint32_t>(longest)});
  LUTHIER_CHECK(add_activation(o.vision.hidden_act, from, layout));
  const auto projector = [](const std::string& name) {
    return replaced(name, "model.connector.modality_projection.proj", "mm.model.fc");
  };
  LUTHIER_CHECK(add_tower("model.vision_model.", from, projector, layout));
  for (GgufTensor& tensor : layout.tensors)
    if (tensor.name.starts_with("v.patch_embd")) tensor.as = GgufTensor::As::Float;
  return layout;
}

namespace {

/// Where windows are broken: every so many layers one sees the whole picture.
Result<std::uint32_t> window_period(const QwenVisionOptions& v, const GgufCheckpoint& from) {
  const std::int64_t period = v.full_layers.empty() ? 0 : v.full_layers.front() + 1;
  for (std::int64_t layer = 0; layer < v.depth; ++layer) {
    const bool full =
        std::find(v.full_layers.begin(), v.full_layers.end(), layer) != v.full_layers.end();
    if (period == 0 || full != ((layer + 1) % period == 0))
      return no_place("This order of fullatt_block_indexes", from);
  }
  return static_cast<std::uint32_t>(period);
}

Status add_qwen_fields(const QwenVlOptions& o, const GgufCheckpoint& from, GgufLayout& layout) {
  const QwenVisionOptions& v = o.vision;
  layout.fields.push_back({"clip.vision.spatial_merge_size", static_cast<std::uint32_t>(v.merge)});
  LUTHIER_CHECK(add_activation(v.activation, from, layout));
  if (v.window > 0) {
    LUTHIER_TRY(const std::uint32_t period, window_period(v, from));
    layout.fields.push_back({"clip.vision.n_wa_pattern", period});
  }
  if (!v.newer_names) return {};
  std::vector<bool> deepstack(static_cast<std::size_t>(v.depth), false);
  for (const auto& each : v.reached()) deepstack.at(static_cast<std::size_t>(each.layer)) = true;
  layout.fields.push_back({"clip.vision.is_deepstack_layers", deepstack});
  return {};
}

/// The parameter's tensors: two of a patch convolution over two frames, three of a product that
/// gives queries, keys and values where mtmd has them apart.
Status add_qwen_tensor(const QwenVisionOptions& v, const CheckpointShape& stored,
                       const std::string& own, const GgufCheckpoint& from, GgufLayout& layout) {
  if (own == "patch_embed.proj.weight") {
    for (std::int64_t frame = 0; frame < 2; ++frame) {
      GgufTensor tensor =
          picture_tensor(frame ? "v.patch_embd.weight.1" : "v.patch_embd.weight", stored.name);
      tensor.frame = frame;
      layout.tensors.push_back(std::move(tensor));
    }
    return {};
  }
  std::optional<std::string> name;
  for (const auto& [ours, theirs] : {std::pair{"merger.mlp.0", "mm.0"},
                                     {"merger.mlp.2", "mm.2"},
                                     {"merger.linear_fc1", "mm.0"},
                                     {"merger.linear_fc2", "mm.2"}})
    if (!name) name = replaced(own, ours, theirs);
  const std::string mergers = "deepstack_merger_list.";
  if (own.starts_with(mergers)) {
    const auto merger = static_cast<std::size_t>(std::stoll(own.substr(mergers.size())));
    const std::size_t rest = own.find('.', mergers.size());
    if (merger >= v.deepstack.size() || v.deepstack[merger] >= v.depth)
      return no_place("The tensor " + stored.name, from);
    name = gguf_name(kQwenNames, mergers + std::to_string(v.deepstack[merger]) + own.substr(rest));
  }
  if (!name) name = gguf_name(kQwenNames, own);
  if (!name) return no_place("The tensor " + stored.name, from);
  const std::size_t all = name->find("attn_qkv");
  if (all == std::string::npos || v.newer_names) {
    layout.tensors.push_back(picture_tensor(*name, stored.name));
    return {};
  }
  for (const auto& [part, called] : {std::pair{0, "attn_q"}, {1, "attn_k"}, {2, "attn_v"}}) {
    GgufTensor tensor = picture_tensor(std::string(*name).replace(all, 8, called), stored.name);
    tensor.part = part, tensor.parts = 3;
    layout.tensors.push_back(std::move(tensor));
  }
  return {};
}

}  // namespace

Result<GgufLayout> gguf_qwen_pictures(const QwenVlOptions& o, const GgufCheckpoint& from) {
  const QwenVisionOptions& v = o.vision;
  if (v.temporal != 2) return no_place("This temporal_patch_size", from);
  const bool newer = v.newer_names;
  TowerSizes sizes{newer ? v.position_side * v.patch : 560,
                   v.patch,
                   v.width,
                   v.intermediate,
                   v.depth,
                   v.heads,
                   o.text.hidden_size,
                   v.epsilon};
  const char* projector = newer         ? "qwen3vl_merger"
                          : v.gated_mlp ? "qwen2.5vl_merger"
                                        : "qwen2vl_merger";
  LUTHIER_TRY(GgufLayout layout,
              begin_pictures(projector, sizes,
                             newer ? "Qwen3VLImageProcessor" : "Qwen2VLImageProcessor", from));
  LUTHIER_CHECK(add_qwen_fields(o, from, layout));
  const std::string prefix = "model.visual.";
  for (const CheckpointShape& stored : from.shapes) {
    if (!stored.name.starts_with(prefix)) continue;
    LUTHIER_CHECK(add_qwen_tensor(v, stored, stored.name.substr(prefix.size()), from, layout));
  }
  return layout;
}

}  // namespace luthier
