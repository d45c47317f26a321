// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/verbs.h"
#include "engine/methods/arithmetic/merge_models.h"

namespace luthier::cli {

namespace {

struct MergeModelsVerbOptions {
  std::vector<std::string> models;
  MergeModelsOptions how;
  std::string base, sign = "total", out;
  bool json = false;
};

Status merge_whole(MergeModelsVerbOptions o) {
  o.how.base = o.base;
  o.how.majority = o.sign == "total" ? MajoritySign::Total : MajoritySign::Frequency;
  o.how.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(const MergeModelsReport report,
              merge_models({o.models.begin(), o.models.end()}, o.how, o.out));
  if (o.json) {
    Json document = to_json(report);
    document["method"] = o.how.method;
    document["out"] = o.out;
    print_json(document);
    return {};
  }
  print_line("Merged " + std::to_string(o.models.size()) + " models by " + o.how.method + ": " +
             o.out + " (" + grouped(report.parameters) + " parameters in " +
             grouped(report.tensors) + " tensors).");
  for (const std::string& note : report.notes) print_line(note);
  return {};
}

std::string all_merges() {
  std::string names;
  for (const std::string& name : model_merges()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

Action add_merge_models(CLI::App& app) {
  const auto o = std::make_shared<MergeModelsVerbOptions>();
  app.add_option("--model", o->models, "A checkpoint folder (several times)")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--weights", o->how.weights, "W,W,…: how much of each, in the models' order")
      ->required()
      ->delimiter(',');
  app.add_option("--method", o->how.method, all_merges())->capture_default_str();
  app.add_option("--base", o->base,
                 "The checkpoint that the models were tuned from, for task_arithmetic, ties and "
                 "dare");
  app.add_option("--density", o->how.density, "Share of the numbers that stay, for ties and dare");
  app.add_option("--majority-sign-method", o->sign,
                 "By what the sign is elected, for types with ties: total or frequency")
      ->check(CLI::IsMember({"total", "frequency"}))
      ->capture_default_str();
  app.add_option("--seed", o->how.seed, "Of what dare leaves out")->capture_default_str();
  app.add_option("--out", o->out, "The folder to write")->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return merge_whole(*o); };
}

}  // namespace luthier::cli
