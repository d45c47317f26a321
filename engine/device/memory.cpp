// SPDX-License-Identifier: GPL-3.0-or-later
// The counting allocator and the readers of /proc. Small blocks are 64-byte aligned, as LibTorch's
// own allocator gives them, large ones begin a page; sizes are what the C library or the pool says
// the block holds, so that freeing needs no header.
#include "engine/device/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>

#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "engine/device/block_pool.h"
#include "engine/device/cuda_libraries.h"
#include "engine/device/lost_device.h"

namespace luthier {
namespace {

std::atomic<std::int64_t> allocated_bytes{0}, peak_bytes{0}, cap_bytes{0}, fails_in{0};

/// Never destroyed: tensors may be freed while the process ends.
BlockPool& large_blocks() {
  static BlockPool* pool = new BlockPool;
  return *pool;
}

void release(void* block) {
  if (!block) return;
  // Only page-aligned blocks can be the pool's.
  std::size_t size =
      reinterpret_cast<std::uintptr_t>(block) % 4096 == 0 ? large_blocks().give(block) : 0;
  if (size == 0) {
    size = malloc_usable_size(block);
    std::free(block);
  }
  allocated_bytes.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
}

[[noreturn]] void refuse_allocation(std::size_t bytes) {
  throw c10::OutOfMemoryError(
      {__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)},
      "CPU out of memory: tried to allocate " + std::to_string(bytes) + " bytes.");
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    const std::int64_t cap = cap_bytes.load(std::memory_order_relaxed);
    if (cap > 0 &&
        (bytes > static_cast<std::size_t>(cap) ||
         allocated_bytes.load(std::memory_order_relaxed) > cap - static_cast<std::int64_t>(bytes)))
      refuse_allocation(bytes);
    if (fails_in.load(std::memory_order_relaxed) > 0 && fails_in.fetch_sub(1) == 1)
      refuse_allocation(bytes);
    if (bytes > (std::size_t{1} << 60)) refuse_allocation(bytes);
    void* block = nullptr;
    std::size_t given = 0;
    if (bytes >= BlockPool::kSmallest)
      block = large_blocks().take(bytes, given);
    else if (posix_memalign(&block, 64, bytes) == 0)
      given = malloc_usable_size(block);
    if (!block) refuse_allocation(bytes);
    const std::int64_t size = static_cast<std::int64_t>(given);
    const std::int64_t now = allocated_bytes.fetch_add(size, std::memory_order_relaxed) + size;
    std::int64_t peak = peak_bytes.load(std::memory_order_relaxed);
    while (now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {}
    return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
};

/// A "Key:   value kB" line of /proc/meminfo, or -1.
std::int64_t meminfo(const char* key) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) == 0) {
      std::istringstream words(line.substr(std::strlen(key)));
      std::int64_t kibibytes = -1;
      words >> kibibytes;
      return kibibytes < 0 ? -1 : kibibytes * 1024;
    }
  }
  return -1;
}

std::int64_t number_in(const char* path) {
  std::ifstream file(path);
  std::int64_t value = -1;
  file >> value;  // "max" leaves -1 or 0 behind
  return file ? value : -1;
}

/// What a control group still allows (version 2), or -1.
std::int64_t control_group_rest() {
  const std::int64_t limit = number_in("/sys/fs/cgroup/memory.max"),
                     used = number_in("/sys/fs/cgroup/memory.current");
  if (limit < 0 || used < 0) return -1;
  std::int64_t reclaimable = 0;
  std::ifstream file("/sys/fs/cgroup/memory.stat");
  std::string key;
  for (std::int64_t value; file >> key >> value;) {
    if (key == "inactive_file") reclaimable = value;
  }
  return std::max<std::int64_t>(0, limit - used + reclaimable);
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

c10::DeviceAllocator* device_allocator(torch::Device device) {
  at::globalContext().lazyInitDevice(device.type());  // its figures exist only then
  return c10::getDeviceAllocator(device.type());
}

c10::DeviceIndex index_of(torch::Device device) {
  return device.has_index() ? device.index() : c10::DeviceIndex(0);
}

}  // namespace

void install_counting_allocator() {
  static std::once_flag once;
  std::call_once(once, [] {
    load_cuda_libraries();
    if (const char* cap = std::getenv("LUTHIER_MEMORY_CAP"))
      cap_bytes = std::strtoll(cap, nullptr, 10);
    static CountingAllocator allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
  });
}

void set_memory_cap(std::int64_t bytes) { cap_bytes = bytes; }
void fail_allocation(std::int64_t count) { fails_in = count; }

MemoryUse memory_use(torch::Device device) {
  MemoryUse use;
  use.rss = resident_bytes();
  if (device.is_cpu()) {
    use.allocated = use.reserved = allocated_bytes.load(std::memory_order_relaxed);
    use.peak = peak_bytes.load(std::memory_order_relaxed);
    return use;
  }
  const auto stats = device_allocator(device)->getDeviceStats(index_of(device));
  use.allocated = stats.allocated_bytes[0].current;
  use.peak = stats.allocated_bytes[0].peak;
  use.reserved = stats.reserved_bytes[0].current;
  return use;
}

void reset_memory_peak(torch::Device device) {
  if (device.is_cpu())
    peak_bytes.store(allocated_bytes.load(std::memory_order_relaxed), std::memory_order_relaxed);
  else
    device_allocator(device)->resetPeakStats(index_of(device));
}

std::int64_t available_memory(torch::Device device) {
  if (!device.is_cpu())
    return static_cast<std::int64_t>(
        device_allocator(device)->getMemoryInfo(index_of(device)).first);
  std::int64_t available = std::max<std::int64_t>(0, meminfo("MemAvailable:"));
  const std::int64_t rest = control_group_rest();
  if (rest >= 0) available = std::min(available, rest);
  const std::int64_t cap = cap_bytes.load();
  if (cap > 0)
    available = std::min(available, std::max<std::int64_t>(0, cap - allocated_bytes.load()));
  return available;
}

void release_cached_memory(torch::Device device) {
  large_blocks().trim();
  malloc_trim(0);
  // A card that stopped answering takes nothing back.
  if (!device.is_cpu() && lost_device().empty()) device_allocator(device)->emptyCache();
}

bool is_out_of_memory(const std::exception& failure) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&failure) ||
      dynamic_cast<const std::bad_alloc*>(&failure))
    return true;
  const std::string text = failure.what();
  // A handle that finds no room for what cuBLAS keeps on the card says that it is not initialized.
  for (const char* sign :
       {"out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED",
        "CUBLAS_STATUS_NOT_INITIALIZED", "could not create a memory object"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace luthier
