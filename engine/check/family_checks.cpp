// SPDX-License-Identifier: GPL-3.0-or-later
// Every family under every strategy takes a step and answers on the device as on the CPU: the loss,
// every gradient, the loss after the step, and the tokens that are chosen greedily from a cache.
// The gradients also come out twice to the bit.
#include <cmath>
#include <cstdio>

#include "engine/check/answers.h"
#include "engine/check/checks.h"
#include "engine/check/judge.h"
#include "engine/check/tiny_models.h"
#include "engine/check/tuning.h"

namespace luthier {

namespace {

constexpr double kStepRate = 1e-3;
constexpr std::uint64_t kStepSeed = 3;

/// Without dropout, whose mask is the CPU's only where kernels of our own run (kernel_checks.cpp);
/// whole runs have it.
struct Strategy {
  const char* name;
  std::vector<std::string> settings;
};

const std::vector<Strategy>& strategies() {
  static const std::string kept = "training.gradient_checkpointing=false",
                           again = "training.gradient_checkpointing=true";
  static const std::vector<Strategy> list{
      {"LoRA", {"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0", kept}},
      {"full", {"strategy=full", kept}},
      {"freeze",
       {"strategy=freeze", "freeze.vision_tower=true", "freeze.projector=false",
        "freeze.language_model=false", kept}},
      {"LoRA with checkpointing",
       {"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0", again}},
  };
  return list;
}

/// What one device made of the rows.
struct StepNumbers {
  double loss = 0, loss_after = 0;
  NamedGradients gradients;
  bool repeats = true;  ///< the same gradients to the bit, made again
  std::vector<Generated> answers;
};

NamedGradients gradients_of(const Tuning& tuning) {
  NamedGradients gradients;
  for (const TrainedTensor& trained : tuning.trainables().tensors) {
    const torch::Tensor gradient = trained.tensor.grad();
    gradients.emplace_back(trained.name, gradient.defined()
                                             ? gradient.to(torch::kCPU).to(torch::kFloat32)
                                             : torch::zeros(trained.tensor.sizes()));
  }
  return gradients;
}

bool same_bits(const NamedGradients& a, const NamedGradients& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!at::equal(a[i].second, b[i].second)) return false;
  return a.size() == b.size();
}

GenerationOptions greedy() {
  GenerationOptions options;
  options.max_new_tokens = 8;
  options.ignore_eos = true;
  options.alternatives = 1;
  return options;
}

Result<StepNumbers> numbers_on(const TinyModel& model, const Recipe& recipe, torch::Device device,
                               torch::ScalarType type, torch::ScalarType rounding,
                               const std::shared_ptr<const ChatProcessor>& processor) {
  LUTHIER_TRY(LoadedModel base,
              drawn(model, torch::TensorOptions().device(device).dtype(type), rounding, processor));
  LUTHIER_TRY(const auto tuning, Tuning::begin(std::move(base), recipe));
  tuning->draw_adapter(rounding);
  const MicroBatch rows = tiny_rows(model);
  StepNumbers numbers;
  numbers.loss = tuning->micro_batch(rows, kStepSeed);
  numbers.gradients = gradients_of(*tuning);
  tuning->clear_gradients();
  tuning->micro_batch(rows, kStepSeed);
  numbers.repeats = same_bits(numbers.gradients, gradients_of(*tuning));
  if (check_writes_text(tuning->base())) {
    tuning->rest();
    LUTHIER_TRY(numbers.answers, generate(tuning->base(), tiny_prompts(model), greedy()));
  }
  tuning->step(kStepRate);
  numbers.loss_after = tuning->micro_batch(rows, kStepSeed);
  return numbers;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", share * 100);
  return text;
}

Found judged(const StepNumbers& found, const StepNumbers& same, const StepNumbers& truth,
             torch::ScalarType type) {
  const double loss = share_of_allowed(found.loss, same.loss, truth.loss, type),
               after = share_of_allowed(found.loss_after, same.loss_after, truth.loss_after, type);
  const Farthest gradient = farthest(found.gradients, same.gradients, truth.gradients, type);
  // Log-probabilities lie near −6, so that what is allowed of a loss is allowed of them.
  const double cost = type == torch::kBFloat16 ? answers_apart(same.answers, truth.answers, 1) : 0,
               near = type == torch::kBFloat16 ? kAllowedTimes * std::max(cost, 8 * kBfloat16Bit)
                                               : 10 * kAllowedFloat32,
               apart = answers_apart(found.answers, truth.answers, near);
  Found result;
  result.detail = "loss " + with_digits(found.loss, 5) + " (CPU " + with_digits(truth.loss, 5) +
                  ", " + percent(loss) + " of what is allowed), after a step " +
                  with_digits(found.loss_after, 5) + " (" + percent(after) + "); " +
                  std::to_string(found.gradients.size()) + " gradients (" + gradient.name + " at " +
                  percent(gradient.share) + ")";
  if (!truth.answers.empty())
    result.detail += std::isfinite(apart)
                         ? "; log-probabilities of the answers within " + with_digits(apart, 6)
                         : "; another token is chosen than on the CPU";
  if (!found.repeats) result.detail += "; the gradients came out otherwise the second time";
  result.good = loss <= 1 && after <= 1 && gradient.share <= 1 && apart <= near && found.repeats &&
                truth.loss != truth.loss_after;
  result.figures = {{"loss", found.loss},        {"loss_cpu", truth.loss},
                    {"gradient", gradient.name}, {"gradient_share", gradient.share},
                    {"loss_share", loss},        {"loss_after_share", after},
                    {"repeats", found.repeats}};
  if (std::isfinite(apart)) result.figures["logprobs_apart"] = apart;
  return result;
}

Result<Found> check_family(const CheckedCard& card, const Family& family, const Strategy& strategy,
                           torch::ScalarType type) {
  if (type == torch::kBFloat16 && !card.bfloat16) return Found::skip("the card has no bfloat16");
  LUTHIER_TRY(const TinyModel model, tiny_model(family));
  std::vector<std::string> settings = strategy.settings;
  if (settings.front() == "strategy=lora" && !takes_adapters(model))
    return Found::skip("its layers are convolutions, which no adapter hangs on");
  settings.push_back("objective=" + model.objective);
  LUTHIER_TRY(const Recipe recipe, recipe_without_files(settings));
  LUTHIER_TRY(const StepNumbers truth,
              numbers_on(model, recipe, torch::kCPU, torch::kFloat32, type, card.processor));
  LUTHIER_TRY(const StepNumbers found,
              numbers_on(model, recipe, card.device, type, type, card.processor));
  if (type == torch::kFloat32) return judged(found, truth, truth, type);
  if (std::string why = card.why_over(); !why.empty()) return Found::skip(std::move(why));
  LUTHIER_TRY(const StepNumbers same,
              numbers_on(model, recipe, torch::kCPU, type, type, card.processor));
  return judged(found, same, truth, type);
}

/// By strategy first: where time runs out, every family has done the most common one.
std::vector<Check> family_checks(const CheckedCard& card, torch::ScalarType type) {
  std::vector<Check> checks;
  for (const Strategy& strategy : strategies())
    for (const Family& family : families())
      checks.push_back({std::string(family.model_type) + ", " + strategy.name,
                        [&card, &family, &strategy, type] {
                          return check_family(card, family, strategy, type);
                        }});
  return checks;
}

}  // namespace

std::vector<Check> family_checks_float32(const CheckedCard& card) {
  return family_checks(card, torch::kFloat32);
}
std::vector<Check> family_checks_bfloat16(const CheckedCard& card) {
  return family_checks(card, torch::kBFloat16);
}

}  // namespace luthier
