// SPDX-License-Identifier: GPL-3.0-or-later
// The card's own proof: engine/check's table, line by line while it runs, and its report in a file.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/check/check.h"
#include "engine/io/files.h"

namespace luthier::cli {

namespace {

struct GpuCheckOptions {
  CheckOptions check;
  bool json = false;
  std::string report;
};

/// Ten minutes are not to be spent on a report that has nowhere to go.
Status check_can_be_written(const std::filesystem::path& file) {
  std::error_code problem;
  if (std::filesystem::is_directory(file, problem))
    return input_error("This is a folder, not a file for the report.", file.string());
  const std::filesystem::path beside = file.string() + ".part";
  if (const Status written = write_file_atomically(beside, ""); !written) {
    Error error = written.error();
    error.where = file.string();
    return error;
  }
  std::filesystem::remove(beside, problem);
  return {};
}

Result<int> gpu_check(GpuCheckOptions o) {
  if (!o.report.empty()) LUTHIER_CHECK(check_can_be_written(o.report));
  o.check.program = LUTHIER_VERSION;
  o.check.stop = interrupted();
  o.check.told = [json = o.json](const CheckRow& row) {
    if (json)
      std::fprintf(stderr, "%s\n", to_line(row).c_str());
    else
      print_line(to_line(row));
    std::fflush(stdout);
  };
  LUTHIER_TRY(const CheckReport report, check_device(o.check));
  if (report.rows.empty()) {
    return input_error("No check holds \"" + o.check.only + "\".", "--only",
                       "A check is called as its line says, \"families, float32: llama, LoRA\".");
  }
  if (o.json) print_json(to_json(report));
  if (!o.report.empty()) LUTHIER_CHECK(write_file_atomically(o.report, to_markdown(report)));
  const std::string last =
      (report.card.empty() ? report.device : report.card) + ": " + counts_line(report);
  if (o.json)
    std::fprintf(stderr, "%s\n", last.c_str());
  else
    print_line(last);
  if (interrupted().stop_requested()) return interrupted_error();
  return report.passed() ? 0 : 1;
}

}  // namespace

Action add_gpu_check(CLI::App& app) {
  const auto o = std::make_shared<GpuCheckOptions>();
  app.add_option("--device", o->check.device, "cuda, cuda:N, or cpu to try the checks themselves")
      ->capture_default_str();
  app.add_option("--minutes", o->check.minutes, "What does not fit is skipped, and told so")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1440.0));
  app.add_option("--only", o->check.only, "Rows whose \"part: name\" holds this text");
  app.add_flag("--json", o->json, "One JSON document on stdout, the rows on stderr");
  app.add_option("--report", o->report, "A markdown file to write the report into");
  app.footer(
      "Exit status: 0 nothing failed, 1 something did, 3 there is no such device. What could not "
      "be done is skipped and never counts as passed.");
  return [o]() -> Ending {
    const auto status = gpu_check(*o);
    if (!status) return Status(status.error());
    return Ending(*status);
  };
}

}  // namespace luthier::cli
