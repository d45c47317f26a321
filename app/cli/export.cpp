// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/verbs.h"
#include "engine/session/exporting.h"

namespace luthier::cli {

namespace {

struct ExportForm {
  ExportKind kind;
  const char *name, *help;
};

constexpr ExportForm kForms[] = {
    {ExportKind::Gguf, "gguf", "for llama.cpp and Ollama"},
    {ExportKind::Checkpoint, "safetensors",
     "a checkpoint by itself, an adapter merged into its base"},
    {ExportKind::Adapter, "peft", "the adapter's folder"},
    {ExportKind::Trl, "trl", "a recipe's run as a script for TRL and accelerate"}};

struct ExportVerbOptions {
  ExportRequest request;
  std::string result, base, out, to = "gguf";
  bool json = false;
};

Status export_to(const ExportVerbOptions& o) {
  ExportRequest request = o.request;
  request.result = o.result, request.base = o.base, request.out = o.out;
  for (const ExportForm& form : kForms)
    if (o.to == form.name) request.kind = form.kind;
  LUTHIER_TRY(const ExportOutcome outcome, export_result(request, [](const std::string&, double) {
                return !interrupted().stop_requested();
              }));
  if (o.json) {
    print_json(to_json(outcome));
    return {};
  }
  print_line("Written to " + o.out + ": " + grouped(static_cast<std::int64_t>(outcome.bytes)) +
             " bytes.");
  for (const std::string& file : outcome.files) print_line("  " + file);
  if (!outcome.sentence.empty()) print_line(outcome.sentence);
  for (const std::string& note : outcome.notes) print_line(note);
  return {};
}

void add_cluster_options(CLI::App& app, ExportRequest& request) {
  ClusterSettings& cluster = request.cluster;
  app.add_option("--set", request.set,
                 "Of trl: KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.add_option("--nodes", cluster.nodes, "Of trl: machines that the sbatch file asks for")
      ->capture_default_str();
  app.add_option("--gpus-per-node", cluster.gpus_per_node, "Of trl: GPUs of each of them")
      ->capture_default_str();
  app.add_option("--time", cluster.time, "Of trl: the sbatch file's limit")->capture_default_str();
  app.add_option("--partition", cluster.partition, "Of trl: the sbatch file's partition");
  app.add_option(
         "--sharding", cluster.sharding,
         "Of trl: how the model lies over the GPUs: ddp, whole on each; fsdp, zero2, zero3, "
         "in shares")
      ->check(CLI::IsMember(shardings()))
      ->capture_default_str();
}

}  // namespace

Action add_export(CLI::App& app) {
  const auto o = std::make_shared<ExportVerbOptions>();
  app.add_option("RESULT", o->result,
                 "A checkpoint's folder, an adapter's or a run's; of trl: a recipe (YAML) or a "
                 "run's folder")
      ->required();
  std::vector<std::string> names;
  std::string help;
  for (const ExportForm& form : kForms) {
    names.emplace_back(form.name);
    help += (help.empty() ? "" : "; ") + std::string(form.name) + ": " + form.help;
  }
  app.add_option("--to", o->to, help)->check(CLI::IsMember(names))->capture_default_str();
  app.add_option("--out", o->out, "The folder to write, new or empty")->required();
  app.add_option("--type", o->request.type, "Of GGUF's weights: f16, q8_0 or f32")
      ->check(CLI::IsMember({"f16", "q8_0", "f32"}))
      ->capture_default_str();
  app.add_option("--base", o->base, "The checkpoint that the adapter is for (else its run's own)");
  app.add_option("--system", o->request.system,
                 "System prompt of Ollama's Modelfile (else the chat template's own)");
  add_cluster_options(app, o->request);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return export_to(*o); };
}

}  // namespace luthier::cli
