// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that nobody answered, answered by a model: those that it is sure of become rows to train on.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/cli/data.h"
#include "app/cli/pixels.h"
#include "app/cli/quantization.h"
#include "engine/compare/pseudo_labels.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/scores.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/row_writing.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

struct LabelOptions {
  std::string rows, model, adapter, out, image_folder, device = "auto", dtype = "auto";
  PseudoLabelOptions labels;
  MediaLimits pixels;
  QuantizationOptions packing;
  Json quantization;
  bool json = false;
};

/// How many of some labels are the answers that their rows had.
struct Agreement {
  std::size_t of = 0, right = 0;
  void add(const Sample& sample, const PseudoLabel& label) {
    const auto expected = sample.expected();
    if (!expected) return;
    ++of;
    right += score_answer(label.answer, *expected).at("exact") == 1 ? 1 : 0;
  }
  std::string text() const {
    return of == 0 ? std::string()
                   : ", " + std::to_string(right) + " of " + std::to_string(of) +
                         " as the rows' own answers";
  }
};

Status label_rows(const LabelOptions& o) {
  LUTHIER_CHECK(check_new_file(o.out));
  LUTHIER_TRY(auto samples, read_samples({o.rows}, o.image_folder));
  LUTHIER_CHECK(check_pictures(samples));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.quantization = o.quantization;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel model, load_model(o.model, load));
  ResidentColumn column{nullptr, model.processor};
  if (!o.adapter.empty()) {
    LUTHIER_TRY(const ResultFolder found, find_result(o.adapter));
    if (found.whole)
      return input_error("This is a whole checkpoint.", found.folder.string(),
                         "Give it as --model, without --adapter.");
    LUTHIER_TRY(column.adapter, load_adapter(model, found.folder));
    column.adapter->set_training(false, 0);
    LUTHIER_TRY(column.processor,
                processor_for(model, pixels_for(o.adapter, column.adapter->pixels, o.pixels)));
  }
  for (Sample& sample : samples) {  // what is written of them is in the model's own words
    if (!holds_boxes(sample.conversation)) continue;
    LUTHIER_TRY(sample.conversation,
                written_boxes(sample.conversation, box_writer(*column.processor), sample.where));
  }
  LUTHIER_TRY(const auto labels,
              pseudo_labels(model, column, samples, o.labels, [](std::size_t, std::size_t) {
                return !interrupted().stop_requested();
              }));
  const Json made_by{{"model", o.model},
                     {"adapter", o.adapter.empty() ? Json(nullptr) : Json(o.adapter)}};
  const auto folder = std::filesystem::path(o.out).parent_path();
  std::vector<Json> rows;
  Agreement all, kept;
  std::size_t cut = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    all.add(samples[i], labels[i]);
    cut += labels[i].ended ? 0 : 1;
    if (!labels[i].kept(o.labels.threshold)) continue;
    kept.add(samples[i], labels[i]);
    rows.push_back(pseudo_row(samples[i], labels[i], o.labels, made_by, folder));
  }
  if (rows.empty())
    return input_error("Of " + std::to_string(labels.size()) +
                           " answers none is as sure as the threshold asks; nothing was written.",
                       o.rows, "Ask for less with --threshold.");
  LUTHIER_CHECK(write_rows(rows, o.out));
  if (o.json) {
    Json document{{"out", o.out}, {"rows", labels.size()}, {"kept", rows.size()}, {"cut", cut}};
    if (all.of > 0) {
      document["right"] = {
          {"all", all.right}, {"kept", kept.right}, {"of", all.of}, {"of_kept", kept.of}};
    }
    print_json(document);
    return {};
  }
  print_line("answered: " + std::to_string(labels.size()) + all.text());
  if (cut > 0) print_line("cut at --max-new-tokens, and left out: " + std::to_string(cut));
  print_line("kept: " + std::to_string(rows.size()) + kept.text());
  print_line(o.out);
  return {};
}

}  // namespace

Action add_data_label(CLI::App& app) {
  const auto o = std::make_shared<LabelOptions>();
  app.add_option("ROWS", o->rows,
                 "Rows without answers (those that have one are asked all the same)")
      ->required();
  app.add_option("--model", o->model, "A checkpoint folder")->required();
  app.add_option("--adapter", o->adapter, "An adapter over it, or the run that left it");
  app.add_option("--out", o->out, "The file to write (JSONL), which is not there yet")->required();
  app.add_option("--threshold", o->labels.threshold, "How sure an answer must be, from 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--samples", o->labels.samples,
                 "Above 1: so many answers are drawn, and their agreement is how sure it is (else "
                 "the mean probability of one answer's tokens)")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--temperature", o->labels.decoding.temperature, "0: greedy; with --samples above")
      ->capture_default_str();
  app.add_option("--top-p", o->labels.decoding.top_p, "Share of the probability that is drawn from")
      ->capture_default_str();
  app.add_option("--seed", o->labels.decoding.seed, "Of the draws")->capture_default_str();
  app.add_option("--max-new-tokens", o->labels.decoding.max_new_tokens,
                 "Tokens an answer has at most; one that is cut is not kept")
      ->capture_default_str();
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of the rows start (else beside their file)");
  add_pixel_options(app, o->pixels);
  add_quantization_options(app, o->packing, /*switched=*/true);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o, &app]() -> Status {
    o->labels.decoding.alternatives = 0;
    LUTHIER_TRY(o->quantization, quantization_settings(app, o->packing));
    return label_rows(*o);
  };
}

}  // namespace luthier::cli
