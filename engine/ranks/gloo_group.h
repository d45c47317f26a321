// SPDX-License-Identifier: GPL-3.0-or-later
// The one place that names Gloo.
#pragma once

#include <chrono>
#include <string>

#include "engine/device/torch.h"
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace luthier {

/// Of a word that comes when it comes, or never: a person may have paused the run.
inline constexpr std::chrono::hours kEver{24 * 365};

/// Whether all ranks of a run with this address are on one machine.
bool is_loopback(const std::string& address);

/// Connects all ranks with each other. On the loopback where `address` is there, else by the
/// interface that GLOO_SOCKET_IFNAME names, else by this machine's name. Throws c10d's errors.
c10::intrusive_ptr<c10d::Backend> gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                             int size, const std::string& address,
                                             std::chrono::milliseconds timeout);

}  // namespace luthier
