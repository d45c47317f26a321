// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/verbs.h"
#include "engine/session/exporting.h"

namespace luthier::cli {

namespace {

struct ExportVerbOptions {
  ExportRequest request;
  std::string result, base, out, to = "gguf";
  bool json = false;
};

Status export_to(const ExportVerbOptions& o) {
  ExportRequest request = o.request;
  request.result = o.result, request.base = o.base, request.out = o.out;
  request.kind = o.to == "gguf"   ? ExportKind::Gguf
                 : o.to == "peft" ? ExportKind::Adapter
                                  : ExportKind::Checkpoint;
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

}  // namespace

Action add_export(CLI::App& app) {
  const auto o = std::make_shared<ExportVerbOptions>();
  app.add_option("RESULT", o->result, "A checkpoint's folder, an adapter's or a run's")->required();
  app.add_option("--to", o->to,
                 "gguf: for llama.cpp and Ollama; safetensors: a checkpoint by itself, an adapter "
                 "merged into its base; peft: the adapter's folder")
      ->check(CLI::IsMember({"gguf", "safetensors", "peft"}))
      ->capture_default_str();
  app.add_option("--out", o->out, "The folder to write, new or empty")->required();
  app.add_option("--type", o->request.type, "Of GGUF's weights: f16, q8_0 or f32")
      ->check(CLI::IsMember({"f16", "q8_0", "f32"}))
      ->capture_default_str();
  app.add_option("--base", o->base, "The checkpoint that the adapter is for (else its run's own)");
  app.add_option("--system", o->request.system,
                 "System prompt of Ollama's Modelfile (else the chat template's own)");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return export_to(*o); };
}

}  // namespace luthier::cli
