// SPDX-License-Identifier: GPL-3.0-or-later
// What LibTorch, CUDA and the library throw in the middle of work, as an error for a person. Every
// verb, the session's worker and the checks turn exceptions into sentences here, so that none of
// them shows LibTorch's own text for a card that died or ran full. No LibTorch header.
#pragma once

#include <exception>
#include <string>

#include "engine/base/result.h"

namespace luthier {

/// The card that this process chose last ("cuda:0"); empty: none yet.
std::string card_at_work();

/// `no_memory` where memory ran out, `otherwise` for any failure of the one call alone; where the
/// device answers no more, the sentence about that, with the place of `otherwise`. `device` names
/// the one that was worked on; empty: the card that this process last chose, if any. A lost device
/// is kept for lost_device() (lost_device.h).
Error device_failure(const std::exception& failure, Error no_memory, Error otherwise,
                     const std::string& device = "");

}  // namespace luthier
