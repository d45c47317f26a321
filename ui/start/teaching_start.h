// SPDX-License-Identifier: GPL-3.0-or-later
// A teaching task as the recipe at hand: what the Start page, the guided tour and --demo begin
// with.
#pragma once

#include <QString>

#include "engine/teaching/teaching.h"
#include "ui/workspace.h"

namespace luthier {

/// The task's recipe with a run folder in `runs` that is not taken, held-out rows to ask by, and
/// the teaching model to train. `steps` above 0: so many.
Status set_up_task(Workspace& workspace, const TeachingTask& task, const QString& runs,
                   int steps = 0);
/// The same, and the teaching model is loaded where it is not.
Status open_task(Workspace& workspace, const TeachingTask& task, const QString& runs,
                 int steps = 0);

}  // namespace luthier
