// SPDX-License-Identifier: GPL-3.0-or-later
// Entries with their types as the CUDA driver API documents them; 0 is success.
#include "engine/kernels/cuda_driver.h"

#include "engine/base/library_entry.h"
#include "engine/base/log.h"

namespace luthier {
namespace {

constexpr int kDone = 0, kNoMemory = 2, kNoBinary = 209;  // CUresult
constexpr int kMajor = 75, kMinor = 76;  // CUdevice_attribute: the halves of a capability

}  // namespace

/// Makes a context the thread's for as long as it lives, where it is not already: a thread of the
/// backward may not have called CUDA yet.
class DriverKernels::Current {
 public:
  Current(const Entries& entries, void* context) : entries_(entries) {
    void* now = nullptr;
    if (entries_.current(&now) == kDone && now == context) return;
    result_ = entries_.push(context);
    pushed_ = result_ == kDone;
  }
  ~Current() {
    void* ours = nullptr;
    if (pushed_) entries_.pop(&ours);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  int result() const { return result_; }

 private:
  const Entries& entries_;
  int result_ = kDone;
  bool pushed_ = false;
};

DriverKernels::DriverKernels(KernelMaker maker, std::string library)
    : maker_(std::move(maker)), library_(std::move(library)) {}

Status DriverKernels::succeeds(const char* call, int result) {
  answered_ = result;
  if (result == kDone) return {};
  const char* words = nullptr;
  if (entries_.error_text) entries_.error_text(result, &words);
  return machine_error(std::string(call) + " answers " + std::to_string(result) +
                       (words ? std::string(" (") + words + ")" : "") + ".");
}

Status DriverKernels::open() {
  void* library = dlopen(library_.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto entry = [library](const char* name, auto& function) {
    return find_entry(library, name, function);
  };
  const bool whole =
      library && entry("cuInit", entries_.init) && entry("cuDeviceGet", entries_.device) &&
      entry("cuDeviceGetAttribute", entries_.attribute) &&
      entry("cuDevicePrimaryCtxRetain", entries_.retain) &&
      entry("cuCtxGetCurrent", entries_.current) && entry("cuCtxPushCurrent_v2", entries_.push) &&
      entry("cuCtxPopCurrent_v2", entries_.pop) && entry("cuModuleLoadData", entries_.load) &&
      entry("cuModuleGetFunction", entries_.function) && entry("cuLaunchKernel", entries_.launch) &&
      entry("cuGetErrorString", entries_.error_text);
  if (!whole) return machine_error(loader_words(library_ + " cannot be loaded"));
  return succeeds("cuInit", entries_.init(0));
}

Result<DriverKernels::Card*> DriverKernels::card_of(int device) {
  Card& card = cards_[device];
  if (card.context) return &card;
  int handle = 0, major = 0, minor = 0;
  LUTHIER_CHECK(succeeds("cuDeviceGet", entries_.device(&handle, device)));
  LUTHIER_CHECK(succeeds("cuDeviceGetAttribute", entries_.attribute(&major, kMajor, handle)));
  LUTHIER_CHECK(succeeds("cuDeviceGetAttribute", entries_.attribute(&minor, kMinor, handle)));
  card.capability = major * 10 + minor;
  LUTHIER_CHECK(succeeds("cuDevicePrimaryCtxRetain", entries_.retain(&card.context, handle)));
  return &card;
}

Result<void*> DriverKernels::function_of(Card& card, const Kernel& kernel) {
  if (const auto found = card.functions.find(kernel.entry); found != card.functions.end())
    return found->second;
  card.functions[kernel.entry] = nullptr;  // not tried again, whatever happens below
  void*& module = card.modules[kernel.source];
  if (!module) {
    const KernelSource* source = kernel_source(kernel.source);
    if (!source) return machine_error("There is no such source.", kernel.source);
    LUTHIER_TRY(std::string binary, maker_(*source, card.capability));
    int answer = entries_.load(&module, binary.c_str());
    if (answer == kNoBinary) {
      // What was made ahead of time has nothing for this card: it is made here.
      KernelSource own = *source;
      own.ahead = {};
      LUTHIER_TRY(binary, maker_(own, card.capability));
      answer = entries_.load(&module, binary.c_str());
    }
    LUTHIER_CHECK(succeeds("cuModuleLoadData", answer));
  }
  void* function = nullptr;
  LUTHIER_CHECK(
      succeeds("cuModuleGetFunction", entries_.function(&function, module, kernel.entry)));
  card.functions[kernel.entry] = function;
  return function;
}

void DriverKernels::tell(const Kernel& kernel, const Error& error) {
  if (std::exchange(told_, true)) return;
  log_warning("A kernel of our own (" + std::string(kernel.entry) +
              ") cannot be used; LibTorch's do its work, more slowly: " + error.sentence());
}

bool DriverKernels::launch(const Launch& launch, int device, void* stream) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(opened_, true)) {
    if (const Status status = open(); !status) broken_ = status.error();
  }
  const auto fails = [&](const Error& error) {
    tell(launch.kernel, error);
    return false;
  };
  // A card that was full for a moment ends nothing.
  const auto for_good = [&] { return answered_ != kNoMemory; };
  if (broken_) return fails(*broken_);
  const Result<Card*> card = card_of(device);
  if (!card) {
    if (for_good()) broken_ = card.error();
    return fails(card.error());
  }
  const Current current(entries_, (*card)->context);
  if (const Status status = succeeds("cuCtxPushCurrent", current.result()); !status)
    return fails(status.error());
  const Result<void*> function = function_of(**card, launch.kernel);
  if (!function) {
    if (!for_good()) (*card)->functions.erase(launch.kernel.entry);
    return fails(function.error());
  }
  if (!*function) return false;  // told before
  const Status status =
      succeeds("cuLaunchKernel",
               entries_.launch(*function, launch.columns, launch.rows, 1, launch.threads, 1, 1, 0,
                               stream, const_cast<void**>(launch.arguments), nullptr));
  if (status) return true;
  if (for_good()) (*card)->functions[launch.kernel.entry] = nullptr;
  return fails(status.error());
}

}  // namespace luthier
