// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/card_files.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/io/files.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

Json special_token(std::int64_t id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

/// What stands around a text, as transformers' TemplateProcessing says it.
Json template_of(const WordTokenizer& tokenizer) {
  Json single = Json::array(), known = Json::object();
  const auto add = [&](const std::string& token) {
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    known[token] = {{"id", token},
                    {"ids", Json::array({tokenizer.id(token)})},
                    {"tokens", Json::array({token})}};
  };
  for (const std::string& token : tokenizer.before) add(token);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  for (const std::string& token : tokenizer.behind) add(token);
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  for (const std::string& token : tokenizer.behind)
    pair.push_back({{"SpecialToken", {{"id", token}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", known}};
}

Status write_lab_picture(const fs::path& path, const Image& image) {
  LUTHIER_TRY(const auto bytes, encode_png(image));
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file)
    return machine_error("The picture cannot be written.", path.string(),
                         "Check the folder's permissions.");
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written)
    return machine_error("The picture cannot be written: the disk may be full.", path.string());
  return {};
}

Status write_rows_of(const std::vector<LabScene>& scenes, SceneRow row, bool pictures,
                     const fs::path& file, const std::string& name) {
  const fs::path folder = file.parent_path() / "pictures";
  std::error_code failed;
  if (pictures) fs::create_directories(folder, failed);
  if (failed)
    return machine_error("The folder cannot be made: " + failed.message() + ".", folder.string());
  std::string lines;
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "-%05zu.png", i);
    const std::string picture = "pictures/" + name + number;
    if (pictures)
      LUTHIER_CHECK(write_lab_picture(file.parent_path() / picture, lab_picture(scenes[i])));
    lines += row(scenes[i], picture).dump() + "\n";
  }
  return write_file_atomically(file, lines);
}

}  // namespace

std::int64_t WordTokenizer::id(const std::string& token) const {
  const auto in = [&](const std::vector<std::string>& list) {
    const auto found = std::find(list.begin(), list.end(), token);
    return found == list.end() ? std::int64_t{-1} : std::int64_t{found - list.begin()};
  };
  const auto before_words = static_cast<std::int64_t>(first.size());
  if (const std::int64_t place = in(first); place >= 0) return place;
  if (const std::int64_t place = in(lab_words()); place >= 0) return before_words + place;
  const std::int64_t place = in(last);
  return place < 0 ? -1 : before_words + static_cast<std::int64_t>(lab_words().size()) + place;
}

std::int64_t WordTokenizer::size() const {
  return static_cast<std::int64_t>(first.size() + lab_words().size() + last.size());
}

Status write_word_tokenizer(const WordTokenizer& tokenizer, const fs::path& folder) {
  Json vocabulary = Json::object(), added = Json::array();
  for (const auto* list : {&tokenizer.first, &lab_words(), &tokenizer.last}) {
    for (const std::string& token : *list) {
      vocabulary[token] = tokenizer.id(token);
      if (list != &lab_words()) added.push_back(special_token(tokenizer.id(token), token));
    }
  }
  const auto unknown = tokenizer.named.find("unk_token");
  const Json document = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"post_processor", template_of(tokenizer)},
      {"decoder", nullptr},
      {"model",
       {{"type", "WordLevel"},
        {"vocab", vocabulary},
        {"unk_token", unknown == tokenizer.named.end() ? "<unk>" : unknown->second}}}};
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"model_max_length", tokenizer.longest}};
  for (const auto& [name, token] : tokenizer.named) config[name] = token;
  LUTHIER_CHECK(write_file_atomically(folder / "tokenizer.json", document.dump(1) + "\n"));
  return write_file_atomically(folder / "tokenizer_config.json", config.dump(2) + "\n");
}

Status write_model_file(const CardDraft& draft, const char* name, const Json& document) {
  return write_file_atomically(draft.model() / name, document.dump(2) + "\n");
}

Json text_row(const LabScene& scene, const std::string&) { return {{"text", scene.text}}; }
Json caption_row(const LabScene& scene, const std::string& picture) {
  return {{"image", picture}, {"text", scene.text}};
}

Json asked_row(const std::string& picture, const std::string& question, const std::string& answer) {
  Json asked = Json::array({{{"type", "image"}, {"path", picture}}});
  if (!question.empty()) asked.push_back({{"type", "text"}, {"text", question}});
  const Json says = Json::array({{{"type", "text"}, {"text", answer}}});
  return {{"messages", Json::array({{{"role", "user"}, {"content", asked}},
                                    {{"role", "assistant"}, {"content", says}}})}};
}

Json described_row(const LabScene& scene, const std::string& picture) {
  return asked_row(picture, "", lab_caption(scene.scene));
}

Status write_scene_rows(const CardDraft& draft, SceneRow row, bool pictures, std::size_t training) {
  const auto seen = static_cast<std::size_t>(draft.order.steps * kCardBatch);
  LUTHIER_CHECK(write_rows_of(lab_scenes(draft.order.seed, false, std::min(seen, training)), row,
                              pictures, draft.training_rows(), "train"));
  return write_rows_of(lab_scenes(draft.order.seed, true, kCardHeldOut), row, pictures,
                       draft.held_out_rows(), "heldout");
}

Json scene_processor() {
  return {{"crop_size", {{"height", kScenePixels}, {"width", kScenePixels}}},
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
          {"size", {{"shortest_edge", kScenePixels}}}};
}

Result<Recipe> card_recipe(const CardDraft& draft, const std::string& objective,
                           const std::string& strategy, const std::vector<std::string>& settings,
                           double steps_share) {
  const auto steps =
      std::max<std::int64_t>(1, std::llround(static_cast<double>(draft.order.steps) * steps_share));
  const std::int64_t between = std::max<std::int64_t>(1, steps / 8);
  const auto set = [](const char* key, const auto& value) {
    return std::string("training.") + key + "=" + std::to_string(value);
  };
  std::vector<std::string> all = {set("max_steps", steps),
                                  set("per_device_train_batch_size", kCardBatch),
                                  set("gradient_accumulation_steps", 1),
                                  set("seed", draft.order.seed),
                                  set("warmup_steps", std::max<std::int64_t>(1, steps / 20)),
                                  set("logging_steps", 5),
                                  set("eval_steps", between),
                                  set("save_steps", 2 * between),
                                  set("save_total_limit", 2),
                                  "training.learning_rate=2e-3",
                                  "training.lr_scheduler_type=cosine",
                                  "training.adam_beta2=0.98",
                                  "training.gradient_checkpointing=false",
                                  "training.device=cpu",
                                  "training.dtype=float32",
                                  "training.max_length=128"};
  all.insert(all.end(), settings.begin(), settings.end());
  LUTHIER_TRY(Recipe recipe,
              parse_recipe("objective: " + objective + "\nstrategy: " + strategy + "\n",
                           "card " + draft.card.key, all));
  recipe.model = draft.model().string();
  recipe.init = "random";
  recipe.dataset = {draft.training_rows().string()};
  recipe.eval_dataset = {draft.held_out_rows().string()};
  recipe.output_dir = (draft.folder / "run").string();
  return recipe;
}

Result<Recipe> described_recipe(const CardDraft& draft, const std::string& strategy) {
  const auto evaluated_each = std::max<std::int64_t>(1, draft.order.steps / 3);
  return card_recipe(
      draft, "sft", strategy,
      {"training.learning_rate=1e-3", "forgetting.dataset=" + draft.held_out_rows().string(),
       "forgetting.count=64", "forgetting.max_new_tokens=24",
       "training.eval_steps=" + std::to_string(evaluated_each)});
}

}  // namespace luthier
