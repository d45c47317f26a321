// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/compose/connector.h"

#include <algorithm>

namespace luthier {

namespace {

std::string activation_word(Activation activation) {
  switch (activation) {
    case Activation::Gelu: return "gelu";
    case Activation::GeluTanh: return "gelu_pytorch_tanh";
    case Activation::QuickGelu: return "quick_gelu";
    case Activation::Silu: return "silu";
    case Activation::Relu: return "relu";
    case Activation::Relu6: return "relu6";
    case Activation::Relu2: return "relu2";
    case Activation::LeakyRelu: return "leaky_relu";
    case Activation::Sigmoid: return "sigmoid";
    case Activation::Tanh: return "tanh";
    case Activation::Mish: return "mish";
    case Activation::Linear: return "linear";
  }
  return "gelu";
}

}  // namespace

const std::vector<Connector>& connector_rows() {
  static const std::vector<Connector> rows{
      linear_connector(),       mlp_connector(),        qformer_connector(),
      resampler_connector(),    gated_connector(),      early_connector(),
      encoder_free_connector(), prefix_mlp_connector(), prefix_transformer_connector()};
  return rows;
}

std::vector<ConnectorSummary> connectors() {
  std::vector<ConnectorSummary> all;
  for (const Connector& row : connector_rows()) all.push_back(row.summary);
  return all;
}

Result<const Connector*> find_connector(const std::string& key) {
  std::string known;
  for (const Connector& row : connector_rows()) {
    if (row.summary.key == key) return &row;
    known += (known.empty() ? "" : ", ") + row.summary.key;
  }
  return input_error("There is no connector \"" + key + "\".", "--connector",
                     "There are " + known + ".");
}

std::int64_t ConnectorParts::id(const std::string& word) const {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [&](const ComposedWord& each) { return each.text == word; });
  return found == words.end() ? -1 : found->id;
}

Json ConnectorParts::text_config(bool grown) const {
  Json text = {{"model_type", language.type}};
  text.update(language.config);
  text["vocab_size"] = language.vocab_size + (grown ? rows_lacking : 0);
  text["tie_word_embeddings"] = language.tied;
  return text;
}

Json ConnectorParts::vision_config(const std::string& model_type) const {
  const VisionSizes& sizes = tower->sizes;
  Json vision = {{"model_type", model_type},
                 {"hidden_size", sizes.hidden_size},
                 {"intermediate_size", sizes.intermediate_size},
                 {"num_hidden_layers", sizes.num_hidden_layers},
                 {"num_attention_heads", sizes.num_attention_heads},
                 {"image_size", sizes.image_height},
                 {"patch_size", sizes.patch_size},
                 {"hidden_act", activation_word(sizes.hidden_act)},
                 {"layer_norm_eps", sizes.layer_norm_eps},
                 {"initializer_range", sizes.initializer_range}};
  return vision;
}

Json ConnectorParts::config(const std::string& architecture, const std::string& model_type) const {
  Json config = {{"architectures", Json::array({architecture})},
                 {"model_type", model_type},
                 {"dtype", config_dtype(language.dtype)}};
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (const auto found = language.config.find(key); found != language.config.end())
      config[key] = *found;
  return config;
}

Json ConnectorParts::picture_processor(const std::string& type) const {
  Json processor = {{"image_processor_type", type}};
  processor.update(tower->picture);
  const std::int64_t side = tower->sizes.image_height;
  const Json square = {{"height", side}, {"width", side}};
  if (type == "CLIPImageProcessor") {
    processor["size"] = {{"shortest_edge", side}};
    processor["do_center_crop"] = true;
    processor["crop_size"] = square;
  } else {
    processor["size"] = square;
  }
  return processor;
}

ComposedBox ConnectorParts::picture_box() const {
  const VisionSizes& sizes = tower->sizes;
  const std::string side = std::to_string(sizes.image_height);
  return {"picture", "3 x " + side + " x " + side,
          with_commas(sizes.patches()) + " patches of " + std::to_string(sizes.patch_size) + " x " +
              std::to_string(sizes.patch_size)};
}

ComposedBox ConnectorParts::language_box() const {
  return {"language_model", described(language), "the next word"};
}

std::string config_dtype(const std::string& stored) {
  return stored == "BF16" ? "bfloat16" : stored == "F16" ? "float16" : "float32";
}

ComposedStage freeze_stage(const std::string& name, bool vision_tower, bool projector,
                           bool language_model, std::vector<std::string> settings) {
  ComposedStage stage;
  stage.name = name;
  stage.vision_tower = vision_tower, stage.projector = projector;
  stage.language_model = language_model;
  const auto kept = [](const char* part, bool trains) {
    return std::string("freeze.") + part + (trains ? "=false" : "=true");
  };
  stage.settings = {kept("vision_tower", vision_tower), kept("projector", projector),
                    kept("language_model", language_model)};
  stage.settings.insert(stage.settings.end(), settings.begin(), settings.end());
  return stage;
}

std::vector<std::string> batch_settings(std::int64_t rows) {
  constexpr std::int64_t kRowsAtOnce = 4;
  return {"training.per_device_train_batch_size=" + std::to_string(kRowsAtOnce),
          "training.gradient_accumulation_steps=" + std::to_string(rows / kRowsAtOnce)};
}

}  // namespace luthier
