// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/exporting.h"

#include <unistd.h>

#include <algorithm>

#include "engine/compare/result_folder.h"
#include "engine/gguf/export_gguf.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/io/named_place.h"
#include "engine/io/probe.h"
#include "engine/methods/arithmetic/combine.h"
#include "engine/methods/merge.h"
#include "engine/runs/run_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

/// What is on its way into another form, beside what will be written, where there is room for it;
/// gone with this.
struct FolderBeside {
  FolderBeside(const fs::path& out, const char* what)
      : path(out.parent_path() /
             ("." + out.filename().string() + "." + what + "-" + std::to_string(::getpid()))) {}
  ~FolderBeside() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

bool goes_on(const ExportWatch& watch, const std::string& what, double share) {
  return !watch || watch(what, share);
}

Status check_out(const fs::path& out) {
  std::error_code ignored;
  if (out.empty())
    return input_error("No folder is named to write into.", "--out", "Name a new one.");
  if (fs::exists(out, ignored) && !(fs::is_directory(out, ignored) && fs::is_empty(out, ignored)))
    return input_error("The folder is there already and not empty.", out.string(),
                       "Name a new one.");
  return {};
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code problem;
  for (fs::recursive_directory_iterator each(folder, problem), end; !problem && each != end;
       each.increment(problem)) {
    std::error_code ignored;
    if (each->is_regular_file(ignored)) bytes += each->file_size(ignored);
  }
  return bytes;
}

/// The folder's plain files, one level, as they are. A result's folder has no others that count.
Status copy_result(const fs::path& from, const fs::path& out, const ExportWatch& watch) {
  LUTHIER_TRY(FolderWriter folder, FolderWriter::begin(out));
  const std::vector<std::string> names = names_in(from);
  double done = 0;
  for (const std::string& name : names) {
    if (!goes_on(watch, "Copying files", done++ / static_cast<double>(names.size())))
      return interrupted_error();
    // A manifest of its own is written for the copy.
    if (name == "manifest.json" || name.starts_with('.')) continue;
    LUTHIER_TRY(const fs::path file, resolve_inside(from, name));
    std::error_code problem;
    if (!fs::is_regular_file(file, problem)) continue;
    fs::copy_file(file, folder.path() / name, problem);
    if (problem)
      return machine_error("This file cannot be copied: " + problem.message() + ".", file.string());
  }
  return folder.commit();
}

Result<MergeReport> merge_to(const ResultFolder& result, const ExportRequest& request,
                             const fs::path& out, const ExportWatch& watch) {
  fs::path base = request.base;
  if (base.empty()) {
    LUTHIER_TRY(base, base_of_adapter(result.folder));
  }
  MergeOptions options;  // pictures under the adapter's own limits
  options.go_on = [&](double share) { return goes_on(watch, "Merging the adapter", share); };
  return merge_adapter(base, result.folder, out, options);
}

Status to_gguf(const ExportRequest& request, const ExportWatch& watch, ExportOutcome& outcome) {
  LUTHIER_TRY(const ResultFolder result, find_result(request.result));
  LUTHIER_CHECK(check_gguf_type(request.type));
  fs::path model = result.folder;
  const FolderBeside merged(request.out, "merged");
  if (!result.whole) {
    fs::path base = request.base;
    if (base.empty()) {
      LUTHIER_TRY(base, base_of_adapter(result.folder));
    }
    LUTHIER_CHECK(check_gguf(base));  // before a merge that takes long
    ExportRequest on_base = request;
    on_base.base = base;
    LUTHIER_TRY(const MergeReport report, merge_to(result, on_base, merged.path, watch));
    outcome.sentence = report.sentence();
    model = merged.path;
  }
  GgufOptions options;
  options.type = request.type;
  options.system = request.system;
  options.name = request.name.empty() ? result_name(request.result) : request.name;
  options.go_on = [&](double share) { return goes_on(watch, "Writing GGUF", share); };
  LUTHIER_TRY(const GgufReport report, export_gguf(model, request.out, options));
  outcome.files = report.files;
  outcome.notes = report.notes;
  return {};
}

Status to_adapter(const ExportRequest& request, const ExportWatch& watch, ExportOutcome&) {
  LUTHIER_TRY(const ResultFolder result, find_result(request.result));
  if (result.whole)
    return input_error("This is a whole checkpoint: there is no adapter in it.",
                       result.folder.string(), "Export it as a checkpoint.");
  return copy_result(result.folder, request.out, watch);
}

Status to_checkpoint(const ExportRequest& request, const ExportWatch& watch,
                     ExportOutcome& outcome) {
  LUTHIER_TRY(const ResultFolder result, find_result(request.result));
  if (result.whole) return copy_result(result.folder, request.out, watch);
  LUTHIER_TRY(const MergeReport report, merge_to(result, request, request.out, watch));
  outcome.sentence = report.sentence();
  return {};
}

Status to_trl(const ExportRequest& request, const ExportWatch& watch, ExportOutcome& outcome) {
  HandOverRequest asked;
  LUTHIER_TRY(asked.recipe, recipe_to_hand_over(request.result, request.set));
  asked.out = request.out;
  asked.cluster = request.cluster;
  asked.go_on = watch;
  LUTHIER_TRY(HandedOver handed, hand_over(asked));
  outcome.files = std::move(handed.files);
  outcome.notes = std::move(handed.notes);
  return {};
}

struct Exporter {
  ExportKind kind;
  Status (*write)(const ExportRequest& request, const ExportWatch& watch, ExportOutcome& outcome);
};

constexpr Exporter kExporters[] = {{ExportKind::Gguf, to_gguf},
                                   {ExportKind::Checkpoint, to_checkpoint},
                                   {ExportKind::Adapter, to_adapter},
                                   {ExportKind::Trl, to_trl}};

/// Several adapters as one, and that one as it is asked for.
Result<ExportOutcome> export_combined(ExportRequest request, const ExportWatch& watch) {
  std::vector<fs::path> folders;
  for (const fs::path& named : request.adapters) {
    LUTHIER_TRY(const ResultFolder found, find_result(named));
    if (found.whole)
      return input_error("This is a whole checkpoint, and adapters are combined here.",
                         found.folder.string(),
                         "Whole checkpoints are merged by `luthier-cli merge-models`.");
    folders.push_back(found.folder);
  }
  if (request.base.empty()) {
    LUTHIER_TRY(request.base, base_of_adapter(folders.front()));
  }
  if (!goes_on(watch, "Combining the adapters", 0)) return interrupted_error();
  const FolderBeside combined(request.out, "combined");
  LUTHIER_TRY(const CombineReport report, combine_adapters(folders, request.how, combined.path));
  request.adapters.clear();
  request.result = combined.path;
  LUTHIER_TRY(ExportOutcome outcome, export_result(request, watch));
  outcome.notes.insert(outcome.notes.begin(), report.notes.begin(), report.notes.end());
  return outcome;
}

}  // namespace

Json to_json(const ExportOutcome& outcome) {
  Json document = Json::object();
  document["out"] = outcome.folder.string();
  document["files"] = outcome.files;
  document["bytes"] = outcome.bytes;
  if (!outcome.sentence.empty()) document["merge"] = outcome.sentence;
  document["notes"] = outcome.notes;
  return document;
}

Result<fs::path> base_of_adapter(const fs::path& adapter) {
  // "RUN/adapter", "RUN/checkpoints/step-20/adapter".
  fs::path above = adapter.parent_path();
  for (int level = 0; level < 3 && !above.empty(); ++level, above = above.parent_path()) {
    const auto run = summarize_run(above);
    if (run && !run->manifest.model.empty() && check_model_folder(run->manifest.model))
      return fs::path(run->manifest.model);
  }
  LUTHIER_TRY(const Json config, read_json_file(adapter / "adapter_config.json"));
  LUTHIER_TRY(const std::string name, json_string(config, "base_model_name_or_path",
                                                  (adapter / "adapter_config.json").string(), ""));
  if (!name.empty()) {
    if (check_model_folder(name)) return fs::path(name);
    if (const auto cached = cached_snapshot(name)) return *cached;
  }
  return input_error("The base that this adapter was trained on is not on this machine" +
                         (name.empty() ? std::string() : ": " + name) + ".",
                     adapter.string(), "Name its folder with --base.");
}

Result<ExportOutcome> export_result(const ExportRequest& asked, const ExportWatch& go_on) {
  ExportRequest request = asked;
  // "out/": what is made on the way lies beside the folder, not in it.
  request.out = named_place(asked.out);
  LUTHIER_CHECK(check_out(request.out));
  if (!request.adapters.empty()) return export_combined(request, go_on);
  if (!goes_on(go_on, "Looking at the result", 0)) return interrupted_error();
  ExportOutcome outcome;
  outcome.folder = request.out;
  const auto* exporter =
      std::find_if(std::begin(kExporters), std::end(kExporters),
                   [&](const Exporter& each) { return each.kind == request.kind; });
  LUTHIER_CHECK(exporter->write(request, go_on, outcome));
  outcome.bytes = bytes_in(request.out);
  return outcome;
}

}  // namespace luthier
