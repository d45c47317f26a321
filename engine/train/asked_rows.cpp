// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/asked_rows.h"

#include <algorithm>

#include "engine/data/media_limits.h"
#include "engine/io/probe.h"
#include "engine/methods/adapter_notes.h"

namespace luthier {

namespace {

AskedAbout about_of(const RunParts& run) {
  return asked_about(run.recipe, run.base, run.reader, run.rows.rows, run.eval_reader,
                     run.eval_rows.rows);
}

Status ask_about(RunParts& run, const RowReader& reader, const UsableRows& usable, bool evaluation,
                 const std::function<bool()>& stopping) {
  const auto batch = static_cast<std::size_t>(run.recipe.training.per_device_train_batch_size);
  const std::vector<std::int64_t>& rows = usable.rows;
  for (std::size_t begin = 0; begin < rows.size(); begin += batch) {
    if (stopping()) return interrupted_error();
    run.observer.on_progress("Asking the reference", static_cast<double>(begin),
                             static_cast<double>(rows.size()));
    MicroBatch micro;
    for (std::size_t at = begin; at < std::min(rows.size(), begin + batch); ++at) {
      RowFault fault = RowFault::BadRow;
      auto encoded = reader.read(rows[at], 0, &fault);
      if (!encoded && is_picture_fault(fault) && reader.skip_broken) continue;
      if (!encoded) return encoded.error();
      micro.rows.push_back(rows[at]);
      micro.encoded.push_back(encoded.take());
      micro.cached.emplace_back();
    }
    if (!micro.empty())
      LUTHIER_CHECK(run.objective->ask_beforehand(run.runner->policy(), micro, evaluation));
  }
  return {};
}

}  // namespace

AskedAbout asked_about(const Recipe& recipe, const LoadedModel& base, const RowReader& reader,
                       const std::vector<std::int64_t>& rows, const RowReader& eval,
                       const std::vector<std::int64_t>& eval_rows) {
  AskedAbout about;
  about.model = base.folder;
  about.rows = reader.dataset->fingerprint();
  if (eval.dataset) about.eval_rows = eval.dataset->fingerprint();
  // A row whose picture is broken is left out when it is asked about, too.
  if (!reader.skip_broken) about.usable = rows, about.eval_usable = eval_rows;
  const MediaLimits limits = media_limits(recipe);
  about.encoding = "max_length " + std::to_string(recipe.training.max_length) + ", loss_on " +
                   recipe.training.loss_on +
                   (limits.any() ? ", " + pixels_text(limits) : std::string());
  about.vocabulary = base.model->output_head()->out_features();
  return about;
}

Status read_asked(RunParts& run) {
  std::filesystem::path file = run.objective->asked_file();
  const char* own = run.objective->file_of_asked();
  if (file.empty() && own && run.resumes() && is_there(run.begun->folder.path() / own))
    file = run.begun->folder.path() / own;
  return file.empty() ? Status() : run.objective->read_asked(file, about_of(run));
}

Status ask_about_rows(RunParts& run, const std::function<bool()>& stopping) {
  if (!run.objective->asks_reference_beforehand()) return {};
  LUTHIER_CHECK(ask_about(run, run.reader, run.rows, /*evaluation=*/false, stopping));
  if (run.eval_reader.dataset)
    LUTHIER_CHECK(ask_about(run, run.eval_reader, run.eval_rows, /*evaluation=*/true, stopping));
  run.runner->policy().let_go_of_reference();
  return {};
}

Status keep_asked(RunParts& run) {
  const char* own = run.objective->file_of_asked();
  if (!own || !run.objective->asks_reference_beforehand()) return {};
  return run.objective->keep_asked(run.begun->folder.path() / own, about_of(run));
}

}  // namespace luthier
