// SPDX-License-Identifier: GPL-3.0-or-later
// One memory file, mapped without rights where tensors point and with them where kernels work.
// Blocks are cut off free spans, first fit, in steps of 512 bytes as CUDA's caching allocator
// counts them; pages come into being when something is written, so that the arena may be larger
// than the machine.
#include "tests/pretend/arena.h"

#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "tests/pretend/ledger.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

constexpr std::size_t kArenaBytes = std::size_t{192} << 30, kStep = 512, kPage = 4096;

char *device_base = nullptr, *host_base = nullptr;

std::size_t offset_of(const void* block) {
  return static_cast<std::size_t>(static_cast<const char*>(block) - device_base);
}
std::size_t rounded(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kStep - 1) / kStep * kStep;
}

/// Makes this span one of the free ones, together with its neighbours.
void join(std::map<std::size_t, std::size_t>& free, std::size_t at, std::size_t size) {
  auto next = free.lower_bound(at);
  if (next != free.end() && at + size == next->first) {
    size += next->second;
    next = free.erase(next);
  }
  if (next != free.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == at) {
      before->second += size;
      return;
    }
  }
  free[at] = size;
}

class Spans {
 public:
  void* take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    ++allocations_;
    const bool chosen = fails_after_ == 0;
    if (fails_after_ >= 0) --fails_after_;
    if (chosen || (limit_ > 0 && live_ + size > limit_)) refuse(size);
    const auto span = std::find_if(free_.begin(), free_.end(),
                                   [size](const auto& each) { return each.second >= size; });
    if (span == free_.end()) refuse(size);
    const auto [at, whole] = *span;
    free_.erase(span);
    if (whole > size) free_[at + size] = whole - size;
    used_[at] = size;
    live_ += size;
    if (live_ > peak_) {
      peak_ = live_;
      peak_depth_ = backtrace(peak_frames_, kDepth);
    }
    return device_base + at;
  }

  void give(void* block) {
    const std::lock_guard lock(mutex_);
    const auto used = used_.find(offset_of(block));
    const auto [at, size] = *used;
    used_.erase(used);
    live_ -= size;
    join(free_, at, size);
  }

  std::map<std::size_t, std::size_t> used() const { return locked(used_); }
  std::size_t live() const { return locked(live_); }
  std::size_t peak() const { return locked(peak_); }
  std::int64_t allocations() const { return locked(allocations_); }
  void release_pages() {
    const std::lock_guard lock(mutex_);
    for (const auto& [at, size] : free_) {
      const std::size_t first = (at + kPage - 1) / kPage * kPage, end = (at + size) / kPage * kPage;
      if (end > first) madvise(host_base + first, end - first, MADV_REMOVE);
    }
  }
  std::string peak_place() const {
    const std::lock_guard lock(mutex_);
    return engine_places(peak_frames_, peak_depth_, 3);
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    peak_ = live_;
  }
  void set_limit(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    limit_ = bytes;
  }
  void fail_after(std::int64_t more) {
    const std::lock_guard lock(mutex_);
    fails_after_ = more;
  }

 private:
  template <class Number>
  Number locked(const Number& number) const {
    const std::lock_guard lock(mutex_);
    return number;
  }
  /// In the words of CUDA's allocator.
  [[noreturn]] static void refuse(std::size_t bytes) {
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", bytes,
                     " bytes of a pretended device.");
  }

  mutable std::mutex mutex_;
  std::map<std::size_t, std::size_t> free_{{0, kArenaBytes}}, used_;  ///< offset → bytes
  std::size_t live_ = 0, peak_ = 0, limit_ = 0;
  std::int64_t allocations_ = 0, fails_after_ = -1;
  static constexpr int kDepth = 48;
  void* peak_frames_[kDepth] = {};  ///< who asked when the peak was reached
  int peak_depth_ = 0;
};

/// Never destroyed: tensors may be freed while the process ends.
Spans& spans() {
  static Spans* made = new Spans;
  return *made;
}

thread_local Pool* pool_in_use = nullptr;
std::mutex pools_mutex;
std::vector<Pool*>& pools() {
  static auto* made = new std::vector<Pool*>;
  return *made;
}

}  // namespace

bool give_to_pool(void* block) {
  const std::lock_guard lock(pools_mutex);
  for (Pool* pool : pools()) {
    const auto used = pool->used_.find(offset_of(block));
    if (used == pool->used_.end()) continue;
    const auto [at, size] = *used;
    pool->used_.erase(used);
    join(pool->free_, at, size);
    return true;
  }
  return false;
}
void* take_from_pool(std::size_t bytes) {
  const std::lock_guard lock(pools_mutex);
  return pool_in_use->take(bytes);
}

namespace {

void give_back(void* block) {
  if (block && !give_to_pool(block)) spans().give(block);
}

char* to_host(const void* address) {
  return host_base + (static_cast<const char*>(address) - device_base);
}

class ArenaAllocator : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* block = nullptr;
    if (bytes > 0) block = pool_in_use ? take_from_pool(bytes) : spans().take(bytes);
    return {block, block, &give_back, device()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to_host(to), to_host(from), bytes);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    const auto live = static_cast<std::int64_t>(spans().live());
    stats.allocated_bytes[0].current = stats.reserved_bytes[0].current = live;
    stats.allocated_bytes[0].peak = static_cast<std::int64_t>(spans().peak());
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { spans().reset_peak(); }
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex) override {
    return {kArenaBytes - spans().live(), kArenaBytes};
  }
};

/// Says who touched device memory before the process dies of it. Only calls that a handler may
/// make.
void host_touched(int signal, siginfo_t* info, void*) {
  const char* at = static_cast<const char*>(info->si_addr);
  if (at >= device_base && at < device_base + kArenaBytes) {
    static constexpr char kText[] = "Host code touched the pretended device's memory:\n";
    [[maybe_unused]] const auto written = write(2, kText, sizeof kText - 1);
    void* frames[40];
    backtrace_symbols_fd(frames, backtrace(frames, 40), 2);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

char* mapped(int file, int rights) {
  void* at = mmap(nullptr, kArenaBytes, rights, MAP_SHARED | MAP_NORESERVE, file, 0);
  TORCH_CHECK(at != MAP_FAILED, "no room for the pretended device");
  return static_cast<char*>(at);
}

}  // namespace

void map_arena() {
  const int file = memfd_create("pretended device", MFD_CLOEXEC);
  TORCH_CHECK(file >= 0 && ftruncate(file, static_cast<off_t>(kArenaBytes)) == 0,
              "no memory file for the pretended device");
  host_base = mapped(file, PROT_READ | PROT_WRITE);
  device_base = mapped(file, PROT_NONE);
  close(file);
  void* first[1];
  backtrace(first, 1);  // loads what it needs, which a handler must not
  struct sigaction action {};
  action.sa_sigaction = host_touched;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
}

Pool::Pool() {
  const std::lock_guard lock(pools_mutex);
  pools().push_back(this);
}

/// What is still in use stays taken, as a test of live_bytes() sees.
Pool::~Pool() {
  const std::lock_guard lock(pools_mutex);
  std::erase(pools(), this);
  if (!used_.empty()) return;
  for (void* chunk : chunks_) spans().give(chunk);
}

/// From the smallest free span that will do, else from the arena.
void* Pool::take(std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  const auto best = [&] {
    auto found = free_.end();
    for (auto span = free_.begin(); span != free_.end(); ++span)
      if (span->second >= size && (found == free_.end() || span->second < found->second))
        found = span;
    return found;
  };
  auto span = best();
  if (span == free_.end()) {
    chunks_.push_back(spans().take(size));
    join(free_, offset_of(chunks_.back()), size);
    span = best();
  }
  const auto [at, whole] = *span;
  free_.erase(span);
  if (whole > size) free_[at + size] = whole - size;
  used_[at] = size;
  return device_base + at;
}

PoolInUse::PoolInUse(Pool& pool) { pool_in_use = &pool; }
PoolInUse::~PoolInUse() { pool_in_use = nullptr; }

Snapshot::Snapshot() {
  if (is_dry()) return;
  for (const auto& [at, size] : spans().used())
    blocks_.emplace_back(at, std::vector<char>(host_base + at, host_base + at + size));
}
void Snapshot::put_back() const {
  for (const auto& [at, bytes] : blocks_) std::memcpy(host_base + at, bytes.data(), bytes.size());
}

torch::Tensor unowned(const torch::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_privateuseone()) return tensor;
  const c10::Storage& own = tensor.storage();
  c10::Storage storage(c10::Storage::use_byte_size_t(), own.nbytes(),
                       c10::DataPtr(const_cast<void*>(own.data()), tensor.device()),
                       /*allocator=*/nullptr, /*resizable=*/false);
  torch::Tensor other = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), tensor.dtype());
  other.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                     tensor.storage_offset());
  return other;
}

c10::DeviceAllocator* device_allocator() {
  static ArenaAllocator allocator;
  return &allocator;
}

const char* readable_storage(const torch::Tensor& tensor) {
  const void* data = tensor.storage().data();
  return data ? to_host(data) : host_base;
}

torch::Tensor readable(const torch::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_privateuseone()) return tensor;
  char* first = const_cast<char*>(readable_storage(tensor)) +
                tensor.storage_offset() * static_cast<std::int64_t>(tensor.itemsize());
  const auto keep = [storage = tensor.storage()](void*) {};
  return at::from_blob(first, tensor.sizes(), tensor.strides(), keep,
                       tensor.options().device(at::kCPU).requires_grad(false));
}

void* readable_address(void* device_address) {
  return device_address ? to_host(device_address) : nullptr;
}

bool is_readable(const void* address) {
  const char* at = static_cast<const char*>(address);
  return at >= host_base && at < host_base + kArenaBytes;
}

std::int64_t live_bytes() { return static_cast<std::int64_t>(spans().live()); }
std::int64_t peak_bytes() { return static_cast<std::int64_t>(spans().peak()); }
std::string peak_place() { return spans().peak_place(); }
void reset_peak() { spans().reset_peak(); }
std::int64_t allocations() { return spans().allocations(); }
void fail_above(std::int64_t bytes) { spans().set_limit(static_cast<std::size_t>(bytes)); }
void release_pages() { spans().release_pages(); }
void fail_after(std::int64_t more) { spans().fail_after(more); }

}  // namespace luthier::pretend
