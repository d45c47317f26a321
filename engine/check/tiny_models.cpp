// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/check/tiny_models.h"

#include <algorithm>

#include <ATen/CPUGeneratorImpl.h>

#include "engine/check/tiny_table.h"
#include "engine/data/region_rows.h"
#include "engine/methods/ports.h"

namespace luthier {

namespace {

/// Null: none of this family is written down.
const TinyRow* row_of(const std::string& family) {
  for (const TinyTable* table :
       {&tiny_picture_models(), &tiny_tower_models(), &tiny_text_models()}) {
    if (const auto found = table->find(family); found != table->end()) return &found->second;
  }
  return nullptr;
}

constexpr std::int64_t kTextBefore = 2;  ///< tokens before a picture's

/// So many numbers between −1 and 1 that no two pictures share.
PixelValues tiny_pixels(const TinyPicture& picture, std::int64_t number) {
  std::int64_t count = 1;
  for (const std::int64_t side : picture.shape) count *= side;
  PixelValues values;
  values.shape = picture.shape, values.grid = picture.grid;
  for (std::int64_t i = 0; i < count; ++i)
    values.values.push_back(static_cast<float>((i + 5 * number) % 37) / 18.0f - 1);
  return values;
}

Example tiny_example(const TinyModel& model, std::int64_t number, std::int64_t beyond) {
  constexpr std::int64_t kFirstId = 3, kIds = 100, kLongerSource = 9;
  Example example;
  const std::int64_t shown = model.image >= 0 ? model.picture.tokens : 0;
  for (std::int64_t i = 0; i < beyond + shown; ++i) {
    const bool picture = i >= kTextBefore && i < kTextBefore + shown;
    example.input_ids.push_back(picture ? model.image : kFirstId + (i * 7 + number * 13) % kIds);
    example.labels.push_back(picture || i <= kTextBefore ? kIgnoreLabel : example.input_ids.back());
  }
  if (model.last >= 0) example.input_ids.back() = model.last;
  if (model.start >= 0) {
    example.source_ids = std::move(example.input_ids);  // and another text is the decoder's
    example.input_ids = {model.start}, example.labels = {kIgnoreLabel};
    for (std::int64_t i = 0; i < beyond; ++i) {
      example.input_ids.push_back(kFirstId + (i * 11 + number * 5) % kIds);
      example.labels.push_back(example.input_ids.back());
    }
  }
  example.prompt_tokens = shown + kTextBefore + 1;
  if (!model.picture.shape.empty()) example.images.push_back(tiny_pixels(model.picture, number));
  if (model.objective == "span_corruption" || model.objective == "denoising") {
    for (std::int64_t i = 0; i < beyond + kLongerSource; ++i)
      example.source_ids.push_back(kFirstId + (i * 11 + number * 5) % kIds);
  }
  return example;
}

/// What a detector would say of a row's regions, an answer, and whether the two belong together;
/// every other region is covered.
void tell_of_regions(std::int64_t number, EncodedRow& row) {
  PixelValues& regions = row.sequences.front().images.front();
  const std::int64_t columns = regions.shape[1];
  for (std::int64_t region = 0; region < regions.shape[0]; ++region) {
    float* told = regions.values.data() + (region + 1) * columns - kRegionNumbers;
    told[region_numbers::kObject] = static_cast<float>((region + number) % 5);
    told[region_numbers::kAttribute] = static_cast<float>((region + 2 * number) % 3);
    told[region_numbers::kObjectConfidence] = told[region_numbers::kAttributeConfidence] = 0.5f;
    row.targets.push_back(static_cast<double>(region % 2));
  }
  row.numbers[kMatch] = static_cast<double>(number % 2);
  if (number % 2 == 1) row.numbers[kAnswer] = static_cast<double>(number);
}

}  // namespace

Result<TinyModel> tiny_model(const Family& family) {
  const std::string name = family.model_type;
  const TinyRow* const written = row_of(name);
  if (!written)
    return input_error("No small model of the family " + name + " is written down.",
                       "engine/check/tiny_table.h");
  TinyModel model;
  model.family = &family;
  model.objective = written->objective;
  LUTHIER_TRY(model.config, parse_json(written->config, name));
  model.config["model_type"] = name;
  model.picture = written->picture, model.last = written->last, model.start = written->start;
  model.lengths = written->lengths;
  for (const Json& part : {model.config, model.config.value("vision_config", Json::object())})
    for (const char* key : {"image_token_id", "image_token_index"})
      if (part.contains(key)) model.image = part[key].get<TokenId>();
  return model;
}

bool takes_adapters(const TinyModel& model) {
  const auto plan = model.family->read(model.config, model.family->model_type);
  if (!plan) return true;
  const Ports ports = list_ports(*plan->made(torch::TensorOptions().device(torch::kMeta)));
  return std::any_of(ports.linears.begin(), ports.linears.end(), [](const auto& linear) {
    return !is_saved_module(linear.first, {kClassHead});
  });
}

TinyModel deeper(TinyModel model, std::int64_t more) {
  const auto grow = [more](Json& section) {
    for (const char* key : {"num_hidden_layers", "num_layers", "n_layer", "encoder_layers",
                            "decoder_layers", "l_layers", "x_layers", "r_layers"})
      if (section.contains(key)) section[key] = section[key].get<std::int64_t>() + more;
    for (const char* key : {"layer_types", "activation_sparsity_pattern"}) {
      if (!section.contains(key)) continue;
      Json& of_layers = section[key];
      for (std::int64_t i = 0; i < more; ++i) of_layers.push_back(of_layers[0]);
    }
  };
  grow(model.config);
  if (model.config.contains("text_config")) grow(model.config["text_config"]);
  return model;
}

Result<LoadedModel> drawn(const TinyModel& model, const torch::TensorOptions& tensors,
                          torch::ScalarType rounding,
                          std::shared_ptr<const ChatProcessor> processor) {
  constexpr std::uint64_t kSeed = 7;
  constexpr double kSpread = 0.05, kNormsAround = 0.5;
  LoadedModel loaded;
  loaded.family = model.family, loaded.config = model.config;
  loaded.processor = std::move(processor);
  loaded.stored_dtype = "F32";
  loaded.drawn = true;
  LUTHIER_TRY(const Plan plan, model.family->read(model.config, model.family->model_type));
  loaded.model = plan.made(tensors);
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(kSeed);
  const std::map<std::string, double> fixed = fixed_values(*loaded.model);
  for (auto& item : loaded.model->named_parameters()) {
    torch::Tensor& tensor = item.value();
    if (const auto first = fixed.find(item.key()); first != fixed.end()) {
      tensor.fill_(first->second);
      continue;
    }
    torch::Tensor values =
        torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, kSpread, generator);
    // Not biases: what is added to every state makes all of them alike, and CLIP's gradients what
    // is left of terms that are thousands of times as large.
    const bool divides = item.key() == "temperature";  // likenesses, by no small number
    if (divides || (tensor.dim() == 1 && !item.key().ends_with("bias"))) values.add_(kNormsAround);
    tensor.copy_(values.to(rounding).to(tensor.scalar_type()));
  }
  loaded.model->eval();
  return loaded;
}

MicroBatch tiny_rows(const TinyModel& model) {
  MicroBatch rows;
  for (std::size_t row = 0; row < model.lengths.size(); ++row) {
    const auto number = static_cast<std::int64_t>(row);
    rows.rows.push_back(number);
    rows.encoded.emplace_back().sequences.push_back(
        tiny_example(model, number, model.lengths[row]));
    rows.cached.emplace_back();
    if (model.objective == "masked_pictures") {  // the noise of each patch, no two alike
      const auto side = model.config["image_size"].get<std::int64_t>() /
                        model.config["patch_size"].get<std::int64_t>();
      for (std::int64_t i = 0; i < side * side; ++i)
        rows.encoded.back().targets.push_back(static_cast<double>((i * 37 + number * 11) % 97) /
                                              97);
    }
    if (model.objective == "regions") tell_of_regions(number, rows.encoded.back());
    if (model.objective == "segmentation")  // a mask of 6 by 5 pixels, of which some are meant
      rows.encoded.back().targets = {6, 5, static_cast<double>(3 + number), 11,
                                     static_cast<double>(16 - number)};
    if (model.objective != "classification") continue;
    const auto classes = static_cast<std::int64_t>(model.config["id2label"].size());
    rows.encoded.back().targets = {static_cast<double>(number % classes)};
  }
  return rows;
}

std::vector<Example> tiny_prompts(const TinyModel& model,
                                  const std::vector<std::int64_t>& lengths) {
  std::vector<Example> prompts;
  for (const std::int64_t beyond : lengths)
    prompts.push_back(tiny_example(model, static_cast<std::int64_t>(prompts.size()), beyond));
  for (Example& prompt : prompts) {
    prompt.labels.clear();
    if (!prompt.source_ids.empty()) prompt.input_ids.clear();  // the answer begins by itself
  }
  return prompts;
}

}  // namespace luthier
