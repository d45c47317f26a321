// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/laws.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "engine/base/text.h"

namespace luthier {

namespace {

/// From weights to the budget that is best spent on them: N* = G (C/6)^k.
double balance(const LossLaw& law) {
  return std::pow(law.alpha * law.a / (law.beta * law.b), 1 / (law.alpha + law.beta));
}

bool is_amount(double number) { return std::isfinite(number) && number > 0 && number < 1e40; }

}  // namespace

Result<double> parse_amount(const std::string& text, const std::string& where) {
  const std::string number = trimmed(text);
  char* end = nullptr;
  double amount = std::strtod(number.c_str(), &end);
  const std::string unit = ascii_lower(trimmed(end));
  const std::pair<const char*, double> units[] = {{"", 1},    {"k", 1e3}, {"m", 1e6},
                                                  {"b", 1e9}, {"g", 1e9}, {"t", 1e12}};
  const auto known = std::find_if(std::begin(units), std::end(units),
                                  [&](const auto& each) { return unit == each.first; });
  if (end == number.c_str() || known == std::end(units) || !is_amount(amount * known->second))
    return input_error("\"" + text + "\" is no number above 0 and below 1e40.", where,
                       "Write 70B, 1.4T or 5.76e23.");
  return amount * known->second;
}

std::string amount_text(double amount) {
  const std::pair<double, const char*> units[] = {
      {1e12, " T"}, {1e9, " B"}, {1e6, " M"}, {1e3, " K"}};
  char text[48];
  for (const auto& [size, unit] : units) {
    if (amount < size || amount >= 1e16) continue;
    const double shown = amount / size;
    std::snprintf(text, sizeof text,
                  shown < 10     ? "%.2f%s"
                  : shown < 1000 ? "%.1f%s"
                                 : "%.0f%s",
                  shown, unit);
    return text;
  }
  std::snprintf(text, sizeof text, amount >= 1e16 ? "%.2e" : "%.3g", amount);
  return text;
}

double LossLaw::loss(double weights, double tokens) const {
  return e + a * std::pow(weights, -alpha) + b * std::pow(tokens, -beta);
}

Allocation LossLaw::best_for(double flops) const {
  const double products = flops / kTrainFlops;
  const double weights = balance(*this) * std::pow(products, weights_exponent());
  return {weights, products / weights};
}

double LossLaw::flops_for_weights(double weights) const {
  return kTrainFlops * std::pow(weights / balance(*this), 1 / weights_exponent());
}

double LossLaw::flops_for_tokens(double tokens) const {
  return kTrainFlops * std::pow(tokens * balance(*this), 1 / tokens_exponent());
}

std::optional<double> LossLaw::tokens_for_loss(double weights, double loss) const {
  const double left = loss - e - a * std::pow(weights, -alpha);
  if (!(left > 0)) return std::nullopt;
  return std::pow(b / left, 1 / beta);
}

std::optional<double> LossLaw::flops_for_loss(double loss) const {
  if (!(loss > e)) return std::nullopt;
  // Along the best models alpha A N^-alpha = beta B D^-beta, so both terms are shares of the rest.
  const double rest = loss - e;
  const double of_weights = rest * beta / (alpha + beta), of_tokens = rest - of_weights;
  return kTrainFlops * std::pow(a / of_weights, 1 / alpha) * std::pow(b / of_tokens, 1 / beta);
}

LossLaw chinchilla_law() { return {1.69, 406.4, 410.7, 0.34, 0.28}; }
LossLaw corrected_chinchilla_law() { return {1.8172, 482.01, 2085.43, 0.3478, 0.3658}; }

Allocation PowerLaw::best_for(double flops) const {
  const double weights = weights_at * std::pow(flops / flops_at, exponent);
  return {weights, flops / kTrainFlops / weights};
}

double PowerLaw::flops_for_weights(double weights) const {
  return flops_at * std::pow(weights / weights_at, 1 / exponent);
}

double PowerLaw::flops_for_tokens(double tokens) const {
  const double tokens_at = flops_at / kTrainFlops / weights_at;
  return flops_at * std::pow(tokens / tokens_at, 1 / (1 - exponent));
}

PowerLaw chinchilla_envelope_law() { return {1e9, 1.21e20, 0.50}; }
PowerLaw chinchilla_parabola_law() { return {1e9, 1.20e20, 0.49}; }

namespace kaplan {

namespace {
constexpr double kBestWeights = 1.3e9, kBestExponent = 0.73;
}

double loss_of_weights(double weights) { return std::pow(8.8e13 / weights, 0.076); }
double loss_of_tokens(double tokens) { return std::pow(5.4e13 / tokens, 0.095); }
double loss_of_flops(double flops) { return std::pow(3.1e8 / (flops / kPetaflopDay), 0.050); }

double loss(double weights, double tokens) {
  return std::pow(std::pow(6.4e13 / weights, 0.076 / 0.103) + 1.8e13 / tokens, 0.103);
}

double tokens_against_overfitting(double weights) { return 5e3 * std::pow(weights, 0.74); }

Allocation best_for(double flops) {
  const double weights = kBestWeights * std::pow(flops / kPetaflopDay, kBestExponent);
  return {weights, flops / kTrainFlops / weights};
}

double flops_for_weights(double weights) {
  return kPetaflopDay * std::pow(weights / kBestWeights, 1 / kBestExponent);
}

double flops_for_tokens(double tokens) {
  const double tokens_at = kPetaflopDay / kTrainFlops / kBestWeights;
  return kPetaflopDay * std::pow(tokens / tokens_at, 1 / (1 - kBestExponent));
}

double batch_tokens(double flops) { return 2.0e6 * std::pow(flops / kPetaflopDay, 0.24); }
double steps(double flops) { return 5.4e3 * std::pow(flops / kPetaflopDay, 0.03); }

}  // namespace kaplan

namespace {

/// The budget that a law would spend on what is asked.
template <class Law>
double flops_of(const BudgetQuestion& question, const Law& law) {
  if (question.flops) return *question.flops;
  return question.weights ? law.flops_for_weights(*question.weights)
                          : law.flops_for_tokens(*question.tokens);
}

struct KaplanLaw {
  Allocation best_for(double flops) const { return kaplan::best_for(flops); }
  double flops_for_weights(double weights) const { return kaplan::flops_for_weights(weights); }
  double flops_for_tokens(double tokens) const { return kaplan::flops_for_tokens(tokens); }
};

}  // namespace

Result<std::vector<LawAnswer>> ask_laws(const BudgetQuestion& question) {
  const int given =
      question.flops.has_value() + question.weights.has_value() + question.tokens.has_value();
  if (given != 1)
    return input_error("A budget is one number: operations, weights or tokens.", "",
                       "Give one of the three; the laws say the others.");
  const double number = question.flops     ? *question.flops
                        : question.weights ? *question.weights
                                           : *question.tokens;
  if (!is_amount(number))
    return input_error("A budget is a number above 0 and below 1e40.", "",
                       "Write 5.76e23, 70e9 or 1.4e12.");
  std::vector<LawAnswer> answers;
  const auto add = [&](const char* name, const char* title, const auto& law) -> LawAnswer& {
    return answers.emplace_back(
        LawAnswer{name, title, law.best_for(flops_of(question, law)), std::nullopt});
  };
  LawAnswer& first = add("kaplan", "Kaplan et al. 2020 (weights without embeddings)", KaplanLaw{});
  first.loss = kaplan::loss_of_flops(first.best.flops());
  add("chinchilla-1", "Hoffmann et al. 2022, approach 1: envelope of curves",
      chinchilla_envelope_law());
  add("chinchilla-2", "Hoffmann et al. 2022, approach 2: parabolas", chinchilla_parabola_law());
  const auto add_loss_law = [&](const char* name, const char* title, const LossLaw& law) {
    LawAnswer& answer = add(name, title, law);
    answer.loss = law.loss(answer.best.weights, answer.best.tokens);
  };
  add_loss_law("chinchilla-3", "Hoffmann et al. 2022, approach 3: L(N, D), as printed",
               chinchilla_law());
  add_loss_law("chinchilla-corrected", "Besiroglu et al. 2024: approach 3 fitted anew",
               corrected_chinchilla_law());
  return answers;
}

ModelStanding standing(const LossLaw& law, const Allocation& model) {
  ModelStanding is;
  is.model = model;
  is.loss = law.loss(model.weights, model.tokens);
  is.best = law.best_for(model.flops());
  is.best_loss = law.loss(is.best.weights, is.best.tokens);
  is.over_training = model.tokens_per_weight() / is.best.tokens_per_weight();
  is.flops_of_same_loss = law.flops_for_loss(is.loss);
  return is;
}

Result<ServedPlan> cheapest_served(const LossLaw& law, double loss, double served_tokens) {
  if (!std::isfinite(served_tokens) || served_tokens < 0 || served_tokens >= 1e40)
    return input_error("The tokens that are answered are a number from 0 on.", "", "Write 1e12.");
  const auto least = law.flops_for_loss(loss);
  if (!std::isfinite(loss) || !least || !is_amount(*least))
    return input_error(
        "No budget that can be reckoned with comes to this loss: the law's floor is " +
            std::to_string(law.e) + ".",
        "", "Name a loss that lies well above it.");
  ServedPlan plan;
  plan.loss = loss;
  plan.served_tokens = served_tokens;
  plan.best_trained = law.best_for(*least);
  // Along the models of this loss, d(6ND + 2NT)/dlnN = N (6 D (1 - s) + 2 T), where s = -dlnD/dlnN
  // falls from infinity at the smallest model to 1 at the one that trains cheapest: one root
  // between.
  const double smallest = std::pow(law.a / (loss - law.e), 1 / law.alpha);
  const auto rises = [&](double weights) {
    const double term = law.a * std::pow(weights, -law.alpha), left = loss - law.e - term;
    if (!(left > 0)) return false;
    const double tokens = std::pow(law.b / left, 1 / law.beta);
    const double slope = law.alpha * term / (law.beta * left);
    return kTrainFlops * tokens * (1 - slope) + kForwardFlops * served_tokens >= 0;
  };
  double low = std::log(smallest), high = std::log(plan.best_trained.weights);
  for (int i = 0; i < 200 && high - low > 1e-13 * std::max(1.0, std::abs(high)); ++i) {
    const double middle = (low + high) / 2;
    (rises(std::exp(middle)) ? high : low) = middle;
  }
  plan.model.weights = std::exp(high);
  const auto tokens = law.tokens_for_loss(plan.model.weights, loss);
  plan.model.tokens = tokens.value_or(std::numeric_limits<double>::infinity());
  const auto total = [&](const Allocation& model) {
    return model.flops() + kForwardFlops * model.weights * served_tokens;
  };
  plan.total_flops = total(plan.model);
  plan.total_of_best_trained = total(plan.best_trained);
  return plan;
}

}  // namespace luthier
