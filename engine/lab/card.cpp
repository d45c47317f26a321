// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/card.h"

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/lab/unfinished_folder.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/stage_folder.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr const char *kCardFile = "card.json", *kCardRecipe = "recipe.yaml", *kCardRun = "run";

PreparedCard prepared_in(const fs::path& folder, const std::string& key, const CardOrder& order) {
  return {key, order, folder / kCardRecipe, folder / kCardRun};
}

/// The folder whose metrics have the figure: of a run of stages the last stage's that has begun.
Result<fs::path> measured_run(const fs::path& run) {
  if (!is_stage_folder(run)) return run;
  LUTHIER_TRY(const auto records, read_stage_records(run));
  fs::path found = run;
  for (const StageRecord& record : records)
    if (stage_state(run / record.folder) != "waiting") found = run / record.folder;
  return found;
}

Status only_ours(const fs::path& folder) {
  std::error_code failed;
  if (!fs::exists(folder, failed) || fs::is_empty(folder, failed)) return {};
  return input_error("The folder holds something else than a card of the lab.", folder.string(),
                     "Name a new or an empty folder.");
}

}  // namespace

std::string fusion_name(CardPlace::Fusion fusion) {
  switch (fusion) {
    case CardPlace::Fusion::TextAlone: return "text alone";
    case CardPlace::Fusion::PictureAlone: return "picture alone";
    case CardPlace::Fusion::Early: return "early fusion";
    case CardPlace::Fusion::Between: return "fusion between";
    case CardPlace::Fusion::Late: return "late fusion";
  }
  return {};
}

std::string mechanism_name(CardPlace::Mechanism mechanism) {
  switch (mechanism) {
    case CardPlace::Mechanism::Generation: return "generation";
    case CardPlace::Mechanism::Masking: return "masking";
    case CardPlace::Mechanism::Contrast: return "contrast";
    case CardPlace::Mechanism::Classes: return "classes";
    case CardPlace::Mechanism::Joined: return "several together";
  }
  return {};
}

std::string pattern_name(CardPlace::Pattern pattern) {
  switch (pattern) {
    case CardPlace::Pattern::EncoderOnly: return "encoder only";
    case CardPlace::Pattern::DecoderOnly: return "decoder only";
    case CardPlace::Pattern::EncoderDecoder: return "encoder and decoder";
    case CardPlace::Pattern::TwoTowers: return "two towers";
    case CardPlace::Pattern::TowerAndDecoder: return "tower and decoder";
  }
  return {};
}

std::string mask_name(CardPlace::Mask mask) {
  switch (mask) {
    case CardPlace::Mask::BothWays: return "both ways";
    case CardPlace::Mask::Causal: return "causal";
    case CardPlace::Mask::Prefix: return "prefix both ways";
    case CardPlace::Mask::EncoderDecoder: return "both ways, then causal";
    case CardPlace::Mask::Apart: return "each side by itself";
  }
  return {};
}

Result<LabCard> lab_card(std::string_view key) {
  std::string known;
  for (const LabCard& card : lab_cards()) {
    if (card.key == key) return card;
    known += (known.empty() ? "" : ", ") + card.key;
  }
  return input_error("The lab has no card \"" + std::string(key) + "\".", "card",
                     "There are " + known + ".");
}

Result<PreparedCard> prepare_card(const LabCard& card, const fs::path& given_folder,
                                  const CardOrder& given) {
  if (given_folder.empty())
    return input_error("The card's folder has no name.", "DIR", "Name a new or an empty folder.");
  // Its recipe holds paths, which are to lead to the same files from anywhere.
  std::error_code unknown;
  const fs::path folder = fs::absolute(given_folder, unknown);
  CardOrder order = given;
  if (order.steps == 0) order.steps = card.steps;
  if (order.steps < 1 || order.steps > 1'000'000)
    return input_error("A card trains for 1 to 1000000 steps.", "steps");
  if (const auto there = read_prepared_card(folder)) {
    if (there->key == card.key && there->order.seed == order.seed &&
        there->order.steps == order.steps)
      return *there;
    return input_error("The folder holds the card " + there->key + " with seed " +
                           std::to_string(there->order.seed) + " and " +
                           std::to_string(there->order.steps) + " steps.",
                       folder.string(), "Name another folder.");
  }
  LUTHIER_CHECK(only_ours(folder));
  const CardDraft draft{card, folder, order};
  UnfinishedFolder unfinished(folder);
  std::error_code failed;
  fs::create_directories(draft.model(), failed);
  if (failed)
    return machine_error("The folder cannot be made: " + failed.message() + ".", folder.string());
  LUTHIER_TRY(StagedRecipe staged, card.write(draft));
  const bool one = staged.stages.size() == 1;
  staged.output_dir = (folder / kCardRun).string();
  Recipe& first = staged.stages.front().recipe;
  if (one) first.output_dir = staged.output_dir;
  LUTHIER_CHECK(write_file_atomically(folder / kCardRecipe,
                                      one ? recipe_to_yaml(first) : staged_recipe_to_yaml(staged)));
  // Written last: a folder without it is not whole.
  const Json note = {
      {"format_version", 1}, {"card", card.key}, {"seed", order.seed}, {"steps", order.steps}};
  LUTHIER_CHECK(write_file_atomically(folder / kCardFile, note.dump(2) + "\n"));
  unfinished.keep();
  return prepared_in(folder, card.key, order);
}

Result<PreparedCard> read_prepared_card(const fs::path& folder) {
  LUTHIER_TRY(const Json note, read_json_file(folder / kCardFile));
  const std::string where = (folder / kCardFile).string();
  LUTHIER_TRY(const std::string key, json_string(note, "card", where, ""));
  CardOrder order;
  LUTHIER_TRY(const std::int64_t seed, json_int(note, "seed", where, 0));
  LUTHIER_TRY(order.steps, json_int(note, "steps", where, 0));
  LUTHIER_CHECK(lab_card(key));
  order.seed = static_cast<std::uint64_t>(seed);
  return prepared_in(folder, key, order);
}

Result<CardFigure> card_figure(const LabCard& card, const PreparedCard& prepared) {
  LUTHIER_TRY(const fs::path measured, measured_run(prepared.run));
  LUTHIER_TRY(const RunFolder run, RunFolder::open(measured));
  LUTHIER_TRY(const RunManifest manifest, run.read_manifest());
  CardFigure figure;
  figure.step = manifest.step;
  figure.total = manifest.total_steps;
  figure.finished = manifest.state == RunState::Finished;
  figure.seconds = manifest.seconds;
  for (const MetricsLine& line : run.read_metrics()) {
    const auto found = line.figures.find(card.figure);
    if (found == line.figures.end()) continue;
    figure.value = found->second;
    figure.curve.emplace_back(line.step, found->second);
  }
  return figure;
}

}  // namespace luthier
