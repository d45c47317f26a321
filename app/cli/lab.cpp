// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's cards: what there is, a card's folder, its run, and what its batch looks like.
#include <cstdio>
#include <limits>
#include <memory>

#include "app/cli/lab/lab_verbs.h"
#include "app/cli/verbs.h"
#include "engine/config/stages.h"
#include "engine/lab/batch_look.h"
#include "engine/lab/card.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

Json card_json(const LabCard& card) {
  return {{"card", card.key},
          {"title", card.title},
          {"fusion", fusion_name(card.place.fusion)},
          {"mechanism", mechanism_name(card.place.mechanism)},
          {"pattern", pattern_name(card.place.pattern)},
          {"objective", card.place.objective},
          {"mask", mask_name(card.place.mask)},
          {"learns", card.learns},
          {"look", card.look},
          {"figure", card.figure},
          {"figure_is", card.figure_is},
          {"chance", card.chance},
          {"goal", card.goal},
          {"steps", card.steps},
          {"minutes", card.minutes}};
}

Status list_cards(bool json) {
  Json all = Json::array();
  for (const LabCard& card : lab_cards()) {
    if (json) {
      all.push_back(card_json(card));
      continue;
    }
    char line[200];
    std::snprintf(line, sizeof line, "%-16s %s: %s of %.2f in %.1f minutes", card.key.c_str(),
                  card.title.c_str(), card.figure_is.c_str(), card.goal, card.minutes);
    print_line(line);
  }
  if (json) print_json(all);
  return {};
}

Json prepared_json(const PreparedCard& prepared) {
  return {{"card", prepared.key},
          {"seed", prepared.order.seed},
          {"steps", prepared.order.steps},
          {"recipe", prepared.recipe.string()},
          {"run", prepared.run.string()}};
}

/// Begins the card's run, or goes on with one that was interrupted.
Status train_card(const PreparedCard& prepared, const LabCard& card) {
  const auto watch = [&](const SessionEvent& event) {
    if (const auto* stage = std::get_if<StageBegan>(&event))
      std::fprintf(stderr, "stage %zu of %zu: %s\n", stage->index + 1, stage->names.size(),
                   stage->names[stage->index].c_str());
    const auto* step = std::get_if<StepDone>(&event);
    if (!step) return;
    const auto figure = step->line.figures.find(card.figure);
    if (figure != step->line.figures.end())
      std::fprintf(stderr, "step %lld  loss %.4f  %s %.3f\n",
                   static_cast<long long>(step->line.step), step->line.loss, card.figure_is.c_str(),
                   figure->second);
  };
  LUTHIER_TRY(const auto staged, read_staged_recipe(prepared.recipe));
  const auto train = [&]() -> Result<RunResult> {
    if (staged) return train_stages_headless(*staged, prepared.run, watch, interrupted());
    LUTHIER_TRY(const Recipe recipe, read_recipe(prepared.recipe));
    return train_headless(recipe, prepared.run, watch, interrupted());
  };
  LUTHIER_TRY(const RunResult result, train());
  if (result.state == RunState::Finished) return {};
  return interrupted_error("Interrupted; saved. The same command goes on from here.");
}

Ending run_card(const std::string& key, const std::string& folder, const CardOrder& order,
                bool json) {
  const auto run = [&]() -> Result<std::pair<LabCard, CardFigure>> {
    LUTHIER_TRY(const LabCard card, lab_card(key));
    LUTHIER_TRY(const PreparedCard prepared, prepare_card(card, folder, order));
    LUTHIER_CHECK(train_card(prepared, card));
    LUTHIER_TRY(const CardFigure figure, card_figure(card, prepared));
    return std::pair(card, figure);
  };
  const auto done = run();
  if (!done) return Ending(done.error());
  const auto& [card, figure] = *done;
  const bool reached = figure.reached(card);
  if (json) {
    Json document = card_json(card);
    Json curve = Json::array();
    for (const auto& [step, value] : figure.curve) curve.push_back({step, value});
    document.update({{"value", figure.value ? Json(*figure.value) : Json(nullptr)},
                     {"curve", curve},
                     {"seconds", figure.seconds},
                     {"reached", reached},
                     {"run", (std::filesystem::path(folder) / "run").string()}});
    print_json(document);
  } else {
    char value[40] = "not told by its run";
    if (figure.value) std::snprintf(value, sizeof value, "%.3f", *figure.value);
    char line[200];
    std::snprintf(line, sizeof line, "%s: %s %s (%s %.2f) in %.0f s", card.title.c_str(),
                  card.figure_is.c_str(), value, reached ? "as stated, at least" : "stated is",
                  card.goal, figure.seconds);
    print_line(line);
  }
  // Fewer steps than the card's own were asked for as such: then no figure is stated.
  const bool whole = order.steps == 0 || order.steps >= card.steps;
  return Ending(reached || !whole ? 0 : 1);
}

Status look_at_card(const std::string& folder, const LookOrder& order) {
  LUTHIER_TRY(const PreparedCard prepared, read_prepared_card(folder));
  LUTHIER_TRY(const BatchLook look, look_at_batch(prepared, order));
  print_json(to_json(look));
  return {};
}

}  // namespace

Action add_lab(CLI::App& app) {
  struct LabOptions {
    std::string card, folder;
    CardOrder order;
    LookOrder look;
    bool json = false;
  };
  const auto o = std::make_shared<LabOptions>();
  app.require_subcommand(1);
  CLI::App* list = app.add_subcommand("list", "The cards, with the figure that each states");
  list->add_flag("--json", o->json, "As JSON");
  const auto ordered = [&](const char* name, const char* help) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->add_option("CARD", o->card, "A card's key")->required();
    sub->add_option("DIR", o->folder, "A folder for the card")->required();
    sub->add_option("--seed", o->order.seed, "Of data, weights and order")
        ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()))
        ->capture_default_str();
    sub->add_option("--steps", o->order.steps, "Of 32 rows each; the card's own number if left out")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
    return sub;
  };
  CLI::App* prepare = ordered("prepare", "Writes a card's model, rows and recipe");
  CLI::App* run = ordered("run",
                          "Prepares a card and trains it, or goes on with it; exit status 1 where "
                          "it does not come to its stated figure");
  run->add_flag("--json", o->json, "What it came to as JSON");
  CLI::App* look = app.add_subcommand(
      "look", "What a prepared card's batch looks like: tokens, who sees whom, noise, pairs");
  look->add_option("DIR", o->folder, "A prepared card's folder")->required();
  look->add_option("--rows", o->look.rows, "So many rows")->check(CLI::Range(1, 32));
  look->add_flag("--trained", o->look.trained, "With what the run's result makes of them");
  CLI::App* efficiency = app.add_subcommand(
      "efficiency",
      "The score on held-out rows against the rows learned from, from base and from nothing");
  const std::function<Status()> measure = add_efficiency(*efficiency);
  return [o, list, prepare, run, look, efficiency, measure]() -> Ending {
    if (efficiency->parsed()) return measure();
    if (list->parsed()) return list_cards(o->json);
    if (run->parsed()) return run_card(o->card, o->folder, o->order, o->json);
    if (look->parsed()) return look_at_card(o->folder, o->look);
    const auto made = [&]() -> Status {
      LUTHIER_TRY(const LabCard card, lab_card(o->card));
      LUTHIER_TRY(const PreparedCard prepared, prepare_card(card, o->folder, o->order));
      print_json(prepared_json(prepared));
      return {};
    };
    return made();
  };
}

}  // namespace luthier::cli
