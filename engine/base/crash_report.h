// SPDX-License-Identifier: GPL-3.0-or-later
// A program that dies writes down what it was at: its version, the page and the run, and where in
// the code it was. The file stays on this machine; nobody is sent anything. What runs in the signal
// handler asks for no memory and takes no lock.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

/// From now on, a death by a fault or an abort leaves a report in `folder`, which is made where it
/// is missing; the program then dies as it would have. Call it once. The newest ten reports stay.
Status report_crashes(const std::filesystem::path& folder, std::string_view version);

/// Where a death of this process would be written down; empty before report_crashes.
std::filesystem::path own_crash_report();

/// What the report says the program was at. Any thread may say so; a long text is cut.
enum class CrashNote { Page, Run };
void note_for_crash(CrashNote note, std::string_view text);

/// The reports in a folder, the newest first.
std::vector<std::filesystem::path> crash_reports(const std::filesystem::path& folder);

}  // namespace luthier
