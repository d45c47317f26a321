// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/asked_rows.h"

#include <algorithm>

#include "engine/base/log.h"
#include "engine/data/media_limits.h"
#include "engine/io/named_place.h"
#include "engine/io/probe.h"
#include "engine/methods/adapter_notes.h"
#include "engine/objectives/asked_in_shares.h"
#include "engine/ranks/shared_place.h"
#include "engine/ranks/shared_work.h"
#include "engine/train/shared_run.h"

namespace luthier {

namespace {

AskedAbout about_of(const RunParts& run) {
  return asked_about(run.recipe, run.base, run.reader, run.rows.rows, run.eval_reader,
                     run.eval_rows.rows);
}

/// One of the datasets, and the micro-batches that its rows are asked about in.
struct AskedRows {
  const RowReader& reader;
  const std::vector<std::int64_t>& rows;
  const std::size_t batch;
  const bool evaluation;

  std::size_t batches() const { return (rows.size() + batch - 1) / batch; }

  Result<MicroBatch> micro_batch(std::size_t which) const {
    MicroBatch micro;
    const std::size_t begin = which * batch, end = std::min(rows.size(), begin + batch);
    for (std::size_t at = begin; at < end; ++at) {
      RowFault fault = RowFault::BadRow;
      auto encoded = reader.read(rows[at], 0, &fault);
      if (!encoded && is_picture_fault(fault) && reader.skip_broken) continue;
      if (!encoded) return encoded.error();
      micro.rows.push_back(rows[at]);
      micro.encoded.push_back(encoded.take());
      micro.cached.emplace_back();
    }
    return micro;
  }
};

void tell_asking(RunParts& run, const AskedRows& asked, std::size_t which) {
  run.observer.on_progress("Asking the reference", static_cast<double>(which * asked.batch),
                           static_cast<double>(asked.rows.size()));
}

/// A micro-batch of each rank at a time, in the order of one process.
Status ask_in_shares(RunParts& run, AskedInShares& objective, const AskedRows& asked,
                     const std::function<bool()>& stopping) {
  const SharedWork work(run.ranks);
  const auto ranks = static_cast<std::size_t>(run.ranks->size());
  const std::size_t batches = asked.batches();
  for (std::size_t first = 0; first < batches; first += ranks) {
    tell_asking(run, asked, first);
    const auto make = [&](std::size_t piece) -> Result<Json> {
      if (stopping()) return interrupted_error();
      LUTHIER_TRY(const MicroBatch micro, asked.micro_batch(first + piece));
      return micro.empty() ? Json() : objective.answer_beforehand(run.runner->policy(), micro);
    };
    LUTHIER_TRY(const std::vector<Json> said, work.each(std::min(ranks, batches - first), make));
    for (const Json& each : said)
      if (!each.is_null()) LUTHIER_CHECK(objective.take_answer(each, asked.evaluation));
  }
  return {};
}

Status ask_about(RunParts& run, const AskedRows& asked, const std::function<bool()>& stopping) {
  if (auto* shares = dynamic_cast<AskedInShares*>(run.objective.get()); shares && run.ranks)
    return ask_in_shares(run, *shares, asked, stopping);
  for (std::size_t which = 0; which < asked.batches(); ++which) {
    if (stopping()) return interrupted_error();
    tell_asking(run, asked, which);
    LUTHIER_TRY(const MicroBatch micro, asked.micro_batch(which));
    if (!micro.empty())
      LUTHIER_CHECK(run.objective->ask_beforehand(run.runner->policy(), micro, asked.evaluation));
  }
  return {};
}

/// Beside the run's folder, of a rank that follows.
std::filesystem::path own_place(const RunParts& run) {
  return place_beside(run.recipe.output_dir, ".rank-" + std::to_string(run.ranks->rank()));
}

/// Who keeps what is asked in a file: a rank that can read rank 0's needs none of its own.
Status choose_keeper(RunParts& run, AskedInShares& shares) {
  LUTHIER_TRY(const bool sees, sees_files_of_leader(*run.ranks, run.recipe.output_dir));
  if (!run.follows()) return {};
  run.asked_at_leader = sees;
  if (sees)
    shares.leave_to_another();
  else
    shares.keep_beside(own_place(run));
  return {};
}

/// Rank 0's file is there, or why not; all ranks call it.
Result<std::filesystem::path> file_of_leader(RunParts& run, const std::filesystem::path& file,
                                             const Status& kept) {
  std::error_code ignored;
  const Json mine{{"file", std::filesystem::absolute(file, ignored).string()},
                  {"fault", kept ? "" : kept.error().sentence()}};
  LUTHIER_TRY(const std::string told, from_leader(*run.ranks, mine.dump()));
  const Json heard = Json::parse(told, nullptr, false);
  if (!heard.is_object()) return order_not_known(told);
  if (const std::string fault = heard.value("fault", ""); !fault.empty() && run.follows())
    return said_by(0, fault);
  return std::filesystem::path(heard.value("file", ""));
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
  const std::filesystem::path file = run.objective->asked_file();
  if (!file.empty()) return run.objective->read_asked(file, about_of(run));
  const char* own = run.objective->file_of_asked();
  if (!own || !run.begun || !is_there(run.begun->folder.path() / own)) return {};
  if (run.ranks && !run.resumes()) return {};  // the others have no folder to read it in
  const Status read = run.objective->read_asked(run.begun->folder.path() / own, about_of(run));
  if (run.resumes()) return read;
  // Begun again without a checkpoint: what does not fit any more is asked anew.
  if (!read) log_warning(read.error().sentence());
  return {};
}

Status ask_about_rows(RunParts& run, const std::function<bool()>& stopping) {
  if (!run.objective->asks_reference_beforehand()) return {};
  if (auto* shares = dynamic_cast<AskedInShares*>(run.objective.get());
      shares && run.ranks && run.objective->file_of_asked())
    LUTHIER_CHECK(choose_keeper(run, *shares));
  const auto batch = static_cast<std::size_t>(run.recipe.training.per_device_train_batch_size);
  LUTHIER_CHECK(ask_about(run, {run.reader, run.rows.rows, batch, /*evaluation=*/false}, stopping));
  if (run.eval_reader.dataset)
    LUTHIER_CHECK(ask_about(run, {run.eval_reader, run.eval_rows.rows, batch, /*evaluation=*/true},
                            stopping));
  run.runner->policy().let_go_of_reference();
  return {};
}

Status keep_asked(RunParts& run) {
  const char* own = run.objective->file_of_asked();
  if (!own || !run.objective->asks_reference_beforehand()) return {};
  if (!run.follows()) {
    const std::filesystem::path file = run.begun->folder.path() / own;
    Status kept = run.objective->keep_asked(file, about_of(run));
    if (run.ranks) {
      LUTHIER_TRY(const std::filesystem::path told, file_of_leader(run, file, kept));
    }
    return kept;
  }
  LUTHIER_TRY(const std::filesystem::path theirs, file_of_leader(run, {}, {}));
  if (run.asked_at_leader) return run.objective->read_asked(theirs, about_of(run));
  const std::filesystem::path file = own_place(run).string() + "." + own;
  const Status kept = run.objective->keep_asked(file, about_of(run));
  std::error_code ignored;
  std::filesystem::remove(file, ignored);  // it is open, and nobody else reads it
  return kept;
}

}  // namespace luthier
