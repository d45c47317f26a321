// SPDX-License-Identifier: GPL-3.0-or-later
// `luthier-cli serve`: the relay between one client, on two streams, and a run's post. It starts
// runs, attaches to one, tells its journal behind the number that the client names, and passes
// commands on. It ends when the client does; the run does not. No LibTorch header.
#pragma once

#include <stop_token>

#include "engine/base/result.h"

namespace luthier {

/// Until `in` ends or a stop is requested. `in` and `out` are descriptors of the caller.
Status serve(int in, int out, const std::stop_token& stop);

}  // namespace luthier
