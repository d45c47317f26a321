// SPDX-License-Identifier: GPL-3.0-or-later
// Which classes rows belong to, by a checkpoint's head of classes.
#include <cstdio>
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/compare/classify.h"
#include "engine/methods/adapter.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

struct ClassifyOptions {
  std::string model, adapter, rows, image_folder, device = "auto", dtype = "auto";
  MediaLimits pixels;
  bool json = false;
};

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string line_of(const ClassOptions& classes, const ClassSaid& said) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (classes.says == ClassOptions::Says::Number) {
    for (const double number : said.numbers) add(shown(number));
    return text;
  }
  for (const std::int64_t each : said.chosen)
    add(classes.names[static_cast<std::size_t>(each)] + " " +
        shown(said.numbers[static_cast<std::size_t>(each)]));
  return text.empty() ? "none" : text;
}

Json json_of(const ClassOptions& classes, const ClassSaid& said) {
  if (classes.says == ClassOptions::Says::Number) return {{"numbers", said.numbers}};
  Json names = Json::array(), probabilities = Json::object();
  for (const std::int64_t each : said.chosen)
    names.push_back(classes.names[static_cast<std::size_t>(each)]);
  for (std::size_t i = 0; i < said.numbers.size(); ++i)
    probabilities[classes.names[i]] = said.numbers[i];
  return {{"classes", names}, {"probabilities", probabilities}};
}

void tell(const ClassOptions& classes, const std::vector<RowSaid>& rows, bool json) {
  const ClassScores scores = class_scores(classes, rows);
  const bool of_words = classes.of == ClassOptions::Of::Token;
  const bool numbers = classes.says == ClassOptions::Says::Number;
  Json list = Json::array();
  for (const RowSaid& row : rows) {
    Json said = Json::array();
    std::string line;
    for (const ClassSaid& each : row.said) {
      said.push_back(json_of(classes, each));
      line += (line.empty() ? "" : "; ") + line_of(classes, each);
    }
    if (!json) print_line(row.where + ": " + line);
    Json entry = of_words ? Json{{"words", said}} : said.front();
    entry["row"] = row.where;
    list.push_back(std::move(entry));
  }
  Json document{{"rows", std::move(list)}};
  if (scores.judged > 0) {
    document["judged"] = scores.judged;
    if (numbers) document["mean_error"] = scores.mean_error;
    if (!numbers) document["accuracy"] = scores.accuracy, document["macro_f1"] = scores.macro_f1;
  }
  if (json) return print_json(document);
  if (scores.judged == 0) return;
  print_line(numbers
                 ? "mean error: " + shown(scores.mean_error)
                 : "accuracy: " + shown(scores.accuracy) + ", macro F1: " + shown(scores.macro_f1));
}

Status classify(const ClassifyOptions& o) {
  LUTHIER_TRY(const auto rows, Dataset::open({o.rows}, o.image_folder));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel model, load_model(o.model, load));
  std::shared_ptr<Adapter> adapter;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(adapter, load_adapter(model, o.adapter));
    adapter->activate();
  }
  LUTHIER_TRY(const auto said,
              classify_rows(model, *rows, [] { return !interrupted().stop_requested(); }));
  tell(model.model->classifier()->classes(), said, o.json);
  return {};
}

}  // namespace

Action add_classify(CLI::App& app) {
  const auto o = std::make_shared<ClassifyOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder with a head of classes")->required();
  app.add_option("--rows", o->rows, "Rows to tell apart; those with a label are judged, too")
      ->required();
  app.add_option("--adapter", o->adapter, "A PEFT folder");
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths start (else beside the rows' file)");
  add_pixel_options(app, o->pixels);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return classify(*o); };
}

}  // namespace luthier::cli
