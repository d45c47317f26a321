// SPDX-License-Identifier: GPL-3.0-or-later
// Scaling laws: what loss a decoder of N weights comes to from D tokens, and how a budget of C
// floating-point operations is best parted between them. Kaplan et al. (2020); Hoffmann et al.
// (2022, "Chinchilla") by their three approaches; the third one as Besiroglu et al. (2024) fitted
// it anew; and what answering costs beside training (Sardana & Frankle 2023). Arithmetic alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

/// A training pass costs so many operations a weight and token (C = 6ND), a forward 2 of them.
inline constexpr double kTrainFlops = 6, kForwardFlops = 2;
/// A day of 10^15 operations a second, Kaplan's unit of compute.
inline constexpr double kPetaflopDay = 8.64e19;

/// "70B", "1.4T", "5.76e23", "125 M": K, M, B (or G) and T are powers of a thousand. An Input error
/// for anything that is no number above 0 and below 1e40.
Result<double> parse_amount(const std::string& text, const std::string& where);
/// "70.0 B", "5.76e+23".
std::string amount_text(double amount);

/// What a budget is spent on.
struct Allocation {
  double weights = 0, tokens = 0;
  double flops() const { return kTrainFlops * weights * tokens; }
  double tokens_per_weight() const { return tokens / weights; }
};

/// L = E + A / N^alpha + B / D^beta, in nats a token.
struct LossLaw {
  double e = 0, a = 0, b = 0, alpha = 0, beta = 0;

  double loss(double weights, double tokens) const;
  /// N* = G (C/6)^(beta / (alpha + beta)), D* = (C/6) / N*: least loss for so many operations.
  Allocation best_for(double flops) const;
  /// The budgets whose best model has so many weights, and whose best data so many tokens.
  double flops_for_weights(double weights) const;
  double flops_for_tokens(double tokens) const;
  double weights_exponent() const { return beta / (alpha + beta); }
  double tokens_exponent() const { return alpha / (alpha + beta); }
  /// Tokens with which so many weights come to this loss; nullopt: no number of tokens does.
  std::optional<double> tokens_for_loss(double weights, double loss) const;
  /// Operations of the best model that comes to this loss; nullopt: the law's E is not below it.
  std::optional<double> flops_for_loss(double loss) const;
};

/// Hoffmann et al.'s third approach, as printed (rounded), and Besiroglu et al.'s fit of its
/// points.
LossLaw chinchilla_law();
LossLaw corrected_chinchilla_law();

/// N* = N_1 (C / C_1)^exponent: approaches 1 and 2, which say nothing of the loss.
struct PowerLaw {
  double weights_at = 0, flops_at = 0, exponent = 0;
  Allocation best_for(double flops) const;
  double flops_for_weights(double weights) const;
  double flops_for_tokens(double tokens) const;
};
/// The exponents 0.50 and 0.49, through the paper's row of 1 B weights.
PowerLaw chinchilla_envelope_law();
PowerLaw chinchilla_parabola_law();

/// Kaplan et al. (2020); weights are without embeddings.
namespace kaplan {
double loss_of_weights(double weights);             ///< data without end
double loss_of_tokens(double tokens);               ///< a model large enough, stopped early
double loss_of_flops(double flops);                 ///< spent as best_for says
double loss(double weights, double tokens);         ///< the joint fit, with constants of its own
double tokens_against_overfitting(double weights);  ///< below, more than 2 % are lost
Allocation best_for(double flops);
double flops_for_weights(double weights);
double flops_for_tokens(double tokens);
double batch_tokens(double flops);  ///< of a step
double steps(double flops);         ///< at least, in series
}  // namespace kaplan

/// One law's word on a budget.
struct LawAnswer {
  std::string law;  ///< kaplan | chinchilla-1 | chinchilla-2 | chinchilla-3 | chinchilla-corrected
  std::string title;  ///< "Hoffmann et al. 2022, approach 1"
  Allocation best;
  std::optional<double> loss;
};

/// Exactly one of the three is given; the laws say the others.
struct BudgetQuestion {
  std::optional<double> flops, weights, tokens;
};
/// Input errors: none or several are given, or one that is not a number above 0 and below 1e40.
Result<std::vector<LawAnswer>> ask_laws(const BudgetQuestion& question);

/// A model of so many weights that is trained on so many tokens: how far from the best it is.
struct ModelStanding {
  Allocation model;
  double loss = 0;
  Allocation best;  ///< of the same operations
  double best_loss = 0;
  double over_training = 0;                  ///< its tokens a weight, over those of the best one
  std::optional<double> flops_of_same_loss;  ///< that the best model of its loss takes
};
ModelStanding standing(const LossLaw& law, const Allocation& model);

/// Least operations of training and answering, for a loss (over-training).
struct ServedPlan {
  Allocation model;
  double served_tokens = 0, loss = 0;
  double total_flops = 0;   ///< 6 N D + 2 N served
  Allocation best_trained;  ///< the same loss with least training
  double total_of_best_trained = 0;
};
/// Input error: no model comes to that loss, or a number is none.
Result<ServedPlan> cheapest_served(const LossLaw& law, double loss, double served_tokens);

}  // namespace luthier
