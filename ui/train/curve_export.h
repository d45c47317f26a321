// SPDX-License-Identifier: GPL-3.0-or-later
// Curves as a picture or as a table, to a file that a person chooses.
#pragma once

#include <vector>

#include "ui/run_series.h"

class QWidget;

namespace luthier {

/// All plots under one another, at twice the screen's size.
void export_curves_png(QWidget* parent, QWidget* area);
/// One line a step: run, step, epoch, loss, eval_loss, grad_norm, learning_rate, tokens,
/// tokens_per_second and memory by part in bytes.
void export_curves_csv(QWidget* parent, const std::vector<RunSeries>& series);
/// The table's text.
QString curves_csv(const std::vector<RunSeries>& series);

}  // namespace luthier
