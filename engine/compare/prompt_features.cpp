// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/prompt_features.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"

namespace luthier {

namespace {

constexpr std::size_t kFeatureRows = 16;
constexpr std::size_t kFeatureTokens = 4096;  // of several rows at once; a longer one goes alone

/// [rows, hidden] on the host.
torch::Tensor means_of(Model& model, const std::vector<Example>& prompts) {
  const ModelInput input = for_model(model, collate(prompts));
  const torch::Tensor states = states_before_head(model, input);  // [tokens, hidden]
  std::vector<torch::Tensor> means;
  std::int64_t begin = 0;
  for (const Example& prompt : prompts) {
    const auto length = static_cast<std::int64_t>(prompt.input_ids.size());
    means.push_back(states.narrow(0, begin, length).to(torch::kFloat32).mean(0));
    begin += length;
  }
  return torch::stack(means).cpu();
}

}  // namespace

Result<torch::Tensor> prompt_features(const LoadedModel& model, const std::vector<Sample>& samples,
                                      const FeatureProgress& progress) try {
  if (!model.model->causal())
    return input_error("Prompts are told apart by the states of a decoder, and a model of type " +
                           std::string(model.family->model_type) + " is none.",
                       model.folder.string(), "Choose a model that writes text token by token.");
  const c10::InferenceMode inference;
  std::vector<torch::Tensor> all;
  std::vector<Example> prompts;
  std::size_t tokens = 0;
  const auto flush = [&] {
    if (!prompts.empty()) all.push_back(means_of(*model.model, prompts));
    prompts.clear();
    tokens = 0;
  };
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (progress && !progress(i, samples.size())) return interrupted_error();
    adapt_waiting();
    LUTHIER_TRY(Example prompt,
                model.processor->encode_prompt(samples[i].conversation, samples[i].where));
    if (prompts.size() == kFeatureRows || tokens + prompt.input_ids.size() > kFeatureTokens)
      flush();
    tokens += prompt.input_ids.size();
    prompts.push_back(std::move(prompt));
  }
  flush();
  if (all.empty()) return input_error("There is no row to look at.", model.folder.string());
  return torch::cat(all).clone();
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out while rows were looked at.", model.folder.string(),
                    "Give shorter rows, or smaller pictures (--max-pixels)."),
      machine_error("Rows could not be looked at: " + first_line(problem.what()),
                    model.folder.string()),
      model.model->device().str());
}

}  // namespace luthier
