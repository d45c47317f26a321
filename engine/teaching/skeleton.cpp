// SPDX-License-Identifier: GPL-3.0-or-later
// Sizes are chosen for two CPU cores: one patch a cell of the scene (9 picture tokens), a 3-layer
// tower, a 5-layer decoder.
#include "engine/teaching/skeleton.h"

#include <map>
#include <string>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/output_place.h"
#include "engine/teaching/language.h"
#include "engine/teaching/tokenizer_maker.h"

namespace luthier {

namespace {

constexpr std::size_t kMaxPieces = 1022;  // with <image> and <pad>: 1024
constexpr std::uint64_t kMinMerges = 8;
constexpr std::int64_t kMaxPositions = 512;

// One turn reads " USER: <image> question ASSISTANT: answer</s>"; LLaVA-1.5's words, with a space
// where a new turn begins.
constexpr const char* kTemplate =
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    " ASSISTANT:{% generation %}"
    "{% if message['content'] is string %} {{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %} {{ part['text'] }}{% "
    "endif %}{% endfor %}{% endif %}"
    "{{ eos_token }}{% endgeneration %}"
    "{% else %}"
    "{% if not loop.first %} {% endif %}{% if message['role'] == 'user' %}USER:{% else %}SYSTEM:{% "
    "endif %}"
    "{% if message['content'] is string %} {{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %} <image>{% elif "
    "part['type'] == 'text' %} {{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}";

TokenizerDraft draft_tokenizer(std::uint64_t seed) {
  std::map<std::string, std::uint64_t> counts;
  const auto count = [&](const std::string& text) {
    for (const std::string& word : split_words(text)) ++counts[word];
  };
  for (int i = 0; i < 20000; ++i) {
    RandomStream random(seed, 7, static_cast<std::uint64_t>(i));
    const Scene scene = random_scene(random);
    const Question question = random_question(scene, random);
    const auto manner = static_cast<Manner>(random.below(4));
    const std::string order = instruction(manner);
    count("USER: " + (order.empty() ? order : order + " ") + ask(question) +
          " ASSISTANT: " + answer(scene, question, manner));
    if (i % 20 == 0)
      count(
          "SYSTEM: Say it in English, in Korean, as JSON, like a pirate: yes, no, one, two, three, "
          "none, nothing.");
  }
  return make_tokenizer(counts, kMaxPieces, kMinMerges);
}

Json processor_json() {
  return {
      {"crop_size", {{"height", kScenePixels}, {"width", kScenePixels}}},
      {"do_center_crop", true},
      {"do_convert_rgb", true},
      {"do_normalize", true},
      {"do_rescale", true},
      {"do_resize", true},
      {"image_mean", {0.5, 0.5, 0.5}},
      {"image_processor_type", "CLIPImageProcessor"},
      {"image_std", {0.5, 0.5, 0.5}},
      {"resample", 3},
      {"rescale_factor", 1.0 / 255.0},
      {"size", {{"shortest_edge", kScenePixels}}},
  };
}

Json config_json(std::int64_t pieces) {
  const Json vision = {
      {"model_type", "clip_vision_model"}, {"hidden_size", 128},
      {"intermediate_size", 384},          {"num_hidden_layers", 3},
      {"num_attention_heads", 4},          {"num_channels", 3},
      {"image_size", kScenePixels},        {"patch_size", kSceneCell},
      {"hidden_act", "quick_gelu"},        {"layer_norm_eps", 1e-5},
      {"attention_dropout", 0.0},          {"initializer_factor", 1.0},
      {"initializer_range", 0.06},         {"projection_dim", 128},
  };
  const Json text = {
      {"model_type", "llama"},      {"vocab_size", pieces + 2},
      {"hidden_size", 192},         {"intermediate_size", 512},
      {"num_hidden_layers", 5},     {"num_attention_heads", 6},
      {"num_key_value_heads", 6},   {"head_dim", 32},
      {"hidden_act", "silu"},       {"max_position_embeddings", kMaxPositions},
      {"rms_norm_eps", 1e-5},       {"rope_theta", 10000.0},
      {"attention_bias", false},    {"attention_dropout", 0.0},
      {"mlp_bias", false},          {"initializer_range", 0.06},
      {"bos_token_id", 1},          {"eos_token_id", 2},
      {"pad_token_id", pieces + 1}, {"tie_word_embeddings", false},
      {"use_cache", true},
  };
  return {
      {"architectures", {"LlavaForConditionalGeneration"}},
      {"model_type", "llava"},
      {"dtype", "float32"},
      {"image_token_index", pieces},
      {"image_seq_length", kSceneCells},
      {"multimodal_projector_bias", true},
      {"projector_hidden_act", "gelu"},
      {"tie_word_embeddings", false},
      {"vision_feature_layer", -1},
      {"vision_feature_select_strategy", "default"},
      {"pad_token_id", pieces + 1},
      {"text_config", text},
      {"vision_config", vision},
  };
}

}  // namespace

const char* skeleton_template() { return kTemplate; }

Status write_skeleton(const std::filesystem::path& folder, std::uint64_t seed) {
  LUTHIER_CHECK(make_output_folder(folder));
  const TokenizerDraft draft = draft_tokenizer(seed);
  const auto pieces = static_cast<std::int64_t>(draft.pieces.size());
  LUTHIER_CHECK(write_tokenizer(draft, folder, kMaxPositions));
  const Json processor = {
      {"image_processor", processor_json()}, {"image_token", "<image>"},
      {"num_additional_image_tokens", 1},    {"patch_size", kSceneCell},
      {"processor_class", "LlavaProcessor"}, {"vision_feature_select_strategy", "default"}};
  Json preprocessor = processor_json();
  preprocessor["processor_class"] = "LlavaProcessor";
  const Json generation = {{"bos_token_id", 1}, {"eos_token_id", 2}, {"pad_token_id", pieces + 1}};
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config_json(pieces).dump(2) + "\n"));
  LUTHIER_CHECK(
      write_file_atomically(folder / "generation_config.json", generation.dump(2) + "\n"));
  LUTHIER_CHECK(
      write_file_atomically(folder / "preprocessor_config.json", preprocessor.dump(2) + "\n"));
  LUTHIER_CHECK(write_file_atomically(folder / "processor_config.json", processor.dump(2) + "\n"));
  return write_file_atomically(folder / "chat_template.jinja", kTemplate);
}

}  // namespace luthier
