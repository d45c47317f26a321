// SPDX-License-Identifier: GPL-3.0-or-later
#include <filesystem>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/hub/found.h"
#include "engine/hub/places.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

namespace {

Status list(const std::vector<std::string>& folders, bool json) {
  for (const std::string& folder : folders) {
    std::error_code problem;
    if (!std::filesystem::is_directory(folder, problem))
      return input_error("There is no such folder.", folder, "Name a folder, or leave it out.");
  }
  const auto models = find_models(hub_settings().cache, {folders.begin(), folders.end()},
                                  loadable_types(), [] { return !interrupted().stop_requested(); });
  if (interrupted().stop_requested()) return interrupted_error();
  Json documents = Json::array();
  for (const FoundModel& model : models) {
    const std::string name =
        model.repository.empty() ? model.folder.filename().string() : model.repository;
    const auto or_null = [](const std::string& text) {
      return text.empty() ? Json(nullptr) : Json(text);
    };
    documents.push_back({{"name", name},
                         {"folder", model.folder.string()},
                         {"repository", or_null(model.repository)},
                         {"revision", or_null(model.revision)},
                         {"model_type", or_null(model.model_type)},
                         {"bytes", model.bytes},
                         {"dtype", or_null(model.dtype)},
                         {"loadable", model.loadable},
                         {"why_not", or_null(model.why_not)},
                         {"unfinished", model.unfinished}});
    if (json) continue;
    print_line(name + (model.revision.empty() ? "" : " (" + model.revision + ")") + "  " +
               (model.model_type.empty() ? "?" : model.model_type) + "  " + size_text(model.bytes) +
               "  " + model.dtype);
    print_line("  " + (model.loadable ? model.folder.string() : "not loadable: " + model.why_not));
  }
  if (json)
    print_json({{"models", documents}});
  else if (models.empty())
    print_line("There is no model in " + hub_settings().cache.string() +
               (folders.empty() ? "." : ", nor in what was named."));
  return {};
}

}  // namespace

Action add_models(CLI::App& app) {
  struct ModelsOptions {
    std::vector<std::string> folders;
    bool json = false;
  };
  const auto o = std::make_shared<ModelsOptions>();
  app.add_option("FOLDER", o->folders,
                 "Checkpoints, or folders that hold checkpoints, beside the Hugging Face cache");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return list(o->folders, o->json); };
}

}  // namespace luthier::cli
