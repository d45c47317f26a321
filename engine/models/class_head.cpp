// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_head.h"

#include <algorithm>
#include <functional>
#include <set>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/io/timm_config.h"
#include "engine/models/bert/pair_judge.h"
#include "engine/models/deberta/deberta_options.h"
#include "engine/models/loaded_model.h"
#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_parameter.h"
#include "engine/models/timm/timm_classes.h"

namespace luthier {

namespace {

const char* what_is_told_apart(ClassOptions::Of of) {
  return of == ClassOptions::Of::Row     ? "rows"
         : of == ClassOptions::Of::Token ? "tokens"
                                         : "pictures";
}

/// What config.json must say of a family for its class with the head.
struct HeadChoice {
  std::function<Result<std::string>(const Family& family, const Json& config,
                                    const std::string& where)>
      architecture;
  std::function<void(const std::string& architecture, Json& config)> write;
  bool of_pictures = false;  ///< it tells pictures apart
};

/// Where config.json does not say "gelu" otherwise: a head must have a class for `of`.
Result<std::string> architecture_of(const Family& family, ClassOptions::Of of,
                                    const std::string& where) {
  if (const char* name = family.class_heads.of(of)) return std::string(name);
  std::string known;
  for (const Family& each : families())
    if (each.class_heads.of(of))
      known += (known.empty() ? "" : ", ") + std::string(each.model_type);
  return input_error("A model of type " + std::string(family.model_type) +
                         " has no head that tells " + what_is_told_apart(of) + " apart.",
                     where, "Models that have one: " + known + ".");
}

bool is_of_shape(const CheckpointFiles& files, const std::string& stored, at::IntArrayRef shape) {
  const std::vector<std::int64_t>& there = files.tensors().at(stored).shape;
  return at::IntArrayRef(there) == shape;
}

torch::ScalarType torch_type(DType type) {
  return type == DType::BF16  ? torch::kBFloat16
         : type == DType::F16 ? torch::kFloat16
                              : torch::kFloat32;
}

Result<std::string> pretraining_architecture(const Family& family, const Json&,
                                             const std::string& where) {
  if (const char* name = pretraining_class(family.model_type)) return std::string(name);
  return input_error("A model of type " + std::string(family.model_type) +
                         " has no head that says whether two texts follow one another.",
                     where, "Models that have one: bert, albert.");
}

/// The class of a family's discriminator, transformers' or, where it has none, the authors'.
Result<std::string> discriminator_architecture(const Family& family, const Json&,
                                               const std::string& where) {
  const std::string type = family.model_type;
  if (type == "electra") return std::string("ElectraForPreTraining");
  if (type == "deberta-v2") return std::string(deberta::kDiscriminatorClass);
  return input_error("A model of type " + type + " has no head that tells replaced tokens.", where,
                     "Models that have one: electra, deberta-v2.");
}

Result<std::string> mask_decoder_architecture(const Family& family, const Json&,
                                              const std::string& where) {
  if (std::string_view(family.model_type) == "deberta-v2")
    return std::string("DebertaV2ForMaskedLM");
  return input_error(
      "A model of type " + std::string(family.model_type) + " has no enhanced mask decoder.", where,
      "Models that have one: deberta-v2.");
}

/// Where config.json names it.
Result<std::string> retrieval_architecture(const Family&, const Json& config,
                                           const std::string& where) {
  const auto list = config.find("architectures");
  for (const char* name : {"BlipForImageTextRetrieval", "Blip2ForImageTextRetrieval"})
    if (list != config.end() && *list == Json::array({name})) return std::string(name);
  return input_error("The model's class is not one that is pretrained by pictures and their texts.",
                     where + ": architectures",
                     "Such classes are BlipForImageTextRetrieval and Blip2ForImageTextRetrieval.");
}

void name_architecture(const std::string& architecture, Json& config) {
  config["architectures"] = Json::array({architecture});
}

/// A captioner whose tower is a model of pictures alone, under the names that it has by itself
/// (VirTex, SimVLM and VisualGPT over ResNet): that family, and its config.json. Null: it has none.
struct TowerAlone {
  const Family* family = nullptr;
  Json config;
};
TowerAlone tower_alone(const Family& family, const Json& config, const Model& shapes) {
  const auto section = config.find("vision_config");
  if (family.class_heads.any() || section == config.end() || !section->is_object()) return {};
  const auto found = find_family(*section, "");
  if (!found || !(*found)->class_heads.pictures) return {};
  const std::string names = std::string((*found)->model_type) + ".";
  for (const auto& item : shapes.named_parameters())
    if (item.key().starts_with(names)) return {*found, *section};
  return {};
}

/// EVE's class, which has layers that a tower's patches are held against where config.json says so.
Result<std::string> aligned_architecture(const Family& family, const Json&,
                                         const std::string& where) {
  if (std::string_view(family.model_type) == "eve") return std::string("EVELlamaForCausalLM");
  return input_error("A model of type " + std::string(family.model_type) +
                         " has no layers that are aligned with a tower's patches.",
                     where, "Models that have them: eve.");
}

/// What the folder's pictures are made for says how large the teacher's are.
Json aligned_sizes(const std::filesystem::path& folder) {
  Json sizes = Json::object();
  for (const char* file : {"processor_config.json", "preprocessor_config.json"}) {
    std::error_code ignored;
    if (!std::filesystem::exists(folder / file, ignored)) continue;
    const auto written = read_json_file(folder / file);
    if (!written || !written->is_object()) continue;  // said where the model is loaded
    const Json& pictures =
        written->contains("image_processor") ? (*written)["image_processor"] : *written;
    if (!pictures.is_object() || !pictures.contains("image_size_clip")) continue;
    sizes["image_size"] = pictures["image_size_clip"];
    break;
  }
  return sizes;
}

/// The checkpoint's own body: of a class with two heads that with the predictions alone, and
/// without layers that config.json may only ask for yet.
Json body_config(Json config) {
  config.erase("alignment_config");
  if (names_pretraining_class(config)) config.erase("architectures");
  return config;
}

Result<NewClassHead> write_head(const std::filesystem::path& source, const HeadChoice& choice,
                                std::uint64_t seed, const std::filesystem::path& out) {
  const torch::NoGradGuard no_grad;
  LUTHIER_CHECK(check_model_folder(source));
  const std::string where = (source / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(source / "config.json"));
  LUTHIER_TRY(const Family* const family, find_family(config, where));
  LUTHIER_TRY(const Plan own, family->read(body_config(config), source));
  const auto shapes = own.made(torch::TensorOptions().device(torch::kMeta));
  LoadedModel made;
  made.folder = source;
  made.family = family, made.config = config;
  const TowerAlone tower =
      choice.of_pictures ? tower_alone(*family, config, *shapes) : TowerAlone();
  if (tower.family) made.family = tower.family, made.config = tower.config;
  NewClassHead head;
  LUTHIER_TRY(head.architecture, choice.architecture(*made.family, config, where));
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));

  LUTHIER_TRY(const CheckpointFiles files, open_weights(source, config, *family, *shapes));
  LUTHIER_TRY(const auto listed, stored_names(*family, files, PackingPlan{}, source.string()));
  const std::map<std::string, std::string> names(listed.begin(), listed.end());

  choice.write(head.architecture, made.config);
  LUTHIER_TRY(const Plan plan, made.family->read(made.config, source));
  made.model = plan.made(torch::TensorOptions().dtype(torch::kFloat32));
  LUTHIER_TRY(made.processor, load_processor(source, {}));
  LUTHIER_TRY(made.draws, draw_weights(*made.model, plan, seed, {}));

  std::set<std::string> body;  // what the checkpoint itself is made of
  for (const auto& item : shapes->named_parameters()) body.insert(item.key());
  torch::ScalarType stored_as = torch::kFloat32;
  std::set<std::string> taken;
  for (auto& item : made.model->named_parameters()) {
    const auto found = names.find(item.key());
    const bool there =
        found != names.end() && is_of_shape(files, found->second, item.value().sizes());
    const bool of_tower = tower.family && made.model->part_of(item.key()) == kVisionTower;
    if (!there && !of_tower && (found != names.end() || !body.contains(item.key()))) {
      head.drawn.push_back(item.key());
      continue;
    }
    LUTHIER_TRY(const StoredParameter stored,
                StoredParameter::find({*family, files, names, source.string()}, item.key(),
                                      item.value().sizes()));
    LUTHIER_CHECK(stored.read(item.value()));
    stored_as = torch_type(stored.dtype());
    taken.insert(item.key());
  }
  for (const auto& [name, stored] : names)
    if (!taken.contains(name)) head.dropped.push_back(stored);
  LUTHIER_CHECK(files.check_unchanged());
  LUTHIER_CHECK(save_model(made, writer.path(), stored_as));
  LUTHIER_CHECK(writer.commit());
  return head;
}

Result<NewClassHead> write_head_or_say(const std::filesystem::path& source,
                                       const HeadChoice& choice, std::uint64_t seed,
                                       const std::filesystem::path& out) try {
  return write_head(source, choice, seed, out);
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("There is not enough memory for this model.", source.string()),
      machine_error("The head could not be made: " + first_line(problem.what()), source.string()));
}

}  // namespace

Result<NewClassHead> write_with_class_head(const std::filesystem::path& source,
                                           const ClassOptions& classes, std::uint64_t seed,
                                           const std::filesystem::path& out) {
  return write_head_or_say(
      source,
      {[&classes](const Family& family, const Json&, const std::string& where) {
         return architecture_of(family, classes.of, where);
       },
       [&classes](const std::string& architecture, Json& config) {
         write_class_options(classes, architecture, config);
         if (is_timm_config(config)) write_timm_classes(classes, config);
       },
       classes.of == ClassOptions::Of::Picture},
      seed, out);
}

Result<NewClassHead> write_with_discriminator_head(const std::filesystem::path& source,
                                                   std::uint64_t seed,
                                                   const std::filesystem::path& out) {
  return write_head_or_say(source, {discriminator_architecture, name_architecture}, seed, out);
}

Result<NewClassHead> write_with_mask_decoder(const std::filesystem::path& source,
                                             std::uint64_t seed, const std::filesystem::path& out) {
  return write_head_or_say(source,
                           {mask_decoder_architecture,
                            [](const std::string& architecture, Json& config) {
                              name_architecture(architecture, config);
                              config[deberta::kMaskDecoderKey] = true;
                            }},
                           seed, out);
}

Result<NewClassHead> write_with_pair_head(const std::filesystem::path& source, std::uint64_t seed,
                                          const std::filesystem::path& out) {
  return write_head_or_say(source, {pretraining_architecture, name_architecture}, seed, out);
}

Result<NewClassHead> write_with_pretraining_head(const std::filesystem::path& source,
                                                 std::uint64_t seed,
                                                 const std::filesystem::path& out) {
  return write_head_or_say(
      source,
      {retrieval_architecture,
       [](const std::string&, Json& config) { config["pretraining_head"] = true; }},
      seed, out);
}

Result<NewClassHead> write_with_aligning_layers(const std::filesystem::path& source,
                                                std::uint64_t seed,
                                                const std::filesystem::path& out) {
  return write_head_or_say(source,
                           {aligned_architecture,
                            [&source](const std::string& architecture, Json& config) {
                              name_architecture(architecture, config);
                              if (!config.contains("alignment_config"))
                                config["alignment_config"] = aligned_sizes(source);
                            }},
                           seed, out);
}

}  // namespace luthier
