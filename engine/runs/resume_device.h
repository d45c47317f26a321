// SPDX-License-Identifier: GPL-3.0-or-later
// What a resume may change of the machine that it runs on. The compute type is part of a run's
// arithmetic and stays the one that it began with: `auto` means that one, and another is refused. A
// device is where it is computed: another one may go on, and is told. So is what the last bits of a
// sum depend on on the CPU: how many threads share it, and whose products they are.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/runs/run_records.h"

namespace luthier {

/// training.dtype of a resume of `recorded` that asks for `asked` (auto, float32, bfloat16). An
/// Input error where it is another than the run's; `where` is the run's folder.
Result<std::string> resumed_dtype(const std::string& asked, const RunManifest& recorded,
                                  const std::string& where);

/// A sentence each for what a run goes on with otherwise than `recorded` says, so that it will not
/// end in the bytes of an undisturbed one: a device of another type or another card (another number
/// of the same type, cuda:1 for cuda:0, is no change); on the CPU another number of threads, and
/// another library of products. What older runs did not record is no change.
std::vector<std::string> resume_changes(const RunManifest& recorded, const RunManifest& now);

/// Whether a resume of `recorded` fills its micro-batches up to the sizes of recorded steps is the
/// run's, because the last bits go by it: what is told where that is not what LUTHIER_GRAPHS asks
/// for (`asked`); else empty.
std::string recording_change(const RunManifest& recorded, bool asked);

}  // namespace luthier
