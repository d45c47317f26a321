// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <memory>

#include "app/cli/data.h"
#include "app/cli/pixels.h"
#include "engine/batches/inspected_row.h"
#include "engine/config/kinds.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/row_kind.h"
#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/models/loaded_model.h"
#include "engine/train/token_losses.h"

namespace luthier::cli {

namespace {

struct ShowVerbOptions {
  std::string dataset, model, image_folder, objective, loss_on = "completion", frames;
  std::size_t row = 1;
  std::int64_t max_length = 2048;
  MediaLimits pixels;
  bool losses = false, json = false;
};

/// Each frame as a picture file: picture-1-frame-1.png.
Status write_frames(const InspectedRow& row, const std::string& folder) {
  LUTHIER_CHECK(make_output_folder(folder));
  for (std::size_t i = 0; i < row.pictures.size(); ++i) {
    for (std::size_t at = 0; at < row.pictures[i].frames.size(); ++at) {
      const ShownFrame& frame = row.pictures[i].frames[at];
      LUTHIER_TRY(const std::vector<std::uint8_t> png,
                  encode_png({frame.width, frame.height, frame.rgb}));
      const std::string name =
          "picture-" + std::to_string(i + 1) + "-frame-" + std::to_string(at + 1) + ".png";
      LUTHIER_CHECK(write_file_atomically(std::filesystem::path(folder) / name,
                                          {reinterpret_cast<const char*>(png.data()), png.size()}));
    }
  }
  return {};
}

/// One line a token: its number, what becomes of it, its positions, its piece and its loss.
void print_row(const InspectedRow& row, const std::optional<TokenLosses>& losses) {
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    std::string line = std::to_string(i) + "\t" + std::to_string(row.ids[i]) + "\t";
    line += row.picture[i] >= 0 ? "picture " + std::to_string(row.picture[i] + 1)
            : row.trained[i]    ? "learned"
                                : "masked";
    line += "\t";
    for (std::size_t axis = 0; axis < row.positions.size(); ++axis)
      line += (axis ? "," : "") + std::to_string(row.positions[axis].at(i));
    line += "\t" + row.pieces[i];
    if (losses && i < losses->losses.size() && losses->losses[i] == losses->losses[i])
      line += "\t" + std::to_string(losses->losses[i]);
    print_line(line);
  }
  for (std::size_t i = 0; i < row.pictures.size(); ++i) {
    const InspectedPicture& picture = row.pictures[i];
    std::string line = "picture " + std::to_string(i + 1) + ": " + picture.name + ", " +
                       std::to_string(picture.tokens()) + " tokens, " +
                       std::to_string(picture.frames.size()) + " frames";
    if (!picture.not_shown.empty()) line += ". " + picture.not_shown;
    print_line(line);
  }
  if (!row.cut_off.empty()) print_line(std::to_string(row.cut_off.size()) + " tokens are cut off.");
}

/// The first objective that learns from rows of the kind that this one says it is by itself, as
/// `data check` tells rows apart; rows that no kind recognises are questions with answers.
Result<std::string> guessed_objective(const Dataset& dataset, std::size_t row) {
  LUTHIER_TRY(const Json written, dataset.row(row));
  for (const RowKind* kind : row_kinds()) {
    if (!written.is_object() || !kind->recognises(written)) continue;
    for (const ObjectiveKind& objective : objective_kinds())
      if (kind->name() == std::string(objective.row_kind)) return std::string(objective.name);
    return input_error("The row is of the kind " + std::string(kind->name()) +
                           ", which goes by its objective's settings.",
                       "--objective", "Name the objective that it is for.");
  }
  return std::string("sft");
}

Status show(const ShowVerbOptions& o) {
  if (o.row < 1) return input_error("Rows count from 1.", "ROW");
  Recipe recipe;
  recipe.model = o.model;
  recipe.dataset = {o.dataset};
  recipe.image_folder = o.image_folder;
  recipe.training.loss_on = o.loss_on;
  recipe.training.max_length = o.max_length;
  LUTHIER_TRY(const auto processor, load_processor(o.model, o.pixels));
  LUTHIER_TRY(const auto dataset, Dataset::open({o.dataset}, o.image_folder));
  recipe.objective = o.objective;
  if (o.objective.empty()) {
    LUTHIER_TRY(recipe.objective, guessed_objective(*dataset, o.row - 1));
    if (recipe.objective != "sft")
      std::fprintf(stderr, "The row is shown as %s reads it; --objective names another.\n",
                   recipe.objective.c_str());
  }
  LUTHIER_TRY(const InspectedRow row, inspect_row(recipe, *dataset, *processor, o.row - 1));
  if (!o.frames.empty()) LUTHIER_CHECK(write_frames(row, o.frames));
  std::optional<TokenLosses> losses;
  if (o.losses) {
    LoadOptions options;
    options.pixels = o.pixels;
    options.go_on = [](double) { return !interrupted().stop_requested(); };
    LUTHIER_TRY(const LoadedModel base, load_model(o.model, options));
    LUTHIER_TRY(losses, token_losses(base, recipe, *dataset, o.row - 1));
  }
  std::vector<LabelledBox> boxes;
  if (const auto read = read_row(*dataset, o.row - 1, row_kind_of(recipe))) boxes = boxes_of(*read);
  if (!o.json) {
    print_row(row, losses);
    for (const LabelledBox& box : boxes)
      print_line("box: " + box.label + ", " + Json(box.corners).dump());
    return {};
  }
  Json document = to_json(row);
  for (std::size_t i = 0; losses && i < row.ids.size() && i < losses->losses.size(); ++i) {
    const float loss = losses->losses[i];
    if (loss == loss) document["tokens"][i]["loss"] = loss;  // NaN: it carries none
  }
  for (const LabelledBox& box : boxes)
    document["boxes"].push_back({{"label", box.label}, {"box", box.corners}});
  print_json(document);
  return {};
}

}  // namespace

Action add_data_show(CLI::App& app) {
  const auto o = std::make_shared<ShowVerbOptions>();
  app.add_option("DATASET", o->dataset, "A JSONL or JSON file")->required();
  app.add_option("ROW", o->row, "Which row, from 1")->required();
  app.add_option("--model", o->model, "The checkpoint whose tokenizer and processor count")
      ->required();
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths start (else beside the dataset's file)");
  app.add_option("--max-length", o->max_length, "Tokens a row may have; 0: no limit")
      ->check(CLI::Range(0, 16'777'216))
      ->capture_default_str();
  std::vector<std::string> objectives;
  for (const ObjectiveKind& kind : objective_kinds()) objectives.emplace_back(kind.name);
  app.add_option("--objective", o->objective,
                 "The objective that the row is for (else guessed by what the row holds)")
      ->check(CLI::IsMember(objectives));
  app.add_option("--loss-on", o->loss_on, "completion, assistant or all")
      ->check(CLI::IsMember({"completion", "assistant", "all"}))
      ->capture_default_str();
  app.add_option("--frames", o->frames,
                 "A folder for the pictures as the model's tower sees them, as PNG files");
  app.add_flag("--losses", o->losses, "Also what each token costs by the model, which is loaded");
  add_pixel_options(app, o->pixels);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return show(*o); };
}

}  // namespace luthier::cli
