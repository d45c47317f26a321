// SPDX-License-Identifier: GPL-3.0-or-later
// `laws`: what scaling laws say of a budget (plan), laws fitted to points (fit), and a real sweep
// of small decoders (sweep, laws_sweep.cpp).
#include "app/cli/lab/laws.h"
#include "app/cli/lab/lab_verbs.h"

#include <cstdio>
#include <memory>
#include <optional>

#include "engine/io/json.h"

namespace luthier::cli {

std::string number_text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

namespace {

struct LawPlanOptions {
  std::string flops, weights, tokens, loss, served, law;
  bool json = false;
};

Result<std::optional<double>> amount_of(const std::string& text, const char* option) {
  if (text.empty()) return std::optional<double>();
  LUTHIER_TRY(const double amount, parse_amount(text, option));
  return std::optional<double>(amount);
}

Json to_json(const Allocation& allocation) {
  return {{"weights", allocation.weights},
          {"tokens", allocation.tokens},
          {"flops", allocation.flops()},
          {"tokens_per_weight", allocation.tokens_per_weight()}};
}

std::string words_of(const Allocation& allocation) {
  return amount_text(allocation.weights) + " weights, " + amount_text(allocation.tokens) +
         " tokens (" + number_text("%.3g", allocation.tokens_per_weight()) + " a weight), " +
         number_text("%.3g", allocation.flops()) + " operations (" +
         number_text("%.3g", allocation.flops() / kPetaflopDay) + " PF-days)";
}

struct NamedLaw {
  std::string name;
  LossLaw law;
};

/// The two published ones, or the one in a file that `fit --json` or a sweep wrote.
Result<std::vector<NamedLaw>> laws_to_ask(const std::string& file) {
  if (file.empty())
    return std::vector<NamedLaw>{{"chinchilla-3", chinchilla_law()},
                                 {"chinchilla-corrected", corrected_chinchilla_law()}};
  LUTHIER_TRY(const Json document, read_json_file(file));
  const Json* at = &document;
  for (const char* key : {"fits", "approach_3"}) {
    const auto found = at->is_object() ? at->find(key) : at->end();
    if (at->is_object() && found != at->end()) at = &*found;
  }
  LossLaw law;
  for (const auto& [key, number] :
       {std::pair("E", &law.e), std::pair("A", &law.a), std::pair("B", &law.b),
        std::pair("alpha", &law.alpha), std::pair("beta", &law.beta)}) {
    if (!at->is_object() || !at->contains(key))
      return input_error(std::string("The law's number ") + key + " is missing.", file,
                         "Name what `laws fit --json` printed, or a sweep.json.");
    LUTHIER_TRY(*number, json_number(*at, key, file, 0));
    if (!(*number > 0))
      return input_error("The law's numbers are above 0.", file + ": " + key,
                         "Losses that do not fall with weights and tokens make no law.");
  }
  return std::vector<NamedLaw>{{file, law}};
}

Json answers_json(const std::vector<LawAnswer>& answers) {
  Json json = Json::array();
  for (const LawAnswer& answer : answers) {
    Json row{{"law", answer.law}, {"title", answer.title}};
    row.update(to_json(answer.best));
    row["loss"] = answer.loss ? Json(*answer.loss) : Json(nullptr);
    if (answer.law == "kaplan") {
      row["batch_tokens"] = kaplan::batch_tokens(answer.best.flops());
      row["steps"] = kaplan::steps(answer.best.flops());
      row["tokens_against_overfitting"] = kaplan::tokens_against_overfitting(answer.best.weights);
    }
    json.push_back(std::move(row));
  }
  return json;
}

void show(const std::vector<LawAnswer>& answers) {
  for (const LawAnswer& answer : answers) {
    print_line(answer.title);
    print_line("  " + words_of(answer.best));
    if (answer.loss) print_line("  loss " + number_text("%.4f", *answer.loss) + " nats a token");
    if (answer.law == "kaplan")
      print_line("  batches of " + amount_text(kaplan::batch_tokens(answer.best.flops())) +
                 " tokens, " + amount_text(kaplan::steps(answer.best.flops())) +
                 " steps at least; " +
                 amount_text(kaplan::tokens_against_overfitting(answer.best.weights)) +
                 " different tokens against overfitting");
  }
}

Json standing_json(const NamedLaw& named, const ModelStanding& is) {
  return {{"law", named.name},
          {"loss", is.loss},
          {"best_of_same_flops", to_json(is.best)},
          {"best_loss", is.best_loss},
          {"over_training", is.over_training},
          {"flops_of_same_loss", is.flops_of_same_loss ? Json(*is.flops_of_same_loss) : Json()}};
}

void show(const NamedLaw& named, const ModelStanding& is) {
  print_line(named.name + ": loss " + number_text("%.4f", is.loss) +
             "; its operations are best spent on");
  print_line("  " + words_of(is.best) + ", loss " + number_text("%.4f", is.best_loss));
  const double factor = is.over_training;
  print_line(factor >= 1 ? "  over-trained " + number_text("%.3g", factor) +
                               " times: so many more tokens a weight than is cheapest to train"
                         : "  under-trained: " + number_text("%.3g", 1 / factor) +
                               " times fewer tokens a weight than is cheapest to train");
  if (is.flops_of_same_loss)
    print_line(
        "  the same loss for " + number_text("%.3g", *is.flops_of_same_loss) + " operations, " +
        number_text("%.3g", 100 * *is.flops_of_same_loss / is.model.flops()) + " % of these");
}

Json served_json(const NamedLaw& named, const ServedPlan& plan) {
  return {{"law", named.name},
          {"loss", plan.loss},
          {"served_tokens", plan.served_tokens},
          {"cheapest", to_json(plan.model)},
          {"total_flops", plan.total_flops},
          {"cheapest_to_train", to_json(plan.best_trained)},
          {"total_flops_of_cheapest_to_train", plan.total_of_best_trained}};
}

void show(const NamedLaw& named, const ServedPlan& plan) {
  print_line(named.name + ": loss " + number_text("%.4f", plan.loss) + " and " +
             amount_text(plan.served_tokens) + " tokens answered cost least with");
  print_line("  " + words_of(plan.model) + ", " + number_text("%.3g", plan.total_flops) +
             " operations with the answers");
  print_line("  cheapest to train: " + words_of(plan.best_trained) + ", " +
             number_text("%.3g", plan.total_of_best_trained) + " with the answers");
}

/// The loss that is to be reached: named, or what a law's best model of the budget comes to.
Result<double> loss_to_serve(const std::optional<double>& loss, const BudgetQuestion& question,
                             const LossLaw& law) {
  if (loss) return *loss;
  if (question.weights && question.tokens) return law.loss(*question.weights, *question.tokens);
  const double flops = question.flops     ? *question.flops
                       : question.weights ? law.flops_for_weights(*question.weights)
                                          : law.flops_for_tokens(*question.tokens);
  const Allocation best = law.best_for(flops);
  return law.loss(best.weights, best.tokens);
}

Status plan_budget(const LawPlanOptions& o) {
  BudgetQuestion question;
  LUTHIER_TRY(question.flops, amount_of(o.flops, "--flops"));
  LUTHIER_TRY(question.weights, amount_of(o.weights, "--weights"));
  LUTHIER_TRY(question.tokens, amount_of(o.tokens, "--tokens"));
  LUTHIER_TRY(const auto loss, amount_of(o.loss, "--loss"));
  LUTHIER_TRY(const auto served, amount_of(o.served, "--serve-tokens"));
  LUTHIER_TRY(const std::vector<NamedLaw> laws, laws_to_ask(o.law));
  const bool model = question.weights && question.tokens;
  if (question.flops && (question.weights || question.tokens))
    return input_error("--flops says what weights and tokens say.", "--flops",
                       "Give --flops, --weights or --tokens; or --weights and --tokens together.");
  if (loss && !served)
    return input_error("A loss alone is no plan.", "--loss",
                       "Say with --serve-tokens how many tokens will be answered (1 for none).");
  if (!question.flops && !question.weights && !question.tokens && !loss)
    return input_error("There is nothing to plan from.", "laws plan",
                       "Give --flops, --weights or --tokens, or --loss and --serve-tokens.");
  Json document = Json::object();
  if (model) {
    const Allocation given{*question.weights, *question.tokens};
    document["model"] = to_json(given);
    document["kaplan"] = {
        {"loss", kaplan::loss(given.weights, given.tokens)},
        {"tokens_against_overfitting", kaplan::tokens_against_overfitting(given.weights)}};
    document["standing"] = Json::array();
    if (!o.json) {
      print_line(words_of(given));
      print_line("kaplan (weights without embeddings): loss " +
                 number_text("%.4f", kaplan::loss(given.weights, given.tokens)) + "; " +
                 amount_text(kaplan::tokens_against_overfitting(given.weights)) +
                 " different tokens against overfitting");
    }
    for (const NamedLaw& named : laws) {
      const ModelStanding is = standing(named.law, given);
      document["standing"].push_back(standing_json(named, is));
      if (!o.json) show(named, is);
    }
  } else if (question.flops || question.weights || question.tokens) {
    LUTHIER_TRY(std::vector<LawAnswer> answers, ask_laws(question));
    if (!o.law.empty()) {
      const LossLaw& law = laws.front().law;
      const double flops = question.flops     ? *question.flops
                           : question.weights ? law.flops_for_weights(*question.weights)
                                              : law.flops_for_tokens(*question.tokens);
      const Allocation best = law.best_for(flops);
      answers.push_back({o.law, o.law, best, law.loss(best.weights, best.tokens)});
    }
    document["laws"] = answers_json(answers);
    if (!o.json) show(answers);
  }
  if (served) {
    document["served"] = Json::array();
    for (const NamedLaw& named : laws) {
      LUTHIER_TRY(const double wanted, loss_to_serve(loss, question, named.law));
      LUTHIER_TRY(const ServedPlan plan, cheapest_served(named.law, wanted, *served));
      document["served"].push_back(served_json(named, plan));
      if (!o.json) show(named, plan);
    }
  }
  if (o.json) print_json(document);
  return {};
}

struct LawPointsOptions {
  std::string points;
  LawFitOptions fit;
  bool json = false;
};

Status fit_points(LawPointsOptions& o) {
  LUTHIER_TRY(const std::vector<LossPoint> points, read_loss_points(o.points));
  o.fit.go_on = [] { return !interrupted().stop_requested(); };
  const ThreeFits fits = fit_three_ways(points, o.fit);
  if (interrupted().stop_requested()) return interrupted_error();
  if (!fits.whole && !fits.envelope && !fits.parabolas) {
    Error error = fits.whole.error();
    if (error.where.empty()) error.where = o.points;
    return error;
  }
  if (o.json)
    print_json(to_json(fits));
  else
    show(fits);
  return {};
}

std::string interval_words(const Interval& interval, const char* format) {
  if (!interval.known) return "";
  return " (" + number_text(format, interval.low) + " to " + number_text(format, interval.high) +
         ")";
}

void show(const Result<MinimaFit>& fit, const char* title) {
  if (!fit) return print_line(std::string(title) + ": " + fit.error().sentence());
  print_line(std::string(title) + ": N grows as C^" + number_text("%.3f", fit->exponent) +
             interval_words(fit->interval, "%.3f") + ", D as C^" +
             number_text("%.3f", 1 - fit->exponent) + ", from " + std::to_string(fit->best.size()) +
             " budgets");
}

}  // namespace

ThreeFits fit_three_ways(const std::vector<LossPoint>& points, const LawFitOptions& options) {
  return {fit_loss_law(points, options), fit_envelope(points, options),
          fit_parabolas(points, options)};
}

void show(const ThreeFits& fits) {
  show(fits.envelope, "approach 1, envelope of curves");
  show(fits.parabolas, "approach 2, parabolas");
  const std::string title = "approach 3, L(N, D)";
  if (!fits.whole) return print_line(title + ": " + fits.whole.error().sentence());
  const LawFit& fit = *fits.whole;
  print_line(
      title + ": N grows as C^" + number_text("%.3f", fit.law.weights_exponent()) +
      interval_words(fit.of([](const LossLaw& law) { return law.weights_exponent(); }), "%.3f") +
      ", D as C^" + number_text("%.3f", fit.law.tokens_exponent()) + ", from " +
      std::to_string(fit.points) + " points");
  const auto line = [&](const char* name, double value, double LossLaw::*member) {
    print_line(
        std::string("  ") + name + " " + number_text("%.4g", value) +
        interval_words(fit.of([member](const LossLaw& law) { return law.*member; }), "%.4g"));
  };
  line("E", fit.law.e, &LossLaw::e);
  line("A", fit.law.a, &LossLaw::a);
  line("B", fit.law.b, &LossLaw::b);
  line("alpha", fit.law.alpha, &LossLaw::alpha);
  line("beta", fit.law.beta, &LossLaw::beta);
  print_line("  the worst point lies " + number_text("%.2f", 100 * fit.worst) +
             " % of its loss beside the law");
  for (const std::string& warning : fit.warnings) print_line("  " + warning);
}

Json to_json(const ThreeFits& fits) {
  const auto json_of = [](const auto& fit) {
    return fit ? luthier::to_json(*fit) : Json{{"error", fit.error().sentence()}};
  };
  return {{"approach_1", json_of(fits.envelope)},
          {"approach_2", json_of(fits.parabolas)},
          {"approach_3", json_of(fits.whole)}};
}

void add_fit_options(CLI::App& app, LawFitOptions& options) {
  app.add_option("--draws", options.draws, "Fits to points drawn anew, for intervals; 0: none")
      ->check(CLI::Range(std::size_t{0}, std::size_t{100'000}))
      ->capture_default_str();
  app.add_option("--level", options.level, "Of the intervals: the share of draws within")
      ->check(CLI::Range(0.01, 0.999))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the draws")->capture_default_str();
  app.add_option("--delta", options.huber_delta, "Huber's: beyond it an error in ln L counts less")
      ->check(CLI::Range(1e-9, 1e3))
      ->capture_default_str();
}

Action add_laws(CLI::App& app) {
  app.require_subcommand(1);
  const auto plan_options = std::make_shared<LawPlanOptions>();
  const auto points_options = std::make_shared<LawPointsOptions>();
  CLI::App* plan =
      app.add_subcommand("plan", "Weights, tokens and loss for a budget, as each law has them");
  plan->add_option("--flops", plan_options->flops, "Operations of training: 5.76e23");
  plan->add_option("--weights", plan_options->weights, "Weights of the model: 70B");
  plan->add_option("--tokens", plan_options->tokens,
                   "Tokens to train on: 1.4T; with --weights: where that model stands");
  plan->add_option("--loss", plan_options->loss, "A loss to reach, with --serve-tokens");
  plan->add_option("--serve-tokens", plan_options->served,
                   "Tokens that the model will answer: what is cheapest with them (over-training)");
  plan->add_option("--law", plan_options->law,
                   "A law of your own: what `laws fit --json` printed, or a sweep.json");
  plan->add_flag("--json", plan_options->json, "One JSON document on stdout");
  CLI::App* fit = app.add_subcommand("fit", "Laws out of points, the three ways, with intervals");
  fit->add_option("POINTS", points_options->points,
                  "A table or JSON of weights, tokens, loss (and run, for curves)")
      ->required();
  add_fit_options(*fit, points_options->fit);
  fit->add_flag("--json", points_options->json, "One JSON document on stdout");
  CLI::App* sweep = app.add_subcommand(
      "sweep", "Train a grid of small decoders, fit the laws, hold the next size against them");
  const std::function<Status()> run_sweep = add_laws_sweep(*sweep);
  return [=]() -> Ending {
    if (plan->parsed()) return plan_budget(*plan_options);
    if (sweep->parsed()) return run_sweep();
    return fit_points(*points_options);
  };
}

}  // namespace luthier::cli
