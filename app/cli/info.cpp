// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/models/model_summary.h"

namespace luthier::cli {

Action add_info(CLI::App& app) {
  struct InfoOptions {
    std::string model;
    bool json = false;
  };
  const auto o = std::make_shared<InfoOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o]() -> Status {
    LUTHIER_TRY(const ModelSummary summary, summarize_model(o->model));
    if (o->json) {
      print_json(to_json(summary));
      return {};
    }
    print_line(summary.folder.string() + ": " + summary.model_type + ", " +
               grouped(summary.parameters) + " parameters, " + summary.dtype + ", " +
               size_text(summary.file_bytes) + " in " + std::to_string(summary.files.size()) +
               " file(s)");
    for (const auto& [part, parameters] : summary.parts)
      print_line("  " + part + ": " + grouped(parameters));
    for (const ModuleSummary& module : summary.modules) {
      std::string shape;
      for (const auto size : module.shape)
        shape += (shape.empty() ? "" : " x ") + std::to_string(size);
      print_line("  " + module.name + "  " + module.type + "  [" + shape + "]  " + module.dtype +
                 "  " + grouped(module.parameters));
    }
    return {};
  };
}

}  // namespace luthier::cli
