// SPDX-License-Identifier: GPL-3.0-or-later
// Training steps that are recorded and replayed end in the bits of those that are launched piece by
// piece over the same micro-batches, in every family that writes its text on; their losses are
// those of micro-batches that are not filled up; and what a step costs either way, by shape.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "engine/base/text.h"
#include "engine/check/checks.h"
#include "engine/check/counting_recorder.h"
#include "engine/check/judge.h"
#include "engine/check/shapes.h"
#include "engine/check/tiny_models.h"
#include "engine/device/memory.h"
#include "engine/nn/flash_attention.h"

namespace luthier {

namespace {

constexpr double kRecordedStepRate = 1e-3;

enum class Steps { AsEver, FilledUp, Recorded };

/// Micro-batches of two sizes, each of them often enough to be recorded and replayed.
std::vector<MicroBatch> sized_rows(const TinyModel& model) {
  TinyModel words = model;  // pictures of one size alone are recorded, and not in all families
  words.picture = {}, words.image = -1;
  TinyModel shorter = words;
  for (std::int64_t& length : shorter.lengths) length = std::max<std::int64_t>(4, length / 2);
  return {tiny_rows(words), tiny_rows(shorter)};
}

struct Trained {
  std::vector<double> losses;
  std::vector<torch::Tensor> tensors;  ///< on the host
  bool filled_up = true;
};

Result<Trained> trained_by(const CheckedCard& card, const TinyModel& model, Steps steps) {
  constexpr std::uint64_t kWindows = 5;
  LUTHIER_TRY(const Recipe recipe,
              recipe_without_files({"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.1",
                                    "training.gradient_checkpointing=false",
                                    "training.gradient_accumulation_steps=2"}));
  const auto tensors = torch::TensorOptions().device(card.device).dtype(torch::kBFloat16);
  LUTHIER_TRY(LoadedModel base, drawn(model, tensors, torch::kBFloat16, card.processor));
  LUTHIER_TRY(const auto tuning, Tuning::begin(std::move(base), recipe));
  tuning->draw_adapter(torch::kBFloat16);
  Trained made;
  if (steps != Steps::AsEver) made.filled_up = tuning->fill_up(steps == Steps::Recorded);
  const std::vector<MicroBatch> rows = sized_rows(model);
  for (std::uint64_t turn = 0; turn < kWindows; ++turn) {
    LUTHIER_TRY(const double loss, tuning->window(rows, turn));
    made.losses.push_back(loss);
    tuning->step(kRecordedStepRate);
  }
  for (const TrainedTensor& each : tuning->trainables().tensors)
    made.tensors.push_back(each.tensor.detach().cpu());
  return made;
}

bool same_bits(const Trained& a, const Trained& b) {
  bool same = a.losses == b.losses && a.tensors.size() == b.tensors.size();
  for (std::size_t i = 0; same && i < a.tensors.size(); ++i)
    same = at::equal(a.tensors[i], b.tensors[i]);
  return same;
}

Result<Found> check_steps(const CheckedCard& card, const Family& family) {
  if (!card.bfloat16) return Found::skip("the card has no bfloat16");
  if (!graph_recorder(card.device.type())) return Found::skip("nothing records on this device");
  LUTHIER_TRY(const TinyModel model, tiny_model(family));
  LUTHIER_TRY(const Trained ever, trained_by(card, model, Steps::AsEver));
  LUTHIER_TRY(const Trained launched, trained_by(card, model, Steps::FilledUp));
  const CountingRecorder recorder(card.device);
  LUTHIER_TRY(const Trained replayed, trained_by(card, model, Steps::Recorded));
  if (!replayed.filled_up || !recorder.asked())
    return Found::skip("its attention or its positions need lengths that the host knows");
  double apart = 0;
  for (std::size_t i = 0; i < ever.losses.size(); ++i)
    apart = std::max(apart, std::abs(replayed.losses[i] / ever.losses[i] - 1));
  const bool same = same_bits(replayed, launched), near = apart <= kAllowedTimes * kBfloat16Bit;
  Found found;
  found.good = same && near && recorder.recorded_all();
  found.detail = !recorder.recorded_all() ? "the device refused to record a step"
                 : same                   ? "the same bits as launched piece by piece"
                                          : "other bits than launched piece by piece";
  found.detail += "; losses within " + with_digits(apart, 6) + " of rows that are not filled up";
  found.figures = {{"same", same}, {"losses_apart", apart}};
  return found;
}

/// Seconds of a step of a window of one micro-batch, after those that make what is made once.
Result<double> timed_steps(const CheckedCard& card, const CardShape& shape, bool records) {
  using StepClock = std::chrono::steady_clock;
  constexpr std::int64_t kWarm = 3, kMostTimed = 10;
  const std::int64_t timed = std::min(card.most_steps, kMostTimed);
  LUTHIER_TRY(
      const Recipe recipe,
      recipe_without_files({"strategy=lora", "adapter.exclude_modules=.*visual.*",
                            "training.gradient_checkpointing=false", "training.dtype=bfloat16",
                            "training.gradient_accumulation_steps=1"}));
  const auto tensors = torch::TensorOptions().device(card.device).dtype(torch::kBFloat16);
  LUTHIER_TRY(LoadedModel base, drawn_in_place(shape, tensors, card.processor));
  LUTHIER_TRY(const auto tuning, Tuning::begin(std::move(base), recipe));
  if (!tuning->fill_up(records)) return machine_error("The shape's steps cannot be recorded.");
  const MicroBatch rows = rows_of(shape, false);
  double seconds = 0;
  for (std::int64_t turn = 0; turn < kWarm + timed; ++turn) {
    const auto start = StepClock::now();
    // Its end is waited for: the losses are read.
    LUTHIER_TRY(const double loss, tuning->window({rows}, static_cast<std::uint64_t>(turn)));
    if (!std::isfinite(loss)) return machine_error("The loss is not finite.");
    tuning->step(kRecordedStepRate);
    if (turn >= kWarm) seconds += std::chrono::duration<double>(StepClock::now() - start).count();
  }
  return seconds / static_cast<double>(timed);
}

Result<Found> check_step_speed(const CheckedCard& card, const CardShape& shape) {
  if (!card.bfloat16) return Found::skip("the card has no bfloat16");
  if (!graph_recorder(card.device.type())) return Found::skip("nothing records on this device");
  if (!flash_takes(card.device, torch::kBFloat16, shape.head_dim))
    return Found::skip("no attention that knows rows runs here");
  // Twice the weights, for what stands beside them.
  const std::int64_t weights =
      2 *
      (shape.layers * shape.hidden * (3 * shape.intermediate + 4 * shape.heads * shape.head_dim) +
       2 * shape.vocabulary * shape.hidden);
  release_cached_memory(card.device);
  if (2 * weights > available_memory(card.device))
    return Found::skip("it would need " + size_text(2 * weights));
  LUTHIER_TRY(const double launched, timed_steps(card, shape, false));
  release_cached_memory(card.device);
  const CountingRecorder recorder(card.device);
  LUTHIER_TRY(const double replayed, timed_steps(card, shape, true));
  const double tokens = static_cast<double>(shape.rows * shape.length);
  Found found;
  found.good = recorder.recorded_all();
  found.detail = std::string(found.good ? "" : "the device refused to record a step; ") +
                 "tokens/s recorded " + with_digits(tokens / replayed, 1) + ", piece by piece " +
                 with_digits(tokens / launched, 1);
  found.figures = {{"tokens_per_second", tokens / replayed},
                   {"tokens_per_second_launched", tokens / launched}};
  return found;
}

}  // namespace

std::vector<Check> recording_checks(const CheckedCard& card) {
  std::vector<Check> checks = checks_of_writers(card, check_steps);
  for (const CardShape& shape : shapes_for(card.device))
    checks.push_back({std::string(shape.name) + ", speed",
                      [&card, &shape] { return check_step_speed(card, shape); }});
  return checks;
}

}  // namespace luthier
