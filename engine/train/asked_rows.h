// SPDX-License-Identifier: GPL-3.0-or-later
// A reference that is asked about all rows before the first step, and what of it is kept in a file.
#pragma once

#include <functional>

#include "engine/train/run_parts.h"

namespace luthier {

/// What the answers are about. `eval`: may have no dataset.
AskedAbout asked_about(const Recipe& recipe, const LoadedModel& base, const RowReader& reader,
                       const std::vector<std::int64_t>& rows, const RowReader& eval,
                       const std::vector<std::int64_t>& eval_rows);
/// Takes the answers from the file that the recipe names, or that a resumed run has kept, also one
/// that was killed before its first checkpoint.
Status read_asked(RunParts& run);
/// Asks about the rows of both datasets. Rows whose pictures turn out to be broken are left out, as
/// they will be when their step comes. Of several ranks each asks about micro-batches of its own,
/// where the objective can (AskedInShares); where it cannot, about all.
Status ask_about_rows(RunParts& run, const std::function<bool()>& stopping);
/// Puts what was asked into the run's folder, where the objective keeps it there. A rank that
/// follows reads rank 0's; where it does not see it, it has a file of its own, which goes with it.
Status keep_asked(RunParts& run);

}  // namespace luthier
