// SPDX-License-Identifier: GPL-3.0-or-later
// The table of checks. A part is a function that lists its checks and a row of parts(); a check is
// one row of the report. They stand in the order of their value, because time may run out.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/check/check.h"
#include "engine/data/processor.h"
#include "engine/device/torch.h"
#include "engine/ranks/nccl_line.h"

namespace luthier {

struct Family;

/// What a piece of work asked of the device.
struct Traffic {
  std::int64_t kernels = 0;
  std::int64_t up = 0, down = 0;  ///< copies from and to the host; one that is waited for is a wait
  std::int64_t waits = 0;         ///< in which the host stands still
};

/// The device under test, and what all checks share.
struct CheckedCard {
  torch::Device device = torch::kCPU;
  std::string name = "cpu";       ///< what a recipe calls it
  bool bfloat16 = true;           ///< it computes in it
  std::int64_t free = -1;         ///< bytes, before this process took any; −1: not known
  std::filesystem::path scratch;  ///< a folder of this check's own
  std::filesystem::path model;    ///< the teaching model's folder in it, without weights
  std::filesystem::path rows;     ///< rows for it, with pictures
  std::shared_ptr<const ChatProcessor> processor;  ///< of that folder
  std::int64_t most_steps = 30;                    ///< of a step that is timed
  std::string nccl = NcclLine::kLibrary;
  /// Counts what the work asks of the device; empty: nobody tells.
  std::function<Traffic(const std::function<void()>& work)> traffic;
  /// Why nothing more is to be begun ("no time"), within a check as before one; "": go on. Empty:
  /// always.
  std::function<std::string()> over;
  std::string why_over() const { return over ? over() : ""; }
};

/// What a check found.
struct Found {
  bool good = true;
  bool skipped = false;
  std::string detail;
  Json figures = Json::object();

  static Found skip(std::string why) { return {true, true, std::move(why), Json::object()}; }
};

struct Check {
  std::string name;
  std::function<Result<Found>()> run;  ///< what it throws fails its row
};

struct Part {
  std::string name;
  std::vector<Check> (*checks)(const CheckedCard& card);
};
const std::vector<Part>& parts();

std::vector<Check> family_checks_float32(const CheckedCard& card);
std::vector<Check> family_checks_bfloat16(const CheckedCard& card);
std::vector<Check> run_checks_float32(const CheckedCard& card);
std::vector<Check> run_checks_bfloat16(const CheckedCard& card);
std::vector<Check> kernel_checks(const CheckedCard& card);
std::vector<Check> shape_checks(const CheckedCard& card);
std::vector<Check> traffic_checks(const CheckedCard& card);
std::vector<Check> link_checks(const CheckedCard& card);
std::vector<Check> decoding_checks(const CheckedCard& card);
std::vector<Check> recording_checks(const CheckedCard& card);

/// A row for each family whose model writes its text on.
std::vector<Check> checks_of_writers(const CheckedCard& card,
                                     Result<Found> (*check)(const CheckedCard& card,
                                                            const Family& family));
std::string with_digits(double value, int digits);  ///< behind the point

/// The teaching model's folder and rows for it, in the card's scratch folder.
Status prepare(CheckedCard& card);
/// All checks of the table; the report's device is the card's.
CheckReport run_checks(const CheckedCard& card, const CheckOptions& options);

/// Counts by LibTorch's profiler what work asks of a CUDA device.
Traffic profiled(const std::function<void()>& work);
/// The same of its events: what ran on the device (or on the host) under which name.
struct ProfiledEvent {
  std::string name;
  bool on_device = false;
};
Traffic traffic_of(const std::vector<ProfiledEvent>& events);

}  // namespace luthier
