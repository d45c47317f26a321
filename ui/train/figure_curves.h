// SPDX-License-Identifier: GPL-3.0-or-later
// What an objective tells besides its loss, as curves: figures are grouped by what stands before
// their slash ("rewards/chosen" and "rewards/margins" go together), those of evaluations with them.
#pragma once

#include <QStringList>
#include <vector>

#include "ui/run_series.h"
#include "ui/train/curve_plot.h"

namespace luthier {

/// The groups that the runs have, in the order of their names.
QStringList figure_groups(const std::vector<RunSeries>& series);

/// A curve for each figure of a group and each run that has it; colours and thinning are left to
/// who draws them.
std::vector<Curve> figure_curves(const std::vector<RunSeries>& series, const QString& group,
                                 CurveAxis axis);

}  // namespace luthier
