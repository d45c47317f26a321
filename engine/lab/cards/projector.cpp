// SPDX-License-Identifier: GPL-3.0-or-later
// A tower and a language model joined by a projector (Liu et al. 2023): the teaching model, whose
// projector begins anew, in LLaVA's two stages. The pictures' tower never trains.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"
#include "engine/teaching/language.h"
#include "engine/teaching/teaching.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kProjectorStream = 44, kAskedStream = 45;
constexpr double kProjectorRange = 0.06;  // the teaching model's own

/// Numbers of a mean of 0 and this deviation, as bytes of float32; all 0 for a bias.
std::vector<std::byte> drawn_anew(const TensorInfo& info, bool bias, RandomStream random) {
  std::vector<float> values(static_cast<std::size_t>(info.elements()));
  const double reach = kProjectorRange * std::sqrt(3.0);
  for (float& value : values)
    value = bias ? 0.0F : static_cast<float>(reach * (2 * random.unit() - 1));
  std::vector<std::byte> bytes(4 * values.size());
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Status write_base(const fs::path& base, const fs::path& folder, std::uint64_t seed) {
  LUTHIER_TRY(const CheckpointFiles files, CheckpointFiles::open(base));
  std::vector<std::vector<std::byte>> kept;
  std::vector<TensorToWrite> tensors;
  kept.reserve(files.tensors().size());
  std::uint64_t number = 0;
  for (const auto& [name, info] : files.tensors()) {
    const bool anew = name.find("projector") != std::string::npos;
    if (anew) {
      kept.push_back(
          drawn_anew(info, name.ends_with("bias"), RandomStream(seed, kProjectorStream, number++)));
    } else {
      LUTHIER_TRY(auto bytes, files.find(name)->bytes());
      kept.push_back(std::move(bytes));
    }
    tensors.push_back({name, anew ? DType::F32 : info.dtype, info.shape, kept.back()});
  }
  if (number == 0)
    return input_error("The teaching model's file has no projector.", base.string(),
                       "Install the program's resources anew.");
  LUTHIER_CHECK(write_safetensors(folder / "model.safetensors", tensors));
  LUTHIER_TRY(const std::string config, read_file(base / "config.json"));
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config));
  return copy_companion_files(base, folder);
}

Json question_of_scene(const LabScene& scene, const std::string& picture,
                       const Question& question) {
  return asked_row(picture, ask(question), answer(scene.scene, question, Manner::Plain));
}

Json scene_row(const LabScene& scene, const std::string& picture) {
  return question_of_scene(scene, picture, Question{});
}

Json question_row(const LabScene& scene, const std::string& picture) {
  RandomStream random(scene.draw, kAskedStream);
  return question_of_scene(scene, picture, random_question(scene.scene, random));
}

Result<Recipe> stage_of(const CardDraft& draft, const char* rows, const char* rate,
                        const char* language_model, double share) {
  // Answers take longer than a loss: thrice in a stage.
  const auto evaluated_each = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(share * static_cast<double>(draft.order.steps)) / 3);
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "sft", "freeze",
                                         {std::string("training.learning_rate=") + rate,
                                          "freeze.vision_tower=true", "freeze.projector=false",
                                          std::string("freeze.language_model=") + language_model,
                                          "forgetting.dataset=" + draft.held_out_rows().string(),
                                          "forgetting.count=64", "forgetting.max_new_tokens=24",
                                          "training.eval_steps=" + std::to_string(evaluated_each)},
                                         share));
  recipe.init = "pretrained";
  recipe.dataset = {(draft.folder / (std::string("train") + rows)).string()};
  recipe.eval_dataset = {(draft.folder / (std::string("heldout") + rows)).string()};
  return recipe;
}

Result<StagedRecipe> write_projector(const CardDraft& draft) {
  LUTHIER_TRY(const fs::path base, teaching_base());
  LUTHIER_CHECK(write_base(base, draft.model(), draft.order.seed));
  // The captions are written under the names of rows first, and the questions in their place.
  LUTHIER_CHECK(write_scene_rows(draft, scene_row, /*pictures=*/true, 4096));
  for (const char* name : {"train", "heldout"}) {
    LUTHIER_TRY(const std::string rows, read_file(draft.folder / (std::string(name) + ".jsonl")));
    LUTHIER_CHECK(
        write_file_atomically(draft.folder / (std::string(name) + "-captions.jsonl"), rows));
  }
  LUTHIER_CHECK(write_scene_rows(draft, question_row, /*pictures=*/false, 4096));
  LUTHIER_TRY(Recipe first, stage_of(draft, "-captions.jsonl", "2e-3", "true", 0.5));
  LUTHIER_TRY(Recipe second, stage_of(draft, ".jsonl", "5e-4", "false", 0.5));
  second.model.clear();
  StagedRecipe staged;
  staged.stages = {{"projector", false, std::move(first)},
                   {"instructions", false, std::move(second)}};
  for (RecipeStage& stage : staged.stages) stage.recipe.output_dir.clear();
  return staged;
}

}  // namespace

LabCard projector_card() {
  LabCard card;
  card.key = "projector";
  card.title = "A projector between two models (LLaVA)";
  card.place = {CardPlace::Fusion::Early, CardPlace::Mechanism::Generation,
                CardPlace::Pattern::TowerAndDecoder, "sft", CardPlace::Mask::Causal};
  card.learns =
      "A picture's patches become tokens of a language model. First the projector alone learns "
      "from captions, then the language model with it from questions.";
  card.look =
      "The picture's nine tokens stand before the question, and only the answer is learned from. "
      "The tower trains in neither stage.";
  card.figure = "eval_probe/exact_match";
  card.figure_is = "questions answered exactly";
  card.chance = 0.25;
  card.goal = 0.7;
  card.steps = 240;
  card.minutes = 2;
  card.write = write_projector;
  return card;
}

}  // namespace luthier
