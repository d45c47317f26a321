// SPDX-License-Identifier: GPL-3.0-or-later
// The table, and what runs down it: each check under its own exception guard, until the time is
// over or the device is lost.
#include "engine/check/checks.h"

#include <chrono>

#include <unistd.h>

#include <torch/headeronly/version.h>

#include "engine/base/text.h"
#include "engine/check/tiny_models.h"
#include "engine/device/device.h"
#include "engine/device/device_facts.h"
#include "engine/device/exact_math.h"
#include "engine/device/failure.h"
#include "engine/device/lost_device.h"
#include "engine/device/memory.h"
#include "engine/models/loaded_model.h"
#include "engine/runs/run_records.h"
#include "engine/teaching/make.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

using CheckClock = std::chrono::steady_clock;

double since(CheckClock::time_point start) {
  return std::chrono::duration<double>(CheckClock::now() - start).count();
}

/// A folder that goes with the object.
class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> make() {
    std::error_code problem;
    fs::path temporary = fs::temp_directory_path(problem);
    if (problem) temporary = "/tmp";
    std::string name = (temporary / "luthier-gpu-check-XXXXXX").string();
    if (!mkdtemp(name.data()))
      return machine_error("No folder for the check's files can be made.", temporary.string(),
                           "Set TMPDIR to a folder that can be written.");
    return std::unique_ptr<ScratchFolder>(new ScratchFolder(name));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

/// Does the check; whatever happens is the row's.
void do_check(const Check& check, const CheckedCard& card, CheckRow& row) {
  Result<Found> found = Found();
  const auto start = CheckClock::now();
  try {
    found = check.run();
  } catch (const std::exception& failure) {
    found = device_failure(failure, machine_error("Memory ran out."),
                           machine_error(first_line(failure.what())), card.device.str());
  }
  if (found) {
    row.outcome = found->skipped ? CheckRow::Outcome::Skipped
                  : found->good  ? CheckRow::Outcome::Passed
                                 : CheckRow::Outcome::Failed;
    row.detail = found->detail;
    row.figures = std::move(found->figures);
  } else {
    row.outcome = CheckRow::Outcome::Failed;
    row.detail = found.error().sentence();
  }
  row.seconds = since(start);
  release_cached_memory(card.device);
}

}  // namespace

std::vector<Check> checks_of_writers(const CheckedCard& card,
                                     Result<Found> (*check)(const CheckedCard& card,
                                                            const Family& family)) {
  std::vector<Check> checks;
  for (const Family& family : families()) {
    const auto model = tiny_model(family);
    if (model && (model->objective != "sft" || model->start >= 0)) continue;
    checks.push_back({family.model_type, [&card, &family, check] { return check(card, family); }});
  }
  return checks;
}

std::string with_digits(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

const std::vector<Part>& parts() {
  static const std::vector<Part> table{
      {"families, float32", family_checks_float32},
      {"runs, float32", run_checks_float32},
      {"kernels", kernel_checks},
      {"families, bfloat16", family_checks_bfloat16},
      {"runs, bfloat16", run_checks_bfloat16},
      {"copies and waits", traffic_checks},
      {"links", link_checks},
      {"decoding", decoding_checks},
      {"recorded steps", recording_checks},
      {"memory and speed", shape_checks},
  };
  return table;
}

Status prepare(CheckedCard& card) {
  TeachingMakeOptions make;
  make.pretrain_rows = 12, make.heldout_rows = 1, make.lessons = false;
  LUTHIER_CHECK(make_pretraining(card.scratch, make));
  card.model = card.scratch / "skeleton", card.rows = card.scratch / "pretrain/train.jsonl";
  LUTHIER_TRY(card.processor, load_processor(card.model, {}));
  return {};
}

CheckReport run_checks(const CheckedCard& asked, const CheckOptions& options) {
  CheckedCard card = asked;
  CheckReport report;
  report.device = card.device.str();
  report.torch = TORCH_VERSION;
  report.program = options.program;
  report.date = utc_now();
  report.minutes = options.minutes;
  const auto start = CheckClock::now();
  card.over = [&]() -> std::string {
    if (!lost_device().empty()) return "the device was lost";
    if (options.stop.stop_requested()) return "interrupted";
    return since(start) >= options.minutes * 60 ? "no time" : "";
  };
  for (const Part& part : parts()) {
    for (const Check& check : part.checks(card)) {
      CheckRow row;
      row.part = part.name, row.name = check.name;
      if ((part.name + ": " + check.name).find(options.only) == std::string::npos) continue;
      row.detail = card.why_over();
      if (row.detail.empty()) do_check(check, card, row);
      if (options.told) options.told(row);
      report.rows.push_back(std::move(row));
    }
  }
  report.seconds = since(start);
  return report;
}

Result<CheckReport> check_device(const CheckOptions& options) {
  CheckedCard card;
  const DeviceFacts before = device_facts();
  LUTHIER_TRY(card.device, choose_device(options.device));
  card.name = card.device.str();
  std::optional<CardFacts> facts;
  if (card.device.is_cuda()) {
    const auto index = static_cast<std::size_t>(card.device.has_index() ? card.device.index() : 0);
    if (index < before.cards.size()) facts = before.cards[index];
    card.free = facts ? facts->free : -1;
    LUTHIER_TRY(const torch::ScalarType type, choose_dtype("auto", card.device));
    card.bfloat16 = type == torch::kBFloat16;
    card.traffic = profiled;
  }
  LUTHIER_TRY(const auto scratch, ScratchFolder::make());
  card.scratch = scratch->path();
  LUTHIER_CHECK(prepare(card));
  std::string note;
  {
    const ExactMath exact(card.device);
    note = exact.note();
  }
  CheckReport report = run_checks(card, options);
  report.note = note;
  if (facts) report.card = facts->name;
  if (card.device.is_cuda()) {
    report.driver = before.driver_version;
    report.cuda = before.torch_cuda;
  }
  return report;
}

}  // namespace luthier
