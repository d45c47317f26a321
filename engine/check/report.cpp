// SPDX-License-Identifier: GPL-3.0-or-later
// The report for a terminal, for programs, and as a document.
#include <algorithm>
#include <cstdio>

#include "engine/check/check.h"

namespace luthier {

namespace {

std::string with_width(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

std::string cuda_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// A cell of a markdown table.
std::string in_cell(std::string text) {
  for (char& each : text)
    if (each == '\n') each = ' ';
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '\\');
  return text;
}

}  // namespace

const char* outcome_name(CheckRow::Outcome outcome) {
  switch (outcome) {
    case CheckRow::Outcome::Passed: return "passed";
    case CheckRow::Outcome::Failed: return "failed";
    case CheckRow::Outcome::Skipped: break;
  }
  return "skipped";
}

std::size_t CheckReport::count(CheckRow::Outcome outcome) const {
  return static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [&](const CheckRow& row) { return row.outcome == outcome; }));
}

bool CheckReport::passed() const {
  return count(CheckRow::Outcome::Failed) == 0 && count(CheckRow::Outcome::Passed) > 0;
}

std::string to_line(const CheckRow& row) {
  const bool done = row.outcome != CheckRow::Outcome::Skipped;
  return with_width(outcome_name(row.outcome), 9) + with_width(row.part, 20) +
         with_width(row.name, 36) + with_width(done ? seconds_text(row.seconds) : "", 9) +
         row.detail;
}

std::string counts_line(const CheckReport& report) {
  return std::to_string(report.count(CheckRow::Outcome::Passed)) + " passed, " +
         std::to_string(report.count(CheckRow::Outcome::Failed)) + " failed, " +
         std::to_string(report.count(CheckRow::Outcome::Skipped)) + " skipped";
}

Json to_json(const CheckReport& report) {
  Json rows = Json::array();
  for (const CheckRow& row : report.rows) {
    rows.push_back({{"part", row.part},
                    {"name", row.name},
                    {"outcome", outcome_name(row.outcome)},
                    {"detail", row.detail},
                    {"seconds", row.seconds},
                    {"figures", row.figures}});
  }
  return {{"device", report.device},
          {"card", report.card},
          {"driver", report.driver},
          {"torch", report.torch},
          {"cuda", report.cuda},
          {"program", report.program},
          {"date", report.date},
          {"note", report.note},
          {"minutes", report.minutes},
          {"seconds", report.seconds},
          {"passed", report.count(CheckRow::Outcome::Passed)},
          {"failed", report.count(CheckRow::Outcome::Failed)},
          {"skipped", report.count(CheckRow::Outcome::Skipped)},
          {"rows", rows}};
}

std::string to_markdown(const CheckReport& report) {
  std::string text = "# " + (report.card.empty() ? report.device : report.card) + "\n\n";
  text += "`luthier-cli gpu-check`, " + report.date + ": **" + counts_line(report) + "** in " +
          seconds_text(report.seconds) + ".\n\n";
  const auto fact = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += std::string("- ") + name + ": " + value + "\n";
  };
  fact("device", report.device);
  fact("card", report.card);
  fact("driver", report.driver);
  fact("LibTorch", report.torch);
  fact("CUDA of LibTorch", report.cuda > 0 ? cuda_text(report.cuda) : "");
  fact("Luthier", report.program);
  fact("note", report.note);
  std::string part;
  for (const CheckRow& row : report.rows) {
    if (row.part != part) {
      part = row.part;
      text += "\n## " + part + "\n\n| check | outcome | time | found |\n|---|---|---|---|\n";
    }
    const bool done = row.outcome != CheckRow::Outcome::Skipped;
    text += "| " + in_cell(row.name) + " | " + outcome_name(row.outcome) + " | " +
            (done ? seconds_text(row.seconds) : "") + " | " + in_cell(row.detail) + " |\n";
  }
  return text;
}

}  // namespace luthier
