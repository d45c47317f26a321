// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/batch_part.h"

#include <utility>

namespace luthier {

namespace {
thread_local std::uint64_t current_part = 0;
}

BatchPart::BatchPart(std::uint64_t part) : before_(std::exchange(current_part, part)) {}

BatchPart::~BatchPart() { current_part = before_; }

std::uint64_t BatchPart::here() { return current_part; }

}  // namespace luthier
