// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/adapters/adapter.h"
#include "engine/adapters/adapter_notes.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"

namespace luthier::cli {

namespace {

/// The weight's own dtype is what a merge rounds to once, so the base is loaded as it is stored.
/// The result's picture processor keeps the limits that the adapter was trained under, or those
/// asked for.
Status merge(const std::string& model, const std::string& adapter_folder, const std::string& out,
             const PixelLimits& asked) {
  std::error_code ignored;
  if (std::filesystem::exists(out, ignored) && !(std::filesystem::is_directory(out, ignored) && std::filesystem::is_empty(out, ignored))) {
    return input_error("The folder is there already and not empty.", out, "Name a new one.");
  }
  LoadOptions options;
  options.device = "cpu";
  options.dtype = "float32";
  options.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_CHECK(check_adapter_folder(adapter_folder));
  LUTHIER_TRY(const PixelLimits own, adapter_pixels(adapter_folder));
  options.pixels = pixels_for(adapter_folder, own, asked);
  LUTHIER_TRY(LoadedModel loaded, load_model(model, options));
  LUTHIER_TRY(const auto adapter, load_adapter(loaded, adapter_folder));
  adapter->merge();
  const torch::ScalarType stored = loaded.stored_dtype == "BF16" ? torch::kBFloat16 : loaded.stored_dtype == "F16" ? torch::kFloat16 : torch::kFloat32;
  std::filesystem::remove(out, ignored);
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LUTHIER_CHECK(save_model(loaded, writer.path(), stored));
  LUTHIER_CHECK(writer.commit());
  print_line("Merged " + adapter_folder + " into " + model + ": " + out);
  return {};
}

}  // namespace

Action add_merge(CLI::App& app) {
  struct Options {
    std::string model, adapter, out;
    PixelLimits pixels;
  };
  const auto o = std::make_shared<Options>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--adapter", o->adapter, "A PEFT folder")->required();
  app.add_option("--out", o->out, "The folder to write")->required();
  add_pixel_options(app, o->pixels);
  return [o] { return merge(o->model, o->adapter, o->out, o->pixels); };
}

}  // namespace luthier::cli
