// SPDX-License-Identifier: GPL-3.0-or-later
// The folder of a picture tower: a model of pictures alone, or the vision half of another.
#include <algorithm>
#include <array>
#include <string_view>

#include "engine/hub/folder_kind.h"
#include "engine/lab/compose/composition.h"
#include "engine/lab/compose/halves.h"
#include "engine/models/blip/blip_tower.h"
#include "engine/models/blip2/blip2_retriever.h"
#include "engine/models/vision_tower.h"
#include "engine/teaching/teaching.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

/// A vision config that a tower is read from.
struct TowerType {
  const char* type;
  TowerKind kind;
};
constexpr std::array<TowerType, 7> kTowerTypes{{{"clip_vision_model", TowerKind::Clip},
                                                {"siglip_vision_model", TowerKind::Siglip},
                                                {"blip_vision_model", TowerKind::Blip},
                                                {"blip_2_vision_model", TowerKind::Blip},
                                                {"instructblip_vision_model", TowerKind::Blip},
                                                {"vit", TowerKind::Vit},
                                                {"vit_mae", TowerKind::Vit}}};

/// What the vision config of a whole model is, where it does not say so itself.
struct TowerParent {
  const char *type, *vision;
};
constexpr std::array<TowerParent, 7> kTowerParents{{{"clip", "clip_vision_model"},
                                                    {"siglip", "siglip_vision_model"},
                                                    {"llava", "clip_vision_model"},
                                                    {"blip", "blip_vision_model"},
                                                    {"blip-2", "blip_2_vision_model"},
                                                    {"instructblip", "instructblip_vision_model"},
                                                    {"idefics", "clip_vision_model"}}};

/// The folder's vision config with its model_type, and where that stands.
Result<std::pair<Json, std::string>> vision_section(const Json& config, const std::string& where) {
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where));
  for (const TowerType& each : kTowerTypes)
    if (type == each.type) return std::pair(config, where);
  const auto own = config.find("vision_config");
  const auto* parent = std::find_if(kTowerParents.begin(), kTowerParents.end(),
                                    [&](const TowerParent& each) { return type == each.type; });
  if (own == config.end() || !own->is_object() || own->empty())
    return input_error("The model \"" + type + "\" has no picture tower that is cut into patches.",
                       where + ": model_type",
                       "Give a folder of CLIP, SigLIP, ViT, BLIP, or of a model built over one.");
  Json section = *own;
  if (const auto width = section.find("embed_dim"); width != section.end())  // Idefics
    section["hidden_size"] = *width;
  if (parent != kTowerParents.end() &&
      (type == "idefics" || !section.contains("model_type") || section["model_type"].is_null()))
    section["model_type"] = parent->vision;
  return std::pair(std::move(section), where + ": vision_config");
}

Status read_tower_sizes(const Json& config, const std::string& where, TowerHalf& tower) {
  switch (tower.kind) {
    case TowerKind::Clip:
    case TowerKind::Siglip: {
      LUTHIER_TRY(const VisionTowerOptions o, read_vision_tower_options(config, where));
      tower.sizes = o;
      tower.pooling_head = o.pooling_head;
      return {};
    }
    case TowerKind::Blip: {
      const bool second = tower.type != "blip_vision_model";
      LUTHIER_TRY(const BlipTowerOptions o, read_blip_tower_options(config, where, second));
      tower.sizes = o;
      tower.qkv_bias = o.qkv_bias;
      return {};
    }
    case TowerKind::Vit: {
      tower.sizes.patch_size = 16;  // ViTConfig's own
      tower.sizes.layer_norm_eps = 1e-12;
      tower.sizes.hidden_act = Activation::Gelu;
      LUTHIER_CHECK(read_vision_sizes(config, where, tower.sizes));
      LUTHIER_TRY(tower.qkv_bias, json_bool(config, "qkv_bias", where, true));
      return {};
    }
  }
  return {};
}

/// Of the picture processor what is the pictures' own, whatever their size.
Result<Json> read_tower_pictures(const fs::path& folder, TowerKind kind) {
  const bool halves = kind == TowerKind::Siglip || kind == TowerKind::Vit;
  const Json mean = halves ? Json{0.5, 0.5, 0.5} : Json{0.48145466, 0.4578275, 0.40821073},
             deviation = halves ? Json{0.5, 0.5, 0.5} : Json{0.26862954, 0.26130258, 0.27577711};
  Json picture = {{"do_resize", true},      {"resample", kind == TowerKind::Vit ? 2 : 3},
                  {"do_rescale", true},     {"rescale_factor", 1.0 / 255.0},
                  {"do_normalize", true},   {"image_mean", mean},
                  {"image_std", deviation}, {"do_convert_rgb", true}};
  if (folder.empty()) return picture;
  std::error_code ignored;
  Json found;
  if (const auto file = folder / "preprocessor_config.json"; fs::exists(file, ignored)) {
    LUTHIER_TRY(found, read_json_file(file));
  } else if (const auto whole = folder / "processor_config.json"; fs::exists(whole, ignored)) {
    LUTHIER_TRY(found, read_json_file(whole));
    found = found.is_object() ? found.value("image_processor", Json()) : Json();
  }
  if (!found.is_object()) return picture;
  for (auto& [key, value] : picture.items())
    if (const auto own = found.find(key); own != found.end() && !own->is_null()) value = *own;
  return picture;
}

/// The name's end by which a tower of patches is known, and what stands before it.
Result<std::string> tower_prefix(const CheckpointFiles& files, TowerKind kind,
                                 const fs::path& folder) {
  const std::string_view end = kind == TowerKind::Vit
                                   ? "embeddings.patch_embeddings.projection.weight"
                                   : "embeddings.patch_embedding.weight";
  std::vector<std::string> found;
  for (const auto& [name, info] : files.tensors())
    if (name.ends_with(end)) found.push_back(name.substr(0, name.size() - end.size()));
  if (found.size() == 1) return found.front();
  const std::string file = folder.string();
  if (found.empty())
    return input_error("The weights have no tensor " + std::string(end) +
                           ": there is no tower that cuts pictures into patches.",
                       file, "Give the folder of a picture tower.");
  return input_error("The weights hold " + std::to_string(found.size()) + " picture towers (" +
                         found[0] + "…, " + found[1] + "…).",
                     file, "Give a folder with one.");
}

/// No layer may be left over: config.json would name fewer than there are.
Status check_tower_layers(const TowerHalf& tower, const std::string& where) {
  const std::string layers =
      tower.prefix + (tower.kind == TowerKind::Vit ? "encoder.layer." : "encoder.layers.");
  const std::string beyond = layers + std::to_string(tower.sizes.num_hidden_layers) + ".";
  for (const auto& [name, info] : tower.files->tensors())
    if (name.starts_with(beyond))
      return input_error("config.json names " + std::to_string(tower.sizes.num_hidden_layers) +
                             " layers of the tower, the weights hold more.",
                         where + ": num_hidden_layers", "It must be as many as the weights have.");
  return {};
}

/// CLIP's beside its tower; a model over a tower has none.
void find_projection(TowerHalf& tower) {
  constexpr const char* kName = "visual_projection.weight";
  const auto found = tower.files->tensors().find(kName);
  if (tower.kind != TowerKind::Clip || found == tower.files->tensors().end()) return;
  if (found->second.shape.size() != 2) return;
  tower.projection = kName, tower.projection_dim = found->second.shape[0];
}

struct VitName {
  std::string_view here, there;
};
constexpr std::array<VitName, 10> kVitNames{{
    {"embeddings.class_embedding", "embeddings.cls_token"},
    {"embeddings.position_embedding", "embeddings.position_embeddings"},
    {"embeddings.patch_embedding.", "embeddings.patch_embeddings.projection."},
    {"post_layernorm.", "layernorm."},
    {"layer_norm1.", "layernorm_before."},
    {"layer_norm2.", "layernorm_after."},
    {"self_attn.projection.", "attention.output.dense."},
    {"mlp.fc1.", "intermediate.dense."},
    {"mlp.fc2.", "output.dense."},
    {"self_attn.qkv.", "attention.attention.query."},
}};

}  // namespace

std::vector<std::string> TowerHalf::stored(const std::string& name) const {
  if (kind != TowerKind::Vit) return {prefix + name};
  constexpr std::string_view kLayers = "encoder.layers.";
  std::string before, own = name;
  if (name.starts_with(kLayers)) {
    const std::size_t dot = name.find('.', kLayers.size());
    before = "encoder.layer." + name.substr(kLayers.size(), dot + 1 - kLayers.size());
    own = name.substr(dot + 1);
  }
  for (const VitName& each : kVitNames) {
    if (!own.starts_with(each.here)) continue;
    const std::string end = own.substr(each.here.size());
    std::vector<std::string> names{prefix + before + std::string(each.there) + end};
    if (each.here != "self_attn.qkv.") return names;
    for (const char* next : {"attention.attention.key.", "attention.attention.value."})
      names.push_back(prefix + before + next + end);
    return names;
  }
  return {prefix + name};
}

Result<TowerHalf> read_tower_half(const std::string& given, TowerKind small) {
  TowerHalf tower;
  if (given == kSmallHalf) {
    LUTHIER_TRY(const fs::path base, teaching_base());
    LUTHIER_TRY(const Json config, read_json_file(base / "config.json"));
    const std::string where = (base / "config.json").string();
    LUTHIER_TRY(auto section, vision_section(config, where));
    tower.kind = small;
    tower.type = small == TowerKind::Blip ? "blip_2_vision_model" : "clip_vision_model";
    section.first["model_type"] = tower.type;
    if (small == TowerKind::Blip) section.first["hidden_act"] = "gelu";
    LUTHIER_CHECK(read_tower_sizes(section.first, section.second, tower));
    LUTHIER_TRY(tower.picture, read_tower_pictures(base, tower.kind));
    return tower;
  }
  tower.folder = given;
  LUTHIER_CHECK(check_model_folder(tower.folder));
  const std::string where = (tower.folder / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(tower.folder / "config.json"));
  LUTHIER_TRY(const auto section, vision_section(config, where));
  LUTHIER_TRY(tower.type, json_string(section.first, "model_type", section.second));
  const auto* row = std::find_if(kTowerTypes.begin(), kTowerTypes.end(),
                                 [&](const TowerType& each) { return tower.type == each.type; });
  if (row == kTowerTypes.end()) {
    std::string known;
    for (const TowerType& each : kTowerTypes)
      known += (known.empty() ? "" : ", ") + std::string(each.type);
    return input_error("The composer does not take a tower of type \"" + tower.type + "\".",
                       section.second + ": model_type", "It takes " + known + ".");
  }
  tower.kind = row->kind;
  if (is_blip2_retrieval(config)) tower.first_stage = config;
  LUTHIER_CHECK(read_tower_sizes(section.first, section.second, tower));
  if (tower.sizes.image_height != tower.sizes.image_width)
    return input_error("The tower's pictures must be square.", section.second + ": image_size");
  auto files = CheckpointFiles::open(tower.folder);
  LUTHIER_CHECK(check_weights(tower.folder, config, files));
  tower.files = files.take();
  LUTHIER_TRY(tower.prefix, tower_prefix(*tower.files, tower.kind, tower.folder));
  LUTHIER_CHECK(check_tower_layers(tower, section.second));
  find_projection(tower);
  LUTHIER_TRY(tower.picture, read_tower_pictures(tower.folder, tower.kind));
  return tower;
}

}  // namespace luthier
