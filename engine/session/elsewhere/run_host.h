// SPDX-License-Identifier: GPL-3.0-or-later
// The process of a run elsewhere, behind its post (runs/elsewhere/run_post.h): a session that it
// asks what the post's commands say, and whose events it writes into the post's journal. It knows
// no client, and ends with its run. No LibTorch header.
#pragma once

#include <stop_token>
#include <string>

#include "engine/base/result.h"

namespace luthier {

/// `luthier-cli serve --run RUN`: to the run's end, which the journal tells. A stop request saves
/// and stops it. An error: there is no such post, or another process has it.
Status host_run(const std::string& run, const std::stop_token& stop);

}  // namespace luthier
