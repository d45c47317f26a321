// SPDX-License-Identifier: GPL-3.0-or-later
// What this machine trains on, before anything is loaded: for a window's first page. No LibTorch.
#pragma once

#include <cstdint>
#include <string>

namespace luthier {

struct MachineWords {
  std::string card;             ///< "NVIDIA GeForce RTX 3090"; empty: the processor computes
  std::int64_t card_bytes = 0;  ///< that it has
  std::string note;             ///< why a card that is there cannot be used; empty: nothing to say
  int cores = 1;                ///< of the processor, that this program may use
  std::int64_t bytes = 0;       ///< the machine's memory; 0: not known
};

/// Asks the driver, which may take a second.
MachineWords machine_words();

}  // namespace luthier
