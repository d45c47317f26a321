// SPDX-License-Identifier: GPL-3.0-or-later
// An accelerator that is none, so that a machine without one can prove what the engine asks of one.
// It is LibTorch's PrivateUse1 device. Its memory is one file mapped twice: tensors point into a
// mapping that nobody may read, so that host code which follows such a pointer dies at the spot;
// its kernels are LibTorch's CPU kernels over the other mapping. Each operator's tensors must be
// the device's own, as on a real one. What is launched, copied and waited for is counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "engine/device/torch.h"

namespace luthier::pretend {

inline torch::Device device() { return {c10::DeviceType::PrivateUse1, 0}; }

/// Registers the device; before the first tensor on it, once a process.
void start();

/// Whether it has attention kernels that know rows (engine/nn/flash_attention): once started, for
/// all floating-point types and sizes of heads; false: as a card has none for float32.
void let_flash(bool on);

/// Whether what is asked of it is ever done, as those see it who look for its events; once started,
/// it is.
void let_finish(bool does);

// What was asked of it.

struct Counts {
  std::int64_t kernels = 0;       ///< launches
  std::int64_t up = 0, down = 0;  ///< copies from and to the host; one down is waited for, too
  std::int64_t up_bytes = 0, down_bytes = 0;
  std::int64_t waits = 0;         ///< other calls that the host must wait for the device in
  std::int64_t host_scalars = 0;  ///< tensors of one number that a kernel took from the host
  double bytes = 0, flops = 0;    ///< that the kernels move and do, each tensor's once
  double seconds = 0;             ///< that a card would take for them: a model, see ledger.cpp
};
Counts counts();
std::map<std::string, std::int64_t> kernels_by_name();
/// Seconds and bytes of the model by kernel.
std::map<std::string, std::pair<double, double>> costs_by_name();
/// Copies and waits by what they are and the engine's function that asked ("up < luthier::rotate").
std::map<std::string, std::int64_t> places();
void reset_counts();

// Its memory.

std::int64_t live_bytes();
std::int64_t peak_bytes();  ///< the most that lived at once since reset_peak
/// The engine's functions that were running when it was reached, the innermost first.
std::string peak_place();
void reset_peak();
/// Gives the machine back the pages of what no tensor holds.
void release_pages();
std::int64_t allocations();  ///< since the process began
/// From here on an allocation fails that would take what lives above `bytes`; 0: none does.
void fail_above(std::int64_t bytes);
/// The allocation after so many more fails, and it alone; −1: none does.
void fail_after(std::int64_t allocations);

/// While one stands, large floating-point work is accounted for and not done: what it would have
/// written is left as it was. A step of billions of weights then takes seconds, and its launches,
/// bytes and peak are those of the real one.
class Dry {
 public:
  Dry();
  ~Dry();
  Dry(const Dry&) = delete;
  Dry& operator=(const Dry&) = delete;
};

}  // namespace luthier::pretend
