// SPDX-License-Identifier: GPL-3.0-or-later
// What a card must prove before a person trains on it: the engine's numbers are the CPU's, runs end
// in the same bytes, the forecast holds, and how fast it is. Everything is done on the card itself
// with random models, so nothing has to be fetched; `luthier-cli gpu-check` and whoever wants its
// report call this. Plain data, no LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// One check and how it ended.
struct CheckRow {
  enum class Outcome {
    Passed,
    Failed,
    Skipped  ///< not done: no time, no room, or nothing there to ask
  };
  std::string part;  ///< "families, float32"
  std::string name;  ///< "llava, LoRA"
  Outcome outcome = Outcome::Skipped;
  std::string detail;  ///< what was found, or why it failed or was skipped
  double seconds = 0;
  Json figures = Json::object();  ///< the numbers of `detail` and more, by name
};
const char* outcome_name(CheckRow::Outcome outcome);  ///< passed | failed | skipped

struct CheckReport {
  std::string device;   ///< "cuda:0"
  std::string card;     ///< "NVIDIA H100 80GB HBM3"; empty: no card
  std::string driver;   ///< "580.65.06"; empty: not known
  std::string torch;    ///< LibTorch's version
  int cuda = 0;         ///< that LibTorch was built for: 13000; 0: no card
  std::string program;  ///< this program's version; empty: the host does not say
  std::string date;     ///< when it began, UTC
  std::string note;     ///< what a person should know of the numbers; empty: nothing
  double minutes = 0;   ///< that it was given
  double seconds = 0;   ///< that it took
  std::vector<CheckRow> rows;

  std::size_t count(CheckRow::Outcome outcome) const;
  /// Nothing failed, and something passed: a device that was asked nothing has proven nothing.
  bool passed() const;
};

struct CheckOptions {
  std::string device = "cuda";                ///< as the recipe's training.device
  double minutes = 10;                        ///< what does not fit is skipped
  std::string only;                           ///< rows whose "part: name" holds this; empty: all
  std::string program;                        ///< for the report
  std::function<void(const CheckRow&)> told;  ///< of each row when it is done
  std::stop_token stop;                       ///< the rest is then skipped
};

/// All checks on one device. A Machine error where the device is not there; what a check throws is
/// its row's failure.
Result<CheckReport> check_device(const CheckOptions& options);

/// "passed   families, float32   llava, LoRA   0.3 s   loss 6.4021 on both…".
std::string to_line(const CheckRow& row);
/// "98 passed, 1 failed, 4 skipped".
std::string counts_line(const CheckReport& report);
/// {device, card, driver, …, passed, failed, skipped, rows: [{part, name, outcome, …}]}.
Json to_json(const CheckReport& report);
/// A document of its own: the card, a table a part.
std::string to_markdown(const CheckReport& report);

}  // namespace luthier
