// SPDX-License-Identifier: GPL-3.0-or-later
// The memory of whole steps against its forecast, and tokens a second, by shape: as far as the
// card's free memory goes.
#include <chrono>
#include <cmath>
#include <cstdio>

#include "engine/base/text.h"
#include "engine/check/shapes.h"
#include "engine/device/device_facts.h"
#include "engine/device/memory.h"
#include "engine/forecast/card_room.h"
#include "engine/forecast/trained.h"
#include "engine/io/files.h"
#include "engine/nn/flash_attention.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

/// The forecast may lie so far above what is taken, and never below it.
constexpr double kMostAbove = 1.10;

struct StepKind {
  const char* name;
  std::vector<std::string> settings;
  bool pictures = false;
};

const std::vector<StepKind>& step_kinds() {
  static const std::string text_alone = "adapter.exclude_modules=.*visual.*",
                           kept = "training.gradient_checkpointing=false",
                           again = "training.gradient_checkpointing=true";
  static const std::vector<StepKind> list{
      {"LoRA", {"strategy=lora", text_alone, kept}},
      {"LoRA with checkpointing", {"strategy=lora", text_alone, again}},
      {"LoRA with pictures", {"strategy=lora", text_alone, kept}, true},
      {"full", {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", kept}},
      {"full with checkpointing",
       {"strategy=freeze", "freeze.projector=true", "freeze.language_model=false", again}},
  };
  return list;
}

Result<Recipe> shape_recipe(const StepKind& kind) {
  std::vector<std::string> settings = kind.settings;
  settings.insert(settings.end(),
                  {"training.dtype=bfloat16", "training.gradient_accumulation_steps=1"});
  return recipe_without_files(settings);
}

Result<MemoryParts> forecast_of(const CheckedCard& card, const CardShape& shape,
                                const StepKind& kind, const Recipe& recipe) {
  const fs::path folder = card.scratch / "shape";
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config_of(shape).dump()));
  LUTHIER_TRY(const ModelSummary summary, summarize_model(folder));
  StepTerms terms;
  terms.element = 2;
  terms.cpu = card.device.is_cpu();
  terms.checkpointing = recipe.training.gradient_checkpointing == "true";
  terms.flash = flash_takes(card.device, torch::kBFloat16, shape.head_dim);
  // With what a card takes besides tensors, where there is one.
  std::optional<CardFacts> facts = card_of(card.device);
  if (facts && facts->multiprocessors > 0) terms.multiprocessors = facts->multiprocessors;
  // What others hold of it would count as this process's context.
  if (facts && card.free >= 0) facts->total = card.free;
  LUTHIER_TRY(const Estimate forecast,
              estimate(summary, recipe, batch_shape_of(shape, kind.pictures), terms,
                       facts ? &*facts : nullptr));
  return forecast.parts;
}

/// What of the card is free for it now; elsewhere of the machine.
std::string no_room(const CheckedCard& card, const MemoryParts& forecast) {
  const std::optional<CardFacts> facts = card_of(card.device);
  const std::int64_t free =
      facts && facts->free >= 0 ? available_on(*facts) : available_memory(card.device);
  if (forecast.total() <= free / 100 * kMostOfFree) return "";
  return "it would need " + size_text(forecast.total()) + ", and " + size_text(free) + " are free";
}

/// What this process takes of the card, its context included, where the driver tells; else what its
/// tensors took at most.
std::int64_t taken_of(const CheckedCard& card, std::int64_t peak) {
  if (card.free < 0) return peak;
  const std::optional<CardFacts> now = card_of(card.device);
  return now && now->free >= 0 ? std::max(peak, card.free - now->free) : peak;
}

/// All work handed to the device before is done.
void wait_for(const Tuning& tuning) {
  tuning.trainables().tensors.front().tensor.flatten()[0].item<double>();
}

Result<std::unique_ptr<Tuning>> tuning_of(const CheckedCard& card, const CardShape& shape,
                                          const Recipe& recipe) {
  const auto tensors = torch::TensorOptions().device(card.device).dtype(torch::kBFloat16);
  LUTHIER_TRY(LoadedModel base, drawn_in_place(shape, tensors, card.processor));
  return Tuning::begin(std::move(base), recipe);
}

Result<Found> check_memory(const CheckedCard& card, const CardShape& shape, const StepKind& kind) {
  if (!card.bfloat16) return Found::skip("the card has no bfloat16");
  LUTHIER_TRY(const Recipe recipe, shape_recipe(kind));
  LUTHIER_TRY(const MemoryParts forecast, forecast_of(card, shape, kind, recipe));
  if (std::string why = no_room(card, forecast); !why.empty()) return Found::skip(std::move(why));
  release_cached_memory(card.device);
  const std::int64_t before = memory_use(card.device).allocated;
  std::int64_t peak = 0, taken = 0;
  {
    LUTHIER_TRY(const auto tuning, tuning_of(card, shape, recipe));
    const MicroBatch rows = rows_of(shape, kind.pictures);
    // The first step makes the optimizer's state, the second one shows the peak with it.
    for (std::uint64_t turn = 0; turn < 2; ++turn) {
      if (std::string why = card.why_over(); !why.empty()) return Found::skip(std::move(why));
      reset_memory_peak(card.device);
      LUTHIER_TRY(const double loss, tuning->window({rows}, turn));
      if (!std::isfinite(loss)) return machine_error("The loss is not finite.");
      tuning->step(1e-4);
    }
    wait_for(*tuning);
    peak = memory_use(card.device).peak - before;
    taken = taken_of(card, peak);
  }
  const double ratio = static_cast<double>(forecast.total()) / static_cast<double>(taken);
  Found found;
  found.good = ratio >= 1 && ratio <= kMostAbove;
  found.detail = "forecast " + size_text(forecast.total()) + ", taken " + size_text(taken) +
                 " (tensors at most " + size_text(peak) + "): ratio " + with_digits(ratio, 3);
  found.figures = {{"forecast_bytes", forecast.total()},
                   {"taken_bytes", taken},
                   {"peak_bytes", peak},
                   {"ratio", ratio}};
  return found;
}

Result<Found> check_speed(const CheckedCard& card, const CardShape& shape) {
  using SpeedClock = std::chrono::steady_clock;
  constexpr double kSeconds = 5;
  constexpr std::int64_t kWarm = 2, kFewest = 3;
  constexpr double kSpeedRate = 1e-3;
  if (!card.bfloat16) return Found::skip("the card has no bfloat16");
  const StepKind& kind = step_kinds().front();
  LUTHIER_TRY(const Recipe recipe, shape_recipe(kind));
  LUTHIER_TRY(const MemoryParts forecast, forecast_of(card, shape, kind, recipe));
  if (std::string why = no_room(card, forecast); !why.empty()) return Found::skip(std::move(why));
  LUTHIER_TRY(const auto tuning, tuning_of(card, shape, recipe));
  const MicroBatch rows = rows_of(shape, false);
  double first = 0, last = 0, seconds = 0;
  for (std::int64_t i = 0; i < kWarm; ++i) {
    if (std::string why = card.why_over(); !why.empty()) return Found::skip(std::move(why));
    LUTHIER_TRY(last, tuning->window({rows}, static_cast<std::uint64_t>(i)));
    if (i == 0) first = last;
    tuning->step(kSpeedRate);
  }
  wait_for(*tuning);
  const auto start = SpeedClock::now();
  std::int64_t steps = 0;
  while (steps < kFewest || (seconds < kSeconds && steps < card.most_steps)) {
    if (std::string why = card.why_over(); !why.empty()) {
      if (steps < kFewest) return Found::skip(std::move(why));
      break;  // so many steps tell a speed
    }
    LUTHIER_TRY(last, tuning->window({rows}, static_cast<std::uint64_t>(kWarm + steps)));
    tuning->step(kSpeedRate);
    ++steps;
    seconds = std::chrono::duration<double>(SpeedClock::now() - start).count();
  }
  wait_for(*tuning);
  seconds = std::chrono::duration<double>(SpeedClock::now() - start).count();
  const double speed = static_cast<double>(shape.rows * shape.length * steps) / seconds;
  Found found;
  // The same rows again and again: they are learned, or the steps are none.
  found.good = std::isfinite(last) && last < first;
  found.detail = std::to_string(std::llround(speed)) + " tokens/s over " + std::to_string(steps) +
                 " steps of " + std::to_string(shape.rows) + " x " + std::to_string(shape.length) +
                 " tokens, LoRA r " + std::to_string(recipe.adapter.r) + "; loss " +
                 with_digits(first, 3) + " to " + with_digits(last, 3);
  const auto card_facts = card_of(card.device);
  if (shape.goal > 0 && card_facts && card_facts->name.find("H100") != std::string::npos)
    found.detail += "; the goal on this card is " + std::to_string(std::llround(shape.goal));
  found.figures = {{"tokens_per_second", speed},
                   {"steps", steps},
                   {"seconds", seconds},
                   {"first_loss", first},
                   {"last_loss", last}};
  return found;
}

}  // namespace

std::vector<Check> shape_checks(const CheckedCard& card) {
  std::vector<Check> checks;
  for (const CardShape& shape : shapes_for(card.device)) {
    const std::string name = std::string(shape.name) + ", ";
    checks.push_back({name + "speed", [&card, &shape] { return check_speed(card, shape); }});
    for (const StepKind& kind : step_kinds())
      checks.push_back(
          {name + kind.name, [&card, &shape, &kind] { return check_memory(card, shape, kind); }});
  }
  return checks;
}

}  // namespace luthier
