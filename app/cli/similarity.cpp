// SPDX-License-Identifier: GPL-3.0-or-later
// How alike pictures and texts are to a model of two towers: which of some texts a picture shows
// (zero-shot classification), and how often rows of a picture and its text find one another.
#include <cstdio>
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/methods/adapter.h"
#include "engine/models/two_towers/likeness.h"

namespace luthier::cli {

namespace {

struct SimilarityOptions {
  std::string model, adapter, image_folder, pattern = "{}", device = "auto", dtype = "auto";
  std::vector<std::string> images, texts, rows;
  std::vector<std::size_t> ks{1, 5, 10};
  std::size_t batch = 16;
  MediaLimits pixels;
  bool json = false;
};

std::string likeness_figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

Json lines_of_table(const torch::Tensor& table) {
  Json lines = Json::array();
  for (std::int64_t row = 0; row < table.size(0); ++row) {
    const torch::Tensor line = table[row].contiguous();
    const float* values = line.const_data_ptr<float>();
    lines.push_back(std::vector<float>(values, values + line.numel()));
  }
  return lines;
}

/// Each text as the pattern puts it.
Result<std::vector<std::string>> texts_as_written(const SimilarityOptions& o) {
  const std::size_t place = o.pattern.find("{}");
  if (place == std::string::npos)
    return input_error("The pattern has no {}, where each text is put.", "--pattern",
                       "For example --pattern \"a photo of a {}\".");
  std::vector<std::string> made;
  for (const std::string& text : o.texts)
    made.push_back(o.pattern.substr(0, place) + text + o.pattern.substr(place + 2));
  return made;
}

void tell_matrix(const SimilarityOptions& o, const PicturesAndTexts& given,
                 const Likenesses& found) {
  Json pictures = Json::array();
  const torch::Tensor best = found.probabilities.argmax(1);
  for (std::size_t i = 0; i < given.pictures.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const auto place = static_cast<std::size_t>(best[row].item<std::int64_t>());
    pictures.push_back({{"image", given.pictures[i].string()}, {"best", o.texts[place]}});
    if (o.json) continue;
    print_line(given.pictures[i].string() + ": " + o.texts[place]);
    for (std::size_t text = 0; text < o.texts.size(); ++text) {
      const auto column = static_cast<std::int64_t>(text);
      print_line("  " + likeness_figure(found.probabilities[row][column].item<double>()) + "  " +
                 likeness_figure(found.logits[column][row].item<double>()) + "  " + o.texts[text]);
    }
  }
  if (!o.json) return;
  print_json({{"pictures", std::move(pictures)},
              {"texts", given.texts},
              {"logits_per_text", lines_of_table(found.logits)},
              {"probabilities", lines_of_table(found.probabilities)},
              {"probabilities_are", found.pairwise ? "of each pair" : "shares of the texts"}});
}

void tell_recall(const SimilarityOptions& o, const PicturesAndTexts& given,
                 const Likenesses& found) {
  const Recalls recalls = recalls_of(given, found, o.ks);
  Json document{{"pictures", given.pictures.size()}, {"texts", given.texts.size()}};
  if (!o.json)
    print_line(grouped(static_cast<std::int64_t>(given.pictures.size())) + " pictures, " +
               grouped(static_cast<std::int64_t>(given.texts.size())) + " texts");
  const auto tell = [&](const char* key, const char* way, const Recall& recall) {
    Json at = Json::object();
    std::string line = std::string(way) + ":";
    for (std::size_t i = 0; i < o.ks.size(); ++i) {
      at[std::to_string(o.ks[i])] = recall.at[i];
      line += "  recall@" + std::to_string(o.ks[i]) + " " + likeness_figure(recall.at[i]);
    }
    document[key] = {{"recall", std::move(at)}, {"median_rank", recall.median_rank}};
    if (!o.json) print_line(line + "  median rank " + likeness_figure(recall.median_rank));
  };
  tell("text_to_image", "texts find their picture", recalls.text_to_image);
  tell("image_to_text", "pictures find a text of theirs", recalls.image_to_text);
  if (o.json) print_json(document);
}

Status similarity(const SimilarityOptions& o) {
  const bool by_rows = !o.rows.empty();
  if (by_rows == (!o.images.empty() || !o.texts.empty()) ||
      (!by_rows && (o.images.empty() || o.texts.empty())))
    return input_error("Pictures and texts are given, or rows that hold both.", "similarity",
                       "Give --images and --texts, or --rows.");
  PicturesAndTexts given;
  if (by_rows) {
    LUTHIER_TRY(given, pictures_and_texts({o.rows.begin(), o.rows.end()}, o.image_folder));
  } else {
    LUTHIER_TRY(given.texts, texts_as_written(o));
    for (const std::string& image : o.images)
      given.pictures.push_back(o.image_folder.empty()
                                   ? std::filesystem::path(image)
                                   : std::filesystem::path(o.image_folder) / image);
  }
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel loaded, load_model(o.model, load));
  auto processor = loaded.processor;
  std::shared_ptr<Adapter> adapter;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(adapter, load_adapter(loaded, o.adapter));
    LUTHIER_TRY(processor, processor_for(loaded, pixels_for(o.adapter, adapter->pixels, o.pixels)));
    adapter->activate();
  }
  LUTHIER_TRY(const Likenesses found, likenesses(loaded, *processor, given, o.batch, [](double) {
                return !interrupted().stop_requested();
              }));
  by_rows ? tell_recall(o, given, found) : tell_matrix(o, given, found);
  return {};
}

}  // namespace

Action add_similarity(CLI::App& app);  // of the table in main.cpp

Action add_similarity(CLI::App& app) {
  const auto o = std::make_shared<SimilarityOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder of a model of two towers")->required();
  app.add_option("--images", o->images, "Pictures");
  app.add_option("--texts", o->texts, "Texts: of each picture the likeliest is told");
  app.add_option("--pattern", o->pattern, "What each text stands in, at its {}")
      ->capture_default_str();
  app.add_option("--rows", o->rows,
                 "Rows of a picture and its text: how often each finds the other is told")
      ->allow_extra_args(false);
  app.add_option("--k", o->ks, "Among how many found ones a right one counts (with --rows)")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths start (else here, or beside the rows' file)");
  app.add_option("--adapter", o->adapter, "A PEFT folder");
  app.add_option("--batch", o->batch, "Pictures or texts that go through a tower at once")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  add_pixel_options(app, o->pixels);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document");
  return [o]() -> Status { return similarity(*o); };
}

}  // namespace luthier::cli
