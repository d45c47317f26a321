// SPDX-License-Identifier: GPL-3.0-or-later
// What this process knows of the machine's cards, and what a person should know of the choice that
// was made among them. The cards are asked once; what is free on them each time.
#pragma once

#include <optional>
#include <string>

#include "engine/device/card_choice.h"
#include "engine/device/torch.h"

namespace luthier {

/// The driver's answers and LibTorch's together, as they are now.
DeviceFacts device_facts();
/// The card behind a CUDA device; nullopt for another device, and where the driver does not say.
std::optional<CardFacts> card_of(torch::Device device);

/// What a person should know of how `name` came to its device and `dtype` to its type there, in one
/// or a few sentences; empty: nothing. It is what was said when the choice was made: a card that
/// this process works on is not weighed again. A faster type that `auto` does not take by itself is
/// proposed here alone, and not in the log. `warns` where something is not as it could be.
struct DeviceNote {
  std::string text;
  bool warns = false;
};
DeviceNote device_note(const std::string& name, const std::string& dtype);

}  // namespace luthier
