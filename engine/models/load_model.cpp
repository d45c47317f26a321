// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint folder into memory and back. Tensors are cast straight into their places, so that a
// checkpoint never stands in memory twice.
#include <algorithm>
#include <map>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/data/named_class.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/models/body_class.h"
#include "engine/models/head_of_class.h"
#include "engine/models/load_without_processor.h"
#include "engine/models/loaded_model.h"
#include "engine/models/open_weights.h"
#include "engine/models/own_end.h"
#include "engine/models/packing.h"
#include "engine/models/processor_files.h"
#include "engine/models/sharded_layers.h"
#include "engine/models/stored_head.h"
#include "engine/models/stored_parameter.h"
#include "engine/models/tensor_file.h"
#include "engine/models/two_towers/padded_texts.h"
#include "engine/models/wider_weights.h"
#include "engine/nn/convolutions/batch_norm.h"

namespace luthier {

namespace {

constexpr const char* kRoundedInstead =
    " So the weights that nothing trained are stored as the run computed with them, in bfloat16's "
    "digits.";

/// A warning, since a tensor that no answer needs may be broken too.
void warn_of_broken(const std::string& where) {
  log_warning(where +
              ": values of the tensor are not finite (NaN or infinite), so what is computed with "
              "it is not either. The file is damaged, or was saved after its training diverged.");
}

/// `body`: the class whose folders lack heads, where that is asked for; else empty.
Status load_weights(Model& model, const Family& family, const CheckpointFiles& files,
                    const PackingPlan& packing, const torch::TensorOptions& options,
                    const std::string& where, const std::string& body,
                    const std::function<bool(double)>& go_on) {
  torch::NoGradGuard no_grad;
  const auto sharded = sharded_of(model);
  const double total = static_cast<double>(std::max<std::uint64_t>(1, files.total_bytes()));
  std::uint64_t done = 0;
  const ReadWatch watch = [&](std::uint64_t bytes) {
    done += bytes;
    return !go_on || go_on(static_cast<double>(done) / total);
  };
  LUTHIER_TRY(const auto names, stored_names(family, files, packing, where));
  if (packing) {
    place_tensors(model, options, packing);
    LUTHIER_CHECK(load_packed(model, files, names, packing, options, where, watch));
  }
  const std::map<std::string, double> fixed = fixed_values(model);
  for (auto& item : model.named_parameters()) {
    if (may_lack(item.key()) && !names.contains(item.key())) {
      item.value().fill_(fixed.at(item.key()));
      continue;
    }
    if (class_lacks(body, item.key()) && !names.contains(item.key())) {
      item.value().zero_();
      continue;
    }
    LUTHIER_TRY(
        const StoredParameter stored,
        StoredParameter::find({family, files, names, where}, item.key(), item.value().sizes()));
    std::string broken;
    adapt_waiting();  // a load beside other programs is many short waits of threads for each other
    LUTHIER_CHECK(sharded && sharded->holds(item.key())
                      ? sharded->read(item.key(), stored, watch, &broken)
                      : stored.read(item.value(), watch, &broken));
    // Bounds may be infinite: they bound nothing then.
    if (!broken.empty() && !fixed.contains(item.key())) warn_of_broken(broken);
  }
  return files.check_unchanged();
}

/// Memory for a model on the meta device, of whose decoder each rank keeps a part.
Status place_among(const Sharding& sharding, Model& shapes, const PackingPlan& packing,
                   const torch::TensorOptions& tensors, const std::string& where) {
  if (packing)
    return input_error("Packed weights are not sharded.", where,
                       "Leave --shard base out, or load the base as plain numbers.");
  LUTHIER_TRY(const std::set<std::string> trained, sharding.trained(shapes));
  return ShardedLayers::place(shapes, tensors, sharding.ranks, trained, where);
}

/// generation_config.json, else the text config (the whole of it, where there is nothing but text),
/// else the tokenizer: one id or a list.
Result<std::vector<TokenId>> read_eos_ids(const std::filesystem::path& folder, const Json& config,
                                          const Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  const auto read = [&](const Json& object) {
    const auto found = object.is_object() ? object.find("eos_token_id") : object.end();
    if (!object.is_object() || found == object.end()) return;
    if (found->is_number_integer()) ids = {found->get<TokenId>()};
    if (found->is_array())
      for (const Json& id : *found)
        if (id.is_number_integer()) ids.push_back(id.get<TokenId>());
  };
  std::error_code ignored;
  if (std::filesystem::exists(folder / "generation_config.json", ignored)) {
    LUTHIER_TRY(const Json generation, read_json_file(folder / "generation_config.json"));
    read(generation);
  }
  if (ids.empty()) read(config.contains("text_config") ? config["text_config"] : config);
  if (ids.empty() && tokenizer.special().eos) ids = {*tokenizer.special().eos};
  return ids;
}

Result<std::shared_ptr<const ChatProcessor>> make_processor(const Plan& plan,
                                                            const std::filesystem::path& folder,
                                                            const MediaLimits& limits) {
  std::optional<ChatProcessor::Pictures> pictures;
  if (plan.pictures) {
    LUTHIER_TRY(ImageTokens tokens, plan.pictures->tokens(folder));
    pictures = {std::move(tokens), plan.pictures->token_id, plan.pictures->defaults};
  }
  return ChatProcessor::load(folder, std::move(pictures), limits, plan.longest_row, plan.form,
                             plan.labels);
}

/// The weights in digits that the model does not hold, for tensors to be stored as `dtype`; null:
/// it holds all that such a file has. A base that is no longer there costs those digits, not the
/// result.
std::shared_ptr<const WiderWeights> wider_for(const LoadedModel& loaded, torch::ScalarType dtype) {
  if (loaded.model->dtype() == torch::kFloat32 || dtype == loaded.model->dtype()) return nullptr;
  auto opened = WiderWeights::open(loaded);
  if (opened) return std::make_shared<const WiderWeights>(opened.take());
  log_warning(opened.error().sentence() + kRoundedInstead);
  return nullptr;
}

/// Tokenizer and picture processor against the model's own sizes.
Status check_processor(const ChatProcessor& processor, const ModelGeometry& geometry,
                       const std::filesystem::path& folder) {
  const std::int64_t words = processor.tokenizer().vocab_size();
  const bool only_image_token =
      processor.image_token_id() == geometry.vocab_size && words == geometry.vocab_size + 1;
  if (words > geometry.vocab_size && !only_image_token) {
    return input_error("The tokenizer has " + std::to_string(words) +
                           " tokens, the model's vocabulary only " +
                           std::to_string(geometry.vocab_size) + ".",
                       (folder / "config.json").string() + ": vocab_size",
                       "Tokenizer and weights do not belong together.");
  }
  if (!processor.image_processor() || geometry.image_height == 0) return {};
  const std::vector<std::int64_t> expected{3, geometry.image_height, geometry.image_width};
  const std::string settings = (folder / "preprocessor_config.json").string();
  LUTHIER_TRY(const PixelValues outline,
              outline_of(*processor.image_processor(), static_cast<int>(geometry.image_width) + 7,
                         static_cast<int>(geometry.image_height) + 3, settings));
  const std::vector<std::int64_t> made(outline.shape.begin() + 1, outline.shape.end());
  if (made == expected) return {};
  return input_error("The picture processor makes " + shape_text(made) +
                         ", the vision tower takes " + shape_text(expected) + ".",
                     settings, "Processor and weights do not belong together.");
}

/// What goes by the folder's tokenizer and picture processor.
Status read_words(const std::filesystem::path& folder, LoadedModel& loaded) {
  LUTHIER_CHECK(check_processor(*loaded.processor, loaded.model->geometry(), folder));
  LUTHIER_TRY(loaded.eos_ids, read_eos_ids(folder, loaded.config, loaded.processor->tokenizer()));
  if (const auto* ends = dynamic_cast<const OwnEnd*>(loaded.model.get()))
    loaded.eos_ids = {ends->end_token()};
  LUTHIER_TRY(loaded.answer_rules,
              read_answer_rules(folder, loaded.config, loaded.model->geometry().vocab_size));
  return {};
}

/// What fills texts up: the tokenizer's, else config.json's.
TokenId padding_of(const LoadedModel& loaded) {
  if (!loaded.processor) return padding_by_config(loaded.config);
  const SpecialTokens& special = loaded.processor->tokenizer().special();
  return special.pad.value_or(special.eos.value_or(0));
}

/// `sharding`: null, it stays in this process. `words`: its tokenizer and picture processor, too.
Result<LoadedModel> load_or_shard(const std::filesystem::path& folder, const LoadOptions& options,
                                  const Sharding* sharding, bool words = true) try {
  LUTHIER_CHECK(check_model_folder(folder));
  LoadedModel loaded;
  loaded.folder = folder;
  loaded.pixels = options.pixels;
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(loaded.config, read_json_file(folder / "config.json"));
  const std::string body = words ? std::string() : named_class(loaded.config);
  const Json config = words ? loaded.config : config_with_heads(loaded.config);
  LUTHIER_TRY(loaded.family, find_family(config, where));
  LUTHIER_TRY(const torch::Device device, choose_device(options.device));
  LUTHIER_TRY(const torch::ScalarType dtype, choose_dtype(options.dtype, device));
  LUTHIER_TRY(const Plan plan, loaded.family->read(config, folder));
  // Before weights are read, so that a folder whose processor is wrong says so at once.
  if (words) {
    LUTHIER_TRY(loaded.processor, make_processor(plan, folder, options.pixels));
  }
  const auto tensors = torch::TensorOptions().device(device).dtype(dtype);

  // On the meta device first: shapes are checked against the files before memory is taken.
  auto shapes = plan.made(tensors.device(torch::kMeta));
  if (!options.random_weights) {
    LUTHIER_TRY(const CheckpointFiles files,
                open_weights(folder, loaded.config, *loaded.family, *shapes));
    if (options.go_on && !options.go_on(0)) return interrupted_error();
    LUTHIER_TRY(const bool own_head, has_own_head(*shapes, *loaded.family, files));
    const HeadWeight head = own_head ? HeadWeight::Own : HeadWeight::AsConfigured;
    if (own_head) {
      untie(*loaded.family, loaded.config);
      shapes = plan.build(tensors.device(torch::kMeta), head);
    }
    LUTHIER_TRY(
        const PackingPlan packing,
        plan_packing(*shapes, *loaded.family, files, loaded.config, options.quantization, where));
    LUTHIER_TRY(const auto names, stored_names(*loaded.family, files, packing, folder.string()));
    std::map<DType, std::int64_t> count;
    for (const auto& [name, stored] : names) {
      const TensorInfo& info = files.tensors().at(stored);
      if (!is_packed(packing, name)) count[info.dtype] += info.elements();
    }
    for (const auto& item : shapes->named_parameters()) {
      // Packed ones have a shape of their own.
      if (names.contains(item.key()) || may_lack(item.key()) || class_lacks(body, item.key()))
        continue;
      LUTHIER_CHECK(StoredParameter::find({*loaded.family, files, names, folder.string()},
                                          item.key(), item.value().sizes()));
    }
    const auto most =
        std::max_element(count.begin(), count.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    loaded.stored_dtype = most == count.end() ? "F32" : dtype_name(most->first);
    loaded.model = shapes;  // where weights are packed it gets its tensors one by one
    if (sharding) {
      LUTHIER_CHECK(place_among(*sharding, *shapes, packing, tensors, where));
    } else if (!packing) {
      loaded.model = plan.build(tensors, head);
    }
    LUTHIER_CHECK(load_weights(*loaded.model, *loaded.family, files, packing, tensors,
                               folder.string(), body, options.go_on));
    if (sharding) LUTHIER_CHECK(sharded_of(*loaded.model)->open());
    if (packing) loaded.quantization = packing.settings;
  } else {
    LUTHIER_TRY(const WeightKind* kind, find_weight_kind(options.quantization, where));
    if (kind) {
      return input_error("Random weights cannot be packed to " + std::string(kind->name) + ".",
                         where, "Train from scratch without quantization.");
    }
    if (sharding)
      return input_error("Weights that are drawn are not sharded.", "init",
                         "Leave --shard base out.");
    loaded.model = plan.made(tensors);
    LUTHIER_TRY(loaded.draws, draw_weights(*loaded.model, plan, options.seed, options.go_on));
    loaded.drawn = true;
    loaded.stored_dtype = "F32";
  }
  if (words) LUTHIER_CHECK(read_words(folder, loaded));
  if (auto* padded = dynamic_cast<PaddedTexts*>(loaded.model.get()))
    padded->set_padding(padding_of(loaded));
  loaded.model->eval();
  return loaded;
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("There is not enough memory on the device for this model.", folder.string(),
                    "Use a smaller model, or dtype: bfloat16."),
      machine_error("Loading failed: " + first_line(problem.what()), folder.string()));
}

}  // namespace

Result<LoadedModel> load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  return load_or_shard(folder, options, nullptr);
}

TokenId padding_by_config(const Json& config) {
  const auto text = config.find("text_config");
  for (const Json* part : {&config, text != config.end() ? &*text : &config})
    if (const auto pad = part->find("pad_token_id"); pad != part->end() && pad->is_number_integer())
      return pad->get<TokenId>();
  return 0;
}

Result<LoadedModel> load_without_processor(const std::filesystem::path& folder,
                                           const LoadOptions& options) {
  LUTHIER_TRY(LoadedModel loaded, load_or_shard(folder, options, nullptr, /*words=*/false));
  LUTHIER_CHECK(hang_head_of_class(loaded));
  return loaded;
}

Result<LoadedModel> load_sharded(const std::filesystem::path& folder, const LoadOptions& options,
                                 const Sharding& sharding) {
  return load_or_shard(folder, options, &sharding);
}

Result<std::shared_ptr<const ChatProcessor>> load_processor(const std::filesystem::path& folder,
                                                            const MediaLimits& limits) {
  LUTHIER_CHECK(check_model_folder(folder));
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(folder / "config.json"));
  LUTHIER_TRY(const Family* family, find_family(config, where));
  LUTHIER_TRY(const Plan plan, family->read(config, folder));
  return make_processor(plan, folder, limits);
}

Result<std::shared_ptr<const ChatProcessor>> processor_for(const LoadedModel& loaded,
                                                           const MediaLimits& limits) {
  if (limits == loaded.pixels) return loaded.processor;
  return loaded.processor->with_limits(loaded.folder, limits);
}

Status save_model(const LoadedModel& loaded, const std::filesystem::path& folder,
                  torch::ScalarType dtype, const std::map<std::string, torch::Tensor>& masters) {
  torch::NoGradGuard no_grad;
  TORCH_CHECK(packed_linears(*loaded.model).empty(), "packed weights are not written here");
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem)
    return machine_error("The folder cannot be made: " + problem.message(), folder.string());
  const auto wider = wider_for(loaded, dtype);
  const auto warned = std::make_shared<bool>(false);
  const std::map<std::string, torch::ScalarType> counted = statistics_types(*loaded.model);
  std::vector<TensorToMake> tensors;
  for (const auto& item : loaded.model->named_parameters()) {
    const std::string& name = item.key();
    const auto master = masters.find(name);
    const bool trained = master != masters.end();
    const torch::Tensor own = trained ? master->second : item.value();
    if (const auto type = counted.find(name); type != counted.end()) {
      tensors.push_back({loaded.family->stored_name(name), type->second, own.sizes().vec(),
                         [own]() -> Result<torch::Tensor> { return own; }});
      continue;
    }
    const auto turned = [family = loaded.family, name](const torch::Tensor& tensor) {
      return as_stored(*family, name, tensor);
    };
    const torch::Tensor outline = turned(torch::empty(own.sizes(), torch::kMeta));
    tensors.push_back({loaded.family->stored_name(name), dtype, outline.sizes().vec(),
                       [name, own, trained, wider, warned, turned,
                        sharded = sharded_of(*loaded.model)]() -> Result<torch::Tensor> {
                         if (!trained && sharded) sharded->bring(name);
                         if (trained || !wider) return turned(own);
                         const auto value = wider->value(name, own, torch::kCPU);
                         if (value) return turned(value->defined() ? *value : own);
                         if (!*warned) log_warning(value.error().sentence() + kRoundedInstead);
                         *warned = true;
                         return turned(own);
                       }});
  }
  LUTHIER_CHECK(write_tensor_file(folder / "model.safetensors", tensors));
  Json config = loaded.config;
  config["dtype"] = dtype == torch::kFloat32    ? "float32"
                    : dtype == torch::kBFloat16 ? "bfloat16"
                                                : "float16";
  config.erase("torch_dtype");
  if (loaded.family->leave_out) loaded.family->leave_out(config);
  config.erase("quantization_config");  // of an earlier life: these weights are whole
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config.dump(2) + "\n"));
  LUTHIER_CHECK(copy_companion_files(loaded.folder, folder));
  return loaded.processor->store_limits(folder, loaded.pixels);
}

}  // namespace luthier
