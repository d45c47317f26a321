// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/adapter.h"
#include "engine/methods/arithmetic/combine.h"

namespace luthier::cli {

namespace {

struct CombineVerbOptions {
  std::vector<std::string> adapters;
  CombineOptions how;
  std::string sign = "total", out;
  bool json = false;
};

Status combine(CombineVerbOptions o) {
  o.how.majority = o.sign == "total" ? MajoritySign::Total : MajoritySign::Frequency;
  LUTHIER_TRY(const CombineReport report,
              combine_adapters({o.adapters.begin(), o.adapters.end()}, o.how, o.out));
  if (o.json) {
    Json document = to_json(report);
    document["out"] = o.out;
    print_json(document);
    return {};
  }
  std::string line = "Combined " + std::to_string(o.adapters.size()) +
                     (o.adapters.size() == 1 ? " adapter" : " adapters") + " by " +
                     report.combination_type + ": " + o.out + " (" +
                     std::to_string(report.modules) + " modules";
  if (report.rank > 0) line += ", rank " + std::to_string(report.rank);
  print_line(line + ").");
  for (const std::string& note : report.notes) print_line(note);
  return {};
}

std::string all_types() {
  std::string names;
  for (const std::string& name : combination_types()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

Action add_adapter_combine(CLI::App& app) {
  const auto o = std::make_shared<CombineVerbOptions>();
  app.add_option("--adapter", o->adapters, "A PEFT folder (several times)")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--weights", o->how.weights,
                 "W,W,…: how much of each, in the adapters' order; below 0 takes away")
      ->required()
      ->delimiter(',');
  app.add_option("--combination-type", o->how.combination_type, all_types())->capture_default_str();
  app.add_option("--density", o->how.density,
                 "Share of the numbers that stay, for types with ties, dare or prune");
  app.add_option("--majority-sign-method", o->sign,
                 "By what the sign is elected, for types with ties: total or frequency")
      ->check(CLI::IsMember({"total", "frequency"}))
      ->capture_default_str();
  app.add_option("--svd-rank", o->how.svd_rank,
                 "Rank of the result, for svd and the types that end in svd (default: the largest "
                 "of the adapters')");
  app.add_option("--seed", o->how.seed, "Of what dare leaves out")->capture_default_str();
  app.add_option("--out", o->out, "The folder to write")->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return combine(*o); };
}

}  // namespace luthier::cli
