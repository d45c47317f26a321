// SPDX-License-Identifier: GPL-3.0-or-later
// Some CUDA errors end more than the call that meets them: after an illegal address, an assertion
// in a kernel, an uncorrectable memory error or a card that fell off the bus, every later call of
// this process fails the same way, reading a tensor back included. Then nothing more can be saved,
// what is saved stays, and only a new process gets the card back.
#pragma once

#include <exception>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

/// CUDA's words for what ended its context ("an illegal memory access was encountered"), where
/// `failure` says that something did; nullopt: the device still answers. Memory that ran out and an
/// argument that was refused end nothing.
std::optional<std::string> device_loss(const std::exception& failure);
/// The same for work on `device`; where the failure itself leaves it open (a cuBLAS call that was
/// not carried out) the device is asked. What is found is kept for lost_device().
std::optional<std::string> device_loss(const std::exception& failure, torch::Device device);

/// Why this process lost its CUDA device; empty: it has not. No card is chosen from then on.
std::string lost_device();
void set_lost_device(const std::string& why);

/// The sentence for a person: a Machine error about `where`; `saved` says what stands.
Error lost_device_error(torch::Device device, const std::string& why, const std::string& where,
                        const std::string& saved = "");

}  // namespace luthier
