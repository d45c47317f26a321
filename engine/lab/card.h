// SPDX-License-Identifier: GPL-3.0-or-later
// A card of the lab: a paradigm of pretraining or of joining pictures and words, small enough to
// train for real within a minute or two on two cores. A card is a recipe on generated data, and its
// figure a number of its run's evaluations: training, resume, curves and the run folder are those
// of any run. One file a card in cards/, and a row of lab_cards(). No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/stages.h"

namespace luthier {

/// Where a card stands on the map: what is joined how, learned by what, with whom seeing whom.
struct CardPlace {
  enum class Fusion { TextAlone, PictureAlone, Early, Between, Late };
  enum class Mechanism { Generation, Masking, Contrast, Classes, Joined };
  enum class Pattern { EncoderOnly, DecoderOnly, EncoderDecoder, TwoTowers, TowerAndDecoder };
  enum class Mask { BothWays, Causal, Prefix, EncoderDecoder, Apart };
  Fusion fusion = Fusion::TextAlone;
  Mechanism mechanism = Mechanism::Generation;
  Pattern pattern = Pattern::EncoderOnly;
  std::string objective;  ///< as a recipe names it
  Mask mask = Mask::BothWays;
};
std::string fusion_name(CardPlace::Fusion fusion);
std::string mechanism_name(CardPlace::Mechanism mechanism);
std::string pattern_name(CardPlace::Pattern pattern);
std::string mask_name(CardPlace::Mask mask);

/// How large a preparation is. What two cards have in common is the seed's scenes and the rows that
/// are seen.
struct CardOrder {
  std::uint64_t seed = 7;
  std::int64_t steps = 0;  ///< of kCardBatch rows each; 0: the card's own number
};
inline constexpr std::int64_t kCardBatch = 32;
inline constexpr std::size_t kCardHeldOut = 256;  ///< rows that are never trained on

struct CardDraft;

struct LabCard {
  std::string key;    ///< "masked-words"
  std::string title;  ///< "Masked words (BERT)"
  CardPlace place;
  std::string learns;     ///< what the model does with its rows
  std::string look;       ///< what to look at while it trains
  std::string figure;     ///< in metrics.jsonl: "eval_accuracy"
  std::string figure_is;  ///< "masked words restored"
  double chance = 0;      ///< what a guess comes to
  double goal = 0;        ///< what the figure reaches at the card's own number of steps
  std::int64_t steps = 0;
  double minutes = 0;  ///< on two cores
  /// Writes the model's folder and the rows, and says by what recipe they are learned: one stage,
  /// or several where the card is a run of stages.
  Result<StagedRecipe> (*write)(const CardDraft& draft) = nullptr;
};

/// The cards, in the order of the notes.
const std::vector<LabCard>& lab_cards();
/// An Input error that names those that there are.
Result<LabCard> lab_card(std::string_view key);

/// What a card is prepared into, and what `write` fills.
struct CardDraft {
  const LabCard& card;
  std::filesystem::path folder;
  CardOrder order;

  std::filesystem::path model() const { return folder / "model"; }
  std::filesystem::path training_rows() const { return folder / "train.jsonl"; }
  std::filesystem::path held_out_rows() const { return folder / "heldout.jsonl"; }
};

/// A card's folder once it is prepared.
struct PreparedCard {
  std::string key;
  CardOrder order;  ///< with its steps filled in
  std::filesystem::path recipe, run;
};
/// Writes model/, train.jsonl, heldout.jsonl, recipe.yaml and card.json into `folder`. A folder
/// that is prepared for the same card and order already stays as it is; one that holds anything
/// else is refused.
Result<PreparedCard> prepare_card(const LabCard& card, const std::filesystem::path& folder,
                                  const CardOrder& order = {});
/// What stands in a prepared card's folder; an Input error where it is none.
Result<PreparedCard> read_prepared_card(const std::filesystem::path& folder);

/// What a run of the card has come to.
struct CardFigure {
  std::int64_t step = 0, total = 0;
  std::optional<double> value;  ///< of the last evaluation
  std::vector<std::pair<std::int64_t, double>> curve;
  double seconds = 0;  ///< that the run took
  bool finished = false;
  bool reached(const LabCard& card) const { return value && *value >= card.goal; }
};
/// Of the card's run; an Input error where there is no run.
Result<CardFigure> card_figure(const LabCard& card, const PreparedCard& prepared);

}  // namespace luthier
