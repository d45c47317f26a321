// SPDX-License-Identifier: GPL-3.0-or-later
// What launching takes of the NVIDIA driver, by dlopen and without a CUDA header. The context is
// the device's primary one, which is LibTorch's own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "engine/base/result.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/sources.h"

namespace luthier {

/// A source's kernels for a card of a compute capability.
using KernelMaker = std::function<Result<std::string>(const KernelSource&, int capability)>;

class DriverKernels {
 public:
  /// `library`: the driver's file. Nothing is opened before the first launch.
  explicit DriverKernels(KernelMaker maker, std::string library = "libcuda.so.1");

  /// False where it was not launched. Why is told once in the log; a kernel that could not be
  /// loaded is not tried again, and one whose launch failed neither, but where the card had no
  /// memory left for it. Any thread.
  bool launch(const Launch& launch, int device, void* stream);

 private:
  struct Entries {
    int (*init)(unsigned) = nullptr;
    int (*device)(int*, int) = nullptr;
    int (*attribute)(int*, int, int) = nullptr;
    int (*retain)(void**, int) = nullptr;
    int (*current)(void**) = nullptr;
    int (*push)(void*) = nullptr;
    int (*pop)(void**) = nullptr;
    int (*load)(void**, const void*) = nullptr;
    int (*function)(void**, void*, const char*) = nullptr;
    int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                  void*, void**, void**) = nullptr;
    int (*error_text)(int, const char**) = nullptr;
  };
  struct Card {
    void* context = nullptr;
    int capability = 0;
    std::map<std::string, void*> modules;    ///< by source
    std::map<const char*, void*> functions;  ///< by entry; null: it cannot be had
  };
  class Current;

  Status open();
  Result<Card*> card_of(int device);
  Result<void*> function_of(Card& card, const Kernel& kernel);
  Status succeeds(const char* call, int result);
  void tell(const Kernel& kernel, const Error& error);

  KernelMaker maker_;
  std::string library_;
  std::mutex mutex_;
  Entries entries_;
  bool opened_ = false;
  std::optional<Error> broken_;  ///< the driver cannot be used at all
  std::map<int, Card> cards_;
  bool told_ = false;
  int answered_ = 0;  ///< by the last call whose answer was looked at
};

}  // namespace luthier
