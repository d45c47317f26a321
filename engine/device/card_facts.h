// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of the machine's NVIDIA cards before one is taken: plain data, so that the choice
// (card_choice.h) can be asked about machines that nobody has at hand. No LibTorch, no CUDA header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace luthier {

struct CardFacts {
  std::string name;    ///< "NVIDIA GeForce RTX 3090"
  int capability = 0;  ///< major × 10 + minor: 86 is sm_86
  std::int64_t total = 0;
  std::int64_t free = -1;   ///< bytes that nobody holds; -1: the driver does not say
  std::int64_t held = 0;    ///< bytes of it that this process's tensors hold
  bool context = false;     ///< this process has a context on it, which takes some of it too
  int multiprocessors = 0;  ///< 0: the driver does not say
  bool closed = false;      ///< to programs: its compute mode is Prohibited
};

struct DeviceFacts {
  /// Whether LibTorch's CUDA half is there.
  enum class TorchHalf {
    Absent,   ///< LibTorch was built without it
    Broken,   ///< it cannot be loaded
    Answers,  ///< and says how many cards it sees
  };

  bool node = false;             ///< the system has an NVIDIA device (/dev/nvidiactl and its kin)
  bool driver_found = false;     ///< libcuda.so.1 was loaded and has the functions we ask for
  std::string driver_problem;    ///< the loader's words where it was not
  int driver_error = 0;          ///< what the driver answered in place of success (CUresult)
  std::string driver_call;       ///< which call answered so: "cuInit"
  int driver_cuda = 0;           ///< newest CUDA that the driver knows: 13000 is 13.0
  std::string driver_version;    ///< "580.65.06"; empty: not known
  std::vector<CardFacts> cards;  ///< as this process may see them, in CUDA's order
  std::optional<std::string> visible_devices;  ///< CUDA_VISIBLE_DEVICES, where it is set

  TorchHalf torch_half = TorchHalf::Absent;
  std::string torch_problem;  ///< why it is broken
  int torch_cuda = 0;         ///< the CUDA that LibTorch was built for: 13000; 0: not known
  int torch_cards = 0;        ///< how many it sees

  /// Why this process's CUDA context is dead (lost_device.h); empty: it is not.
  std::string lost;
};

}  // namespace luthier
