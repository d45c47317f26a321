// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/hub/folder_kind.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/merge.h"

namespace luthier::cli {

namespace {

struct MergeVerbOptions {
  std::string model, adapter, out;
  MediaLimits pixels;
  bool json = false;
};

/// The result's picture processor keeps the limits that the adapter was trained under, or those
/// asked for.
Status merge(const MergeVerbOptions& o) {
  std::error_code ignored;
  if (std::filesystem::exists(o.out, ignored) && !(std::filesystem::is_directory(o.out, ignored) &&
                                                   std::filesystem::is_empty(o.out, ignored))) {
    return input_error("The folder is there already and not empty.", o.out, "Name a new one.");
  }
  LUTHIER_CHECK(check_adapter_folder(o.adapter));
  LUTHIER_TRY(const MediaLimits own, adapter_pixels(o.adapter));
  MergeOptions options;
  options.pixels = pixels_for(o.adapter, own, o.pixels);
  options.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(const MergeReport report, merge_adapter(o.model, o.adapter, o.out, options));
  if (o.json) {
    Json document = to_json(report);
    document["out"] = o.out;
    print_json(document);
    return {};
  }
  print_line("Merged " + o.adapter + " into " + o.model + ": " + o.out);
  print_line(report.sentence());
  return {};
}

}  // namespace

Action add_merge(CLI::App& app) {
  const auto o = std::make_shared<MergeVerbOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--adapter", o->adapter, "A PEFT folder")->required();
  app.add_option("--out", o->out, "The folder to write")->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  add_pixel_options(app, o->pixels);
  return [o] { return merge(*o); };
}

}  // namespace luthier::cli
