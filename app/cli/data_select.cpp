// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of a dataset that tell a model most, as a file to train on.
#include <cstdio>
#include <memory>

#include "app/cli/data.h"
#include "app/cli/pixels.h"
#include "app/cli/quantization.h"
#include "engine/compare/result_folder.h"
#include "engine/data/row_kind.h"
#include "engine/data/row_writing.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/session/run_observer.h"
#include "engine/train/example_selection.h"
#include "engine/train/row_check.h"

namespace luthier::cli {

namespace {

struct SelectOptions {
  std::string rows, model, adapter, out, image_folder, loss_on = "completion", device = "auto",
                                                       dtype = "auto";
  std::int64_t max_length = 2048;
  SelectionOptions selection;
  MediaLimits pixels;
  QuantizationOptions packing;
  Json quantization;
  bool json = false;
};

bool selects_on() { return !interrupted().stop_requested(); }

/// Those to choose among; what is broken is said before any work.
Result<std::vector<std::int64_t>> rows_to_choose_from(const RowReader& reader) {
  LUTHIER_TRY(const UsableRows usable,
              luthier::check_rows(reader, "refuse", "ROWS",
                                  [](std::size_t, std::size_t) { return selects_on(); }));
  if (usable.rows.empty()) return input_error("There is no usable row.", "ROWS");
  return usable.rows;
}

Status select(SelectOptions& o) {
  LUTHIER_CHECK(check_new_file(o.out));
  RowReader reader;
  LUTHIER_TRY(reader.dataset, Dataset::open({o.rows}, o.image_folder));
  reader.kind = &answer_rows();
  reader.loss_on = loss_on_from_name(o.loss_on);
  reader.max_length = o.max_length;
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.quantization = o.quantization;
  load.go_on = [](double) { return selects_on(); };
  LUTHIER_TRY(LoadedModel model, load_model(o.model, load));
  reader.processor = model.processor;
  std::shared_ptr<Adapter> adapter;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(const ResultFolder found, find_result(o.adapter));
    if (found.whole)
      return input_error("This is a whole checkpoint.", found.folder.string(),
                         "Give it as --model, without --adapter.");
    LUTHIER_TRY(adapter, load_adapter(model, found.folder));
    adapter->set_training(false, 0);
    LUTHIER_TRY(reader.processor,
                processor_for(model, pixels_for(o.adapter, adapter->pixels, o.pixels)));
    adapter->activate();
  }
  LUTHIER_TRY(const auto rows, rows_to_choose_from(reader));
  o.selection.scratch = o.out + ".states.partial";
  o.selection.progress = [](const char*, std::size_t, std::size_t) { return selects_on(); };
  LUTHIER_TRY(const ChosenExamples chosen, select_rows(model, reader, rows, o.selection));
  const auto folder = std::filesystem::path(o.out).parent_path();
  std::vector<Json> written;
  Json list = Json::array();
  double information = 0;
  for (const ChosenExample& each : chosen.chosen) {
    const auto row = static_cast<std::size_t>(rows[each.example]);
    LUTHIER_TRY(Json json, reader.dataset->row(row));
    written.push_back(moved_row(std::move(json), reader.dataset->folder_of(row), folder));
    list.push_back({{"row", row + 1}, {"gain", each.gain}});
    information += each.gain;
  }
  LUTHIER_CHECK(write_rows(written, o.out));
  if (o.json) {
    print_json({{"out", o.out},
                {"rows", rows.size()},
                {"chosen", std::move(list)},
                {"information", information},
                {"gains_computed", chosen.looked_at}});
    return {};
  }
  char text[160];
  std::snprintf(text, sizeof text,
                "chosen: %zu of %zu rows, %.4g nats of log det; %zu gains computed", written.size(),
                rows.size(), information, chosen.looked_at);
  print_line(text);
  print_line(o.out);
  return {};
}

}  // namespace

Action add_data_select(CLI::App& app) {
  const auto o = std::make_shared<SelectOptions>();
  app.add_option("ROWS", o->rows, "A JSONL or JSON file of rows with answers")->required();
  app.add_option("--model", o->model, "The checkpoint folder that is to be tuned")->required();
  app.add_option("--adapter", o->adapter, "An adapter over it, or the run that left it");
  app.add_option("--rows", o->selection.rows, "How many rows to choose")
      ->required()
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--out", o->out, "The file to write (JSONL), which is not there yet")->required();
  app.add_flag("--per-token", o->selection.per_token,
               "By what a labelled token tells, where rows are of unlike lengths: else long ones "
               "are chosen before short ones");
  app.add_option("--prior", o->selection.prior,
                 "What is known before: larger ones choose long rows sooner, smaller ones new ones")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  app.add_option("--loss-on", o->loss_on, "completion, assistant or all: which tokens are learned")
      ->check(CLI::IsMember({"completion", "assistant", "all"}))
      ->capture_default_str();
  app.add_option("--max-length", o->max_length, "Tokens a row may have; 0: no limit")
      ->check(CLI::Range(0, 16'777'216))
      ->capture_default_str();
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of the rows start (else beside their file)");
  add_pixel_options(app, o->pixels);
  add_quantization_options(app, o->packing, /*switched=*/true);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o, &app]() -> Status {
    LUTHIER_TRY(o->quantization, quantization_settings(app, o->packing));
    return select(*o);
  };
}

}  // namespace luthier::cli
