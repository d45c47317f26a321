// SPDX-License-Identifier: GPL-3.0-or-later
// What a model still does where it was not trained: today, at which length and depth of a text it
// no longer finds a fact.
#include <cstdio>
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/quantization.h"
#include "app/cli/verbs.h"
#include "engine/compare/context_probe.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

constexpr std::uint64_t kMostFillerBytes = 64u << 20;

struct ProbeOptions {
  std::string model, adapter, out, filler, rows_out, device = "auto", dtype = "auto";
  std::size_t rows = 200;
  ContextProbe probe;
  QuantizationOptions packing;
  Json quantization;
  bool json = false;
};

/// Rows that teach the task, of other keys than those that are asked for: lengths and depths in
/// turn.
Status write_context_rows(const ProbeOptions& o) {
  LUTHIER_TRY(const auto processor, load_processor(o.model, {}));
  ContextProbe probe = o.probe;
  probe.seed += 1'000'003;
  std::string text;
  for (std::size_t i = 0; i < o.rows; ++i) {
    const std::int64_t length = probe.lengths[i % probe.lengths.size()];
    const double depth =
        static_cast<double>(i * 7919 % 101) / 100;  // all depths, whatever is asked about
    LUTHIER_TRY(const ContextQuestion question,
                context_question(*processor, probe, length, depth, i));
    Json messages = Json::array();
    for (const Message& message : question.sample.conversation.messages)
      messages.push_back({{"role", message.role}, {"content", message.content.front().text}});
    text += Json{{"messages", std::move(messages)}}.dump() + "\n";
    if (interrupted().stop_requested()) return interrupted_error();
  }
  LUTHIER_CHECK(write_file_atomically(o.rows_out, text));
  print_line(o.rows_out);
  return {};
}

Status probe_length(ProbeOptions& o) {
  for (const double depth : o.probe.depths)
    if (!(depth >= 0 && depth <= 1))
      return input_error("A depth is a number from 0 to 1.", "--depths", "Write 0,0.5,1.");
  for (const std::int64_t length : o.probe.lengths)
    if (length < 1) return input_error("A length is a number of tokens.", "--lengths");
  if (!o.filler.empty()) {
    LUTHIER_TRY(o.probe.filler, read_file(o.filler, kMostFillerBytes));
  }
  if (!o.rows_out.empty()) return write_context_rows(o);
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.quantization = o.quantization;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel model, load_model(o.model, load));
  ResidentColumn column{nullptr, model.processor};
  if (!o.adapter.empty()) {
    LUTHIER_TRY(column.adapter, load_adapter(model, o.adapter));
    column.adapter->set_training(false, 0);
  }
  LUTHIER_TRY(const auto cells, probe_context(model, column, o.probe, [](std::size_t, std::size_t) {
                return !interrupted().stop_requested();
              }));
  Json document = to_json(cells, o.probe);
  document["model"] = o.model;
  document["adapter"] = o.adapter.empty() ? Json(nullptr) : Json(o.adapter);
  if (!o.out.empty()) LUTHIER_CHECK(write_file_atomically(o.out, document.dump(2) + "\n"));
  if (o.json)
    print_json(document);
  else
    std::fputs(context_table_text(cells, o.probe).c_str(), stdout);
  return {};
}

}  // namespace

Action add_probe(CLI::App& app) {
  const auto o = std::make_shared<ProbeOptions>();
  app.require_subcommand(1);
  CLI::App* sub = app.add_subcommand(
      "context", "At which length and depth of a text a pass key is no longer found");
  sub->add_option("MODEL", o->model, "A checkpoint folder")->required();
  sub->add_option("--adapter", o->adapter, "A PEFT folder");
  sub->add_option("--lengths", o->probe.lengths, "Tokens of a prompt: 512,1024,…")
      ->required()
      ->delimiter(',');
  sub->add_option("--depths", o->probe.depths, "Where the key stands: 0 (beginning) to 1 (end)")
      ->delimiter(',')
      ->capture_default_str();
  sub->add_option("--trials", o->probe.trials, "Texts for each length and depth")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  sub->add_option("--digits", o->probe.digits, "Of a key")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  sub->add_option("--max-new-tokens", o->probe.new_tokens, "Tokens an answer has at most")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  sub->add_option("--filler", o->filler, "A file with text that the key stands in");
  sub->add_option("--seed", o->probe.seed, "Of keys and texts")->capture_default_str();
  sub->add_option("--out", o->out, "A JSON file to write besides");
  sub->add_option("--rows-out", o->rows_out,
                  "Writes rows that teach the task (JSONL, other keys) in place of asking");
  sub->add_option("--rows", o->rows, "How many of them")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  add_quantization_options(*sub, o->packing, /*switched=*/true);
  sub->add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  sub->add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  sub->add_flag("--json", o->json, "One JSON document on stdout");
  return [o, sub]() -> Status {
    LUTHIER_TRY(o->quantization, quantization_settings(*sub, o->packing));
    return probe_length(*o);
  };
}

}  // namespace luthier::cli
