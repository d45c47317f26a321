// SPDX-License-Identifier: GPL-3.0-or-later
// Where columns looked when they came to one token of a row's answer: every layer's and head's
// weights as tensors, and what of them fell on the picture's parts.
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/tensor_output.h"
#include "app/cli/verbs.h"
#include "engine/compare/attention_weights.h"
#include "engine/compare/base_columns.h"
#include "engine/compare/compare.h"
#include "engine/compare/result_folder.h"
#include "engine/io/output_place.h"
#include "engine/methods/adapter_notes.h"

namespace luthier::cli {

namespace {

struct AttentionOptions {
  std::string model, samples, image_folder, out, device = "auto", dtype = "auto";
  std::vector<std::string> adapters;
  std::size_t row = 1, token = 0;
  MediaLimits pixels;
};

Result<std::vector<ComparisonColumn>> columns_of(const AttentionOptions& o) {
  std::vector<ComparisonColumn> columns(1);
  columns.front().name = kBaseColumn;
  columns.front().image = o.pixels;
  for (const std::string& text : o.adapters) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
      return input_error("\"" + text + "\" is not NAME=DIR.", "--adapter",
                         "Write --adapter korean=runs/korean.");
    LUTHIER_TRY(const ResultFolder found, find_result(text.substr(equals + 1)));
    ComparisonColumn column;
    column.name = text.substr(0, equals);
    column.adapter = found.folder.string();
    column.whole = found.whole;
    column.image = o.pixels;
    if (!found.whole) {
      LUTHIER_TRY(const MediaLimits own, adapter_pixels(found.folder));
      column.image = chosen_pixels(o.pixels, own);
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

Json grid_json(const PictureGrid& grid) {
  return {{"picture", grid.picture},
          {"rows", grid.rows},
          {"columns", grid.columns},
          {"part", {grid.left, grid.top, grid.width, grid.height}},
          {"places", grid.places}};
}

Status attention(const AttentionOptions& o) {
  LUTHIER_TRY(const auto samples, read_samples({o.samples}, o.image_folder));
  if (o.row < 1 || o.row > samples.size())
    return input_error("The file has " + std::to_string(samples.size()) + " rows.", "--row",
                       "Choose one of them, from 1.");
  LUTHIER_TRY(const auto columns, columns_of(o));
  LUTHIER_CHECK(check_output_file(o.out));
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  const auto go_on = [] { return !interrupted().stop_requested(); };
  load.go_on = [&](double) { return go_on(); };
  LUTHIER_TRY(LoadedModel base, load_model(o.model, load));
  TokenAttention found;
  try {
    LUTHIER_TRY(found, find_attention({samples[o.row - 1]}, o.token, column_names(columns),
                                      base_columns(base, columns, go_on), go_on));
  } catch (const std::exception& failure) {
    return answering_failure(failure, base);
  }
  NamedTensors tensors;
  Json grids = Json::array(), shares = Json::object();
  for (const PictureGrid& grid : found.grids) grids.push_back(grid_json(grid));
  for (const ColumnAttention& column : found.columns) {
    tensors.emplace_back(column.name, torch::tensor(column.weights, torch::kFloat32)
                                          .view({column.layers, column.heads, column.keys}));
    Json own = Json::array();
    const std::vector<double> mean = column.mean({}, {});
    for (const PictureGrid& grid : found.grids) {
      double sum = 0;
      for (const double cell : on_grid(grid, mean)) sum += cell;
      own.push_back(sum);
    }
    shares[column.name] = std::move(own);
  }
  LUTHIER_CHECK(write_tensors(o.out, tensors));
  Json json = {{"token", found.token}, {"query", found.query}, {"grids", std::move(grids)}};
  json["on_pictures"] = std::move(shares);  // of the mean over layers and heads
  if (!found.no_grid.empty()) json["no_grid"] = found.no_grid;
  print_json(json);
  return {};
}

}  // namespace

Action add_attention(CLI::App& app) {
  const auto o = std::make_shared<AttentionOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--samples", o->samples, "Rows; a trailing assistant turn is the answer")
      ->required();
  app.add_option("--row", o->row, "Which of them, from 1")->capture_default_str();
  app.add_option("--token", o->token, "Of its answer, from 0")->capture_default_str();
  app.add_option("--adapter", o->adapters, "NAME=DIR: looked at, too (several times)")
      ->allow_extra_args(false);
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of the samples start (else beside their file)");
  app.add_option("--out", o->out,
                 "A safetensors file: of each column [layers, heads, tokens], by its name")
      ->required();
  add_pixel_options(app, o->pixels);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  return [o] { return attention(*o); };
}

}  // namespace luthier::cli
