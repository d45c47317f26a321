// SPDX-License-Identifier: GPL-3.0-or-later
// What a run is about, by fingerprints: its rows, the files that they name, the models beside its
// own; and whether a resume finds it as it was.
#pragma once

#include <string>
#include <vector>

#include "engine/train/run_parts.h"

namespace luthier {

/// "bfloat16" or "float32", as the run computes.
std::string dtype_name(const RunParts& run);

/// Of the rows' file, and where rows name files of their own of these.
std::vector<std::string> fingerprints_of(const RowReader& reader, const UsableRows& rows,
                                         const RowFiles& files);

/// Models that teach, judge or are compared with go into run.models_beside; of a resume, before
/// anything hangs on them, an Input error names the setting whose model is another one.
Status look_beside(RunParts& run);

/// Of a resume whose rows were looked at: an Input error where rows, files that they name, or the
/// compute type are others than recorded. It names the first of the files, where the run has kept
/// what tells them.
Status check_same_rows(const RunParts& run);

}  // namespace luthier
