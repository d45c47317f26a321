// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/subnormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "engine/device/parallel.h"

namespace luthier {

namespace {

/// It is a register of each thread; one piece for each of LibTorch's reaches them all.
void flush_on_all_threads(bool flush) {
  for_pieces(0, at::get_num_threads(), 1,
             [flush](std::int64_t, std::int64_t) { at::globalContext().setFlushDenormal(flush); });
}

}  // namespace

SubnormalsAreZero::SubnormalsAreZero() { flush_on_all_threads(true); }
SubnormalsAreZero::~SubnormalsAreZero() { flush_on_all_threads(false); }

}  // namespace luthier
