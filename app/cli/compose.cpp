// SPDX-License-Identifier: GPL-3.0-or-later
// A tower, a connector and a language model as one checkpoint.
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/lab/compose/composition.h"

namespace luthier::cli {

namespace {

struct ComposeVerb {
  ComposeOrder order;
  std::vector<std::string> set;
  std::string out;
  bool plan = false, list = false, json = false;
};

Json listed(const ConnectorSummary& row) {
  return {{"connector", row.key},         {"title", row.title},
          {"model_type", row.model_type}, {"architecture", row.architecture},
          {"towers", row.towers},         {"language_models", row.language_models},
          {"queries", row.has_queries},   {"every", row.has_interval}};
}

Status list_connectors(bool json) {
  Json all = Json::array();
  for (const ConnectorSummary& row : connectors()) {
    all.push_back(listed(row));
    if (json) continue;
    print_line(row.key + ": " + row.title);
    print_line("  becomes " + row.model_type + " (" + row.architecture +
               "); tower: " + (row.towers.empty() ? "none" : row.towers) +
               "; language model: " + row.language_models);
  }
  if (json) print_json(all);
  return {};
}

Status read_fields(ComposeVerb& o) {
  for (const std::string& text : o.set) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return input_error("\"" + text + "\" is not KEY=JSON.", "--set",
                         "Write --set qformer_config.num_hidden_layers=6.");
    const std::string key = text.substr(0, equals);
    auto value = parse_json(text.substr(equals + 1), "--set " + key);
    if (!value) {
      Error refused = value.error();
      refused.hint = "A text keeps its quotes, so that the shell must leave them: --set '" + key +
                     "=\"vector\"'.";
      return refused;
    }
    o.order.fields.emplace_back(key, value.take());
  }
  return {};
}

Status compose(ComposeVerb& o) {
  if (o.list) return list_connectors(o.json);
  LUTHIER_CHECK(read_fields(o));
  const auto tell = [&](const Composition& made) {
    if (o.json)
      print_json(to_json(made));
    else
      std::fputs(drawing(made).c_str(), stdout);
  };
  if (o.plan) {
    LUTHIER_TRY(const Composition planned, plan_composition(o.order));
    tell(planned);
    return {};
  }
  if (o.out.empty())
    return input_error("There is no folder to write to.", "--out",
                       "Name one that is not there yet, or write --plan for the drawing alone.");
  LUTHIER_TRY(const Composition made, write_composition(o.order, o.out, [](double) {
                return !interrupted().stop_requested();
              }));
  tell(made);
  if (!o.json)
    print_line("\n" + o.out + " stands, and " + stages_recipe_path(o.out).string() +
               " has its stages: give each its rows with --set stages.1.dataset=ROWS.");
  return {};
}

}  // namespace

Action add_compose(CLI::App& app) {
  const auto o = std::make_shared<ComposeVerb>();
  app.add_option("--tower", o->order.tower,
                 "A folder of CLIP, SigLIP, ViT or BLIP, or of a model over one; or small");
  app.add_option("--connector", o->order.connector,
                 "linear, mlp, qformer, resampler, gated, early, encoder-free, prefix-mlp or "
                 "prefix-transformer (--list says what each is)")
      ->capture_default_str();
  app.add_option("--language-model", o->order.language_model,
                 "A folder of a model that continues a text; or small")
      ->capture_default_str();
  app.add_option("--every", o->order.every,
                 "A gated layer stands before each so many of the language model's layers")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}));
  app.add_option("--queries", o->order.queries, "States that stand for a picture")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
  app.add_option("--seed", o->order.seed, "Of what is drawn")->capture_default_str();
  app.add_option("--set", o->set,
                 "KEY=JSON: a field of the config.json to be written, as "
                 "qformer_config.num_hidden_layers=6")
      ->allow_extra_args(false);
  app.add_option("--out", o->out, "The folder to write");
  app.add_flag("--plan", o->plan, "The drawing and the stages alone; nothing is written");
  app.add_flag("--list", o->list, "The connectors, and what each takes and becomes");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return compose(*o); };
}

}  // namespace luthier::cli
