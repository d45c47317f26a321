// SPDX-License-Identifier: GPL-3.0-or-later
// Steps of decoding that are recorded and replayed answer as those that are launched piece by
// piece, in every family that writes its text on; and what a token costs either way.
#include <chrono>
#include <cmath>
#include <cstdio>

#include "engine/base/text.h"
#include "engine/check/answers.h"
#include "engine/check/checks.h"
#include "engine/check/counting_recorder.h"
#include "engine/check/judge.h"
#include "engine/check/shapes.h"
#include "engine/check/tiny_models.h"
#include "engine/device/memory.h"

namespace luthier {

namespace {

GenerationOptions decoding(std::int64_t tokens, bool recorded) {
  GenerationOptions options;
  options.max_new_tokens = tokens;
  options.ignore_eos = true;
  options.alternatives = 1;
  options.recorded = recorded;
  return options;
}

/// Judges two answers to the same prompts.
Found compared(const std::vector<Generated>& replayed, const std::vector<Generated>& launched,
               double near, const CountingRecorder& recorder) {
  const double apart = answers_apart(replayed, launched, near);
  Found found;
  found.good = apart <= near && recorder.recorded_all();
  found.detail = !recorder.recorded_all() ? "the device refused to record a step"
                 : std::isfinite(apart)
                     ? "log-probabilities of both ways within " + with_digits(apart, 6)
                     : "another token is chosen than without a recording";
  if (std::isfinite(apart)) found.figures["logprobs_apart"] = apart;
  return found;
}

Result<Found> check_replays(const CheckedCard& card, const Family& family) {
  constexpr std::int64_t kTokens = 16;
  if (!graph_recorder(card.device.type())) return Found::skip("nothing records on this device");
  LUTHIER_TRY(const TinyModel model, tiny_model(family));
  const auto tensors = torch::TensorOptions().device(card.device).dtype(torch::kFloat32);
  LUTHIER_TRY(const LoadedModel loaded, drawn(model, tensors, torch::kFloat32, card.processor));
  const std::vector<Example> prompts = tiny_prompts(model);
  LUTHIER_TRY(const auto launched, generate(loaded, prompts, decoding(kTokens, false)));
  const CountingRecorder recorder(card.device);
  LUTHIER_TRY(const auto replayed, generate(loaded, prompts, decoding(kTokens, true)));
  if (!recorder.asked()) return Found::skip("its positions go by the length, which the host knows");
  return compared(replayed, launched, 10 * kAllowedFloat32, recorder);
}

std::vector<Example> texts_of(std::int64_t count, std::int64_t length) {
  constexpr TokenId kFirstId = 100, kIds = 480;
  std::vector<Example> prompts(static_cast<std::size_t>(count));
  for (std::int64_t row = 0; row < count; ++row) {
    Example& prompt = prompts[static_cast<std::size_t>(row)];
    for (std::int64_t i = 0; i < length; ++i)
      prompt.input_ids.push_back(kFirstId + (i * 7 + row * 13) % kIds);
    prompt.prompt_tokens = length;
  }
  return prompts;
}

struct Timed {
  std::vector<Generated> answers;
  double seconds = 0;
};

/// The second time: kernels are there, and what LibTorch measures at first use.
Result<Timed> timed(const LoadedModel& loaded, const std::vector<Example>& prompts,
                    const GenerationOptions& options) {
  Timed made;
  for (int turn = 0; turn < 2; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    LUTHIER_TRY(made.answers, generate(loaded, prompts, options));
    made.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return made;
}

Result<Found> check_decoding_speed(const CheckedCard& card, const CardShape& shape,
                                   std::int64_t rows) {
  constexpr std::int64_t kPrompt = 100, kTokens = 100;
  constexpr double kNear = kAllowedTimes * 8 * kBfloat16Bit;
  if (!card.bfloat16) return Found::skip("the card has no bfloat16");
  if (!graph_recorder(card.device.type())) return Found::skip("nothing records on this device");
  // Twice the weights, for what stands beside them.
  const std::int64_t weights =
      2 *
      (shape.layers * shape.hidden * (3 * shape.intermediate + 4 * shape.heads * shape.head_dim) +
       2 * shape.vocabulary * shape.hidden);
  release_cached_memory(card.device);
  if (2 * weights > available_memory(card.device))
    return Found::skip("it would need " + size_text(2 * weights));
  const auto tensors = torch::TensorOptions().device(card.device).dtype(torch::kBFloat16);
  LUTHIER_TRY(const LoadedModel loaded, drawn_in_place(shape, tensors, card.processor));
  const std::vector<Example> prompts = texts_of(rows, kPrompt);
  if (std::string why = card.why_over(); !why.empty()) return Found::skip(std::move(why));
  LUTHIER_TRY(const Timed launched, timed(loaded, prompts, decoding(kTokens, false)));
  if (std::string why = card.why_over(); !why.empty()) return Found::skip(std::move(why));
  const CountingRecorder recorder(card.device);
  LUTHIER_TRY(const Timed replayed, timed(loaded, prompts, decoding(kTokens, true)));
  Found found = compared(replayed.answers, launched.answers, kNear, recorder);
  const double tokens = static_cast<double>(rows * kTokens), with = tokens / replayed.seconds,
               without = tokens / launched.seconds;
  found.detail +=
      "; tokens/s recorded " + with_digits(with, 1) + ", piece by piece " + with_digits(without, 1);
  found.figures["tokens_per_second"] = with;
  found.figures["tokens_per_second_launched"] = without;
  return found;
}

}  // namespace

std::vector<Check> decoding_checks(const CheckedCard& card) {
  std::vector<Check> checks = checks_of_writers(card, check_replays);
  for (const CardShape& shape : shapes_for(card.device)) {
    for (const std::int64_t rows : {1, 8})
      checks.push_back({std::string(shape.name) + ", " + std::to_string(rows) + " at a time",
                        [&card, &shape, rows] { return check_decoding_speed(card, shape, rows); }});
  }
  return checks;
}

}  // namespace luthier
