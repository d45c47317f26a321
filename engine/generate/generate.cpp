// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/generate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/generate/answer_room.h"
#include "engine/generate/decode_in_step.h"
#include "engine/generate/decoding_work.h"
#include "engine/methods/routed_adapters.h"

namespace luthier {

namespace {

constexpr std::size_t kMaxBatch = 32;

/// Answers that can be in hand together: all of them, but for those under an adapter that has
/// batches to itself.
std::vector<std::vector<std::size_t>> decoded_together(const DecodingWork& work) {
  std::map<std::size_t, std::vector<std::size_t>> by_adapter;  // its place, from 1, if it is alone
  for (std::size_t i = 0; i < work.results.size(); ++i) {
    const Adapter* adapter = work.adapters.empty() ? nullptr : work.adapters[i];
    const bool alone = adapter && !RoutedAdapters::can_route(*adapter);
    by_adapter[alone ? 1 + place_of(work, adapter) : 0].push_back(i);
  }
  std::vector<std::vector<std::size_t>> together;
  for (auto& [place, answers] : by_adapter) together.push_back(std::move(answers));
  return together;
}

}  // namespace

std::int64_t answers_at_once(std::int64_t samples) {
  const auto most = static_cast<std::int64_t>(kMaxBatch);
  return samples <= most ? most / samples * samples : most;
}

Status check_writes_text(const LoadedModel& loaded) {
  if (loaded.model->causal() || loaded.model->sequence_to_sequence()) return {};
  return input_error(
      "A model of type " + std::string(loaded.family->model_type) + " does not write text.",
      loaded.folder.string(), "Compare such models by their evaluation losses.");
}

namespace {

Result<std::vector<Generated>> decode_prompts(const LoadedModel& loaded,
                                              const std::vector<Example>& prompts,
                                              std::vector<std::size_t> prompt_of,
                                              std::size_t samples, std::vector<Adapter*> adapters,
                                              const GenerationOptions& options,
                                              const GenerationProgress& progress,
                                              std::span<const std::uint64_t> draws) try {
  if (options.max_new_tokens < 1)
    return input_error("At least one new token must be allowed.", "max_new_tokens");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    return input_error("A temperature is 0 or above.", "temperature");
  if (!(options.top_p > 0 && options.top_p <= 1))
    return input_error("top_p lies above 0 and at most at 1.", "top_p");
  LUTHIER_CHECK(check_writes_text(loaded));
  const c10::InferenceMode inference;
  std::vector<Generated> results(prompt_of.size());
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::size_t length = prompt_ids(*loaded.model, prompts.at(prompt_of[i])).size();
    if (length == 0) return input_error("The prompt is empty.", "prompt");
    results[i].prompt_tokens = static_cast<std::int64_t>(length);
    longest = std::max(longest, results[i].prompt_tokens);
  }
  LUTHIER_CHECK(check_answer_room(loaded, longest, options.max_new_tokens));
  if (!draws.empty() && draws.size() != results.size()) {
    return input_error("Each prompt needs a stream of draws.", "draws");
  }
  const bool alike =  // what hangs while they are decoded
      std::adjacent_find(adapters.begin(), adapters.end(), std::not_equal_to<>()) == adapters.end();
  const std::vector<TokenId> ends = options.ignore_eos ? std::vector<TokenId>() : loaded.eos_ids;
  const RuledScores rules(loaded.answer_rules, ends, options.max_new_tokens);
  DecodingWork work{
      loaded,
      prompts,
      std::move(prompt_of),
      samples,
      options,
      progress,
      draws,
      std::move(adapters),
      results,
      ends,
      rules,
      std::vector<AnswerText>(results.size(), AnswerText(loaded.processor->tokenizer())),
      {},
      // A recording is of the plugs that hung when it was made, and keeps logits there.
      !rules.any() && samples == 1 && options.top_k == 0 && options.barred.empty() && alike
          ? make_standing_steps(*loaded.model, options)
          : nullptr};
  for (const std::vector<std::size_t>& answers : decoded_together(work)) {
    if (!decode_in_step(work, answers)) break;
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].finish.empty()) continue;
    results[i].finish = "cancelled";
    work.place_tokens(i);
  }
  return results;
} catch (const std::exception& problem) {
  return device_failure(problem,
                        machine_error("There is not enough memory to answer.", "generate",
                                      "Ask for fewer new tokens, or fewer samples at a time."),
                        machine_error("Decoding failed: " + first_line(problem.what()), "generate"),
                        loaded.model->device().str());
}

/// So many answers to each.
std::vector<std::size_t> answers_to(const std::vector<Example>& prompts, std::size_t samples) {
  std::vector<std::size_t> prompt_of(prompts.size() * samples);
  for (std::size_t i = 0; i < prompt_of.size(); ++i) prompt_of[i] = i / samples;
  return prompt_of;
}

}  // namespace

Result<std::vector<Generated>> generate(const LoadedModel& loaded,
                                        const std::vector<Example>& prompts,
                                        const GenerationOptions& options,
                                        const GenerationProgress& progress,
                                        std::span<const std::uint64_t> draws) {
  return decode_prompts(loaded, prompts, answers_to(prompts, 1), /*samples=*/1, {}, options,
                        progress, draws);
}

Result<std::vector<Generated>> generate_groups(const LoadedModel& loaded,
                                               const std::vector<Example>& prompts,
                                               std::size_t samples,
                                               const GenerationOptions& options,
                                               const GenerationProgress& progress,
                                               std::span<const std::uint64_t> draws) {
  if (samples < 1) return input_error("Each prompt needs at least one answer.", "samples");
  return decode_prompts(loaded, prompts, answers_to(prompts, samples), samples, {}, options,
                        progress, draws);
}

Result<std::vector<Generated>> generate_by(const LoadedModel& loaded,
                                           const std::vector<Example>& prompts,
                                           const std::vector<AskedAnswer>& asked,
                                           const GenerationOptions& options,
                                           const GenerationProgress& progress,
                                           std::span<const std::uint64_t> draws) {
  std::vector<std::size_t> prompt_of;
  std::vector<Adapter*> adapters;
  for (const AskedAnswer& each : asked) {
    prompt_of.push_back(each.prompt);
    adapters.push_back(each.adapter);
  }
  return decode_prompts(loaded, prompts, std::move(prompt_of), /*samples=*/1, std::move(adapters),
                        options, progress, draws);
}

}  // namespace luthier
