// SPDX-License-Identifier: GPL-3.0-or-later
// How the pretended device runs an operator.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "engine/device/torch.h"

namespace luthier::pretend {

/// Runs any operator by its CPU kernel, accounted for as one launch (of a list: as many as CUDA's
/// list kernels take).
void run_operator(const c10::OperatorHandle& op, torch::jit::Stack* stack);

}  // namespace luthier::pretend
