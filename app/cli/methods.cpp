// SPDX-License-Identifier: GPL-3.0-or-later
// `methods`: what each method would train of a model, and what stands in memory for it. Sizes are
// in powers of ten, as papers and textbooks count them.
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/forecast/method_table.h"

namespace luthier::cli {

namespace {

std::string decimal_text(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < std::size(kUnits); ++unit) size /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return text;
}

std::string cells(const std::string& first, const std::vector<std::string>& rest) {
  char cell[64];
  std::snprintf(cell, sizeof cell, "%-16s", first.c_str());
  std::string line = cell;
  for (const std::string& each : rest) {
    std::snprintf(cell, sizeof cell, "%11s", each.c_str());
    line += cell;
  }
  return line;
}

void show(const MethodTable& table) {
  print_line(grouped(table.parameters) + " parameters, " + table.dtype + ", " + table.optimizer +
             "; sizes in powers of ten, activations left out");
  print_line(cells("method", {"trained", "share", "weights", "adapter", "gradients", "moments",
                              "masters", "sum", "file"}));
  for (const MethodRow& row : table.rows) {
    if (row.refused) {
      print_line(cells(row.method, {}) + "  " + row.refused->sentence());
      continue;
    }
    char trained[32], share[32];
    const auto count = static_cast<double>(row.trained);
    std::snprintf(trained, sizeof trained, "%.1f M", count / 1e6);
    std::snprintf(share, sizeof share, "%.2f %%",
                  100 * count / static_cast<double>(table.parameters));
    print_line(cells(row.method, {trained, share, decimal_text(row.weights),
                                  decimal_text(row.adapter), decimal_text(row.gradients),
                                  decimal_text(row.moments), decimal_text(row.masters),
                                  decimal_text(row.total()), decimal_text(row.file)}));
  }
}

}  // namespace

Action add_methods(CLI::App& app) {
  struct MethodsOptions {
    std::string model, dtype = "bfloat16";
    std::vector<std::string> set;
    bool json = false;
  };
  const auto o = std::make_shared<MethodsOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder; its config.json is enough")->required();
  app.add_option("--set", o->set,
                 "KEY=VALUE: a setting for the methods that have it (several times)")
      ->allow_extra_args(false);
  app.add_option("--dtype", o->dtype, "bfloat16 or float32")
      ->check(CLI::IsMember({"bfloat16", "float32"}));
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o]() -> Status {
    LUTHIER_TRY(const ModelSummary model, summarize_model(o->model));
    LUTHIER_TRY(const MethodTable table, method_table(model, o->set, o->dtype));
    if (o->json)
      print_json(to_json(table));
    else
      show(table);
    return {};
  };
}

}  // namespace luthier::cli
