// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/same_inputs.h"

#include "engine/base/log.h"
#include "engine/methods/method.h"
#include "engine/runs/run_folder.h"

namespace luthier {

std::string dtype_name(const RunParts& run) {
  return run.base.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
}

std::vector<std::string> fingerprints_of(const RowReader& reader, const UsableRows& rows,
                                         const RowFiles& files) {
  std::vector<std::string> fingerprints{reader.dataset->fingerprint()};
  if (std::string named = files.fingerprint(rows.rows); !named.empty())
    fingerprints.push_back(std::move(named));
  return fingerprints;
}

Status look_beside(RunParts& run) {
  LUTHIER_TRY(const Method* method, find_method(run.recipe.strategy));
  const bool adapter = reference_kind(run.base.folder, run.recipe, *run.objective,
                                      method->hangs_adapter()) == ReferenceKind::Adapter;
  LUTHIER_TRY(run.models_beside, fingerprint_models_beside(run.recipe, *run.objective, adapter));
  return run.resumes() ? check_models_beside(read_run_inputs(run.begun->folder.path()).models,
                                             run.models_beside)
                       : Status();
}

Status check_same_rows(const RunParts& run) {
  const RunInputs before = read_run_inputs(run.begun->folder.path());
  RunManifest recorded = *run.begun->recorded, now = recorded;
  now.dtype = dtype_name(run);
  now.dataset_fingerprints = fingerprints_of(run.reader, run.rows, *run.files);
  now.eval_dataset_fingerprints.clear();
  if (run.eval_files)
    now.eval_dataset_fingerprints =
        fingerprints_of(run.eval_reader, run.eval_rows, *run.eval_files);
  // An older run's were made of something else.
  for (auto* prints : {&recorded.dataset_fingerprints, &recorded.eval_dataset_fingerprints})
    if (prints->size() > 1 && !compares_row_files((*prints)[1])) prints->resize(1);
  const auto each = [&](const auto& take) {
    take(run.files, run.rows.rows, before.dataset, "dataset");
    take(run.eval_files, run.eval_rows.rows, before.eval_dataset, "eval_dataset");
  };
  Status same = check_same_inputs(recorded, now);
  if (!same) {
    Error refused = same.error();
    each([&](const auto& files, const auto& rows, const RowMarks& marks, const char* field) {
      if (!files || refused.where != field) return;
      if (const std::string changed = files->changed_since(marks, rows); !changed.empty())
        refused.what += " Another one now: " + changed + ".";
    });
    return refused;
  }
  each([&](const auto& files, const auto& rows, const RowMarks& marks, const char* field) {
    const std::string rewritten = files ? files->rewritten_since(marks, rows) : std::string();
    if (!rewritten.empty())
      log_warning(std::string(field) +
                  ": Files that rows name were written anew since the run was started, and have "
                  "the same length, beginning, middle and end, as a copied folder has: " +
                  rewritten + ". If they were edited, start a new run.");
  });
  return {};
}

}  // namespace luthier
