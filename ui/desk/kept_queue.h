// SPDX-License-Identifier: GPL-3.0-or-later
// The queue as the desk writes it down: each run with its recipe, and how those ended that have.
#pragma once

#include <vector>

#include "ui/run_queue.h"

class QJsonArray;

namespace luthier {

/// Any thread may ask.
QJsonArray queue_json(const std::vector<QueuedRun>& runs);
/// What can be read of it. A run whose recipe cannot be read has ended, by the error that says why;
/// what is no run at all is left out.
std::vector<QueuedRun> queue_from(const QJsonArray& runs);
/// The run that went on when the program died: it waits again where it has no checkpoint, and is
/// interrupted where it has one, from which it can be resumed.
void settle_running(std::vector<QueuedRun>& runs);

}  // namespace luthier
