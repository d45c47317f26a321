// SPDX-License-Identifier: GPL-3.0-or-later
// LibTorch's CUDA half is not linked (device/cuda_libraries) and CUDA's headers need not be there,
// so the class is reached by the names of its members in ATen/cuda/CUDAGraph.h of LibTorch 2.11,
// and an object of it lies in room of ours that is larger than it.
//
// Memory: from capture_begin to capture_end the allocator serves this stream from a pool of the
// graph's own, and keeps its blocks for it until the graph goes; tensors of the work may be freed
// in between and after, their addresses are written down and nobody else gets them, but for other
// captures into the same pool. What the work reads from outside must outlive the graph, in its
// place. While it captures the allocator gives nothing back to the card, so what it keeps of
// earlier work goes back before.
//
// Threads: a backward runs on a thread of LibTorch's own unless it is told not to. What one
// launches into a stream that is captured is captured whoever launches it, but only calls of the
// thread that began the capture are looked at. Work that we record is therefore done by one thread
// (train/recorded_steps), and others may ask of CUDA what they want meanwhile.
//
// Random numbers: LibTorch lets a graph that draws some move its generators on at each replay.
// Nothing that we record draws any (dropout is a hash of seed and place, choices of tokens are the
// host's), so replays change no other draw.
//
// A capture that fails half-way runs nothing. LibTorch's allocator then takes it for one that goes
// on: it asks the graph's object at later allocations whether they are its own, and puts off some
// reuse of memory. So that object is kept for good, and nothing more is recorded by this process.
#include "engine/device/cuda_graph.h"

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "engine/base/library_entry.h"
#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/device/memory.h"

namespace luthier {

namespace {

using PoolId = std::pair<unsigned long long, unsigned long long>;

struct GraphEntries {
  void (*make)(void*, bool keeps) = nullptr;
  void (*unmake)(void*) = nullptr;
  void (*begin)(void*, PoolId, int mode) = nullptr;
  void (*end)(void*) = nullptr;
  void (*replay)(void*) = nullptr;
  PoolId (*make_pool)() = nullptr;
};

std::optional<GraphEntries> found_entries() {
  GraphEntries found;
  const auto entry = [](const char* name, auto& function) {
    return find_entry(RTLD_DEFAULT, name, function);
  };
  const bool whole =
      entry("_ZN2at4cuda9CUDAGraphC1Eb", found.make) &&
      entry("_ZN2at4cuda9CUDAGraphD1Ev", found.unmake) &&
      entry("_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode",
            found.begin) &&
      entry("_ZN2at4cuda9CUDAGraph11capture_endEv", found.end) &&
      entry("_ZN2at4cuda9CUDAGraph6replayEv", found.replay) &&
      entry("_ZN2at4cuda17graph_pool_handleEv", found.make_pool);
  return whole ? std::optional(found) : std::nullopt;
}

/// A name for a pool, which is there as long as a graph is that was captured into it.
class CudaPool : public GraphMemory {
 public:
  explicit CudaPool(PoolId named) : id(named) {}
  const PoolId id;
};

class CudaRecording : public Recording {
 public:
  explicit CudaRecording(const GraphEntries& entries) : entries_(entries) {
    entries_.make(room_, /*keeps=*/false);
  }
  ~CudaRecording() override { entries_.unmake(room_); }
  CudaRecording(const CudaRecording&) = delete;
  CudaRecording& operator=(const CudaRecording&) = delete;
  void replay() override { entries_.replay(room_); }

  void capture(const std::function<void()>& work, PoolId pool) {
    entries_.begin(room_, pool, kCaptureThisThread);
    try {
      work();
    } catch (...) {
      try {
        entries_.end(room_);  // so that the stream can be used again
      } catch (const std::exception&) {
        // the first failure is the one to tell
      }
      throw;
    }
    entries_.end(room_);
  }

 private:
  const GraphEntries& entries_;
  alignas(std::max_align_t) std::byte room_[kGraphRoom];
};

/// Makes a stream of our own the current one, behind what was asked of the one before, and that one
/// wait for it in the end: a graph cannot be captured on the default stream. It is the same one
/// each time, with the workspaces that cuBLAS keeps for a stream.
class OnSideStream {
 public:
  explicit OnSideStream(torch::Device device)
      : guard_(device.type()), own_(guard_.getStream(device)), side_(side_of(device)) {
    let_wait(side_, own_);
    guard_.exchangeStream(side_);
  }
  ~OnSideStream() {
    try {
      guard_.exchangeStream(own_);
      let_wait(own_, side_);
    } catch (const std::exception& failure) {
      log_warning("A stream cannot be joined: " + first_line(failure.what()));
    }
  }
  OnSideStream(const OnSideStream&) = delete;
  OnSideStream& operator=(const OnSideStream&) = delete;

 private:
  static void let_wait(const c10::Stream& waits, const c10::Stream& on) {
    c10::Event reached(on.device_type());
    reached.record(on);
    reached.block(waits);
  }
  c10::Stream side_of(torch::Device device) const {
    static std::mutex mutex;
    static std::map<c10::DeviceIndex, c10::Stream> made;
    const std::lock_guard lock(mutex);
    const auto found = made.find(device.index());
    if (found != made.end()) return found->second;
    return made.emplace(device.index(), guard_.getStreamFromGlobalPool(device)).first->second;
  }

  c10::impl::VirtualGuardImpl guard_;
  c10::Stream own_, side_;
};

class CudaGraphRecorder : public GraphRecorder {
 public:
  explicit CudaGraphRecorder(const GraphEntries& entries) : entries_(entries) {}

  void warm_up(torch::Device device, const std::function<void()>& work) override {
    const c10::DeviceGuard on(device);
    const OnSideStream side(device);
    work();
  }

  std::shared_ptr<GraphMemory> make_memory() override {
    return std::make_shared<CudaPool>(entries_.make_pool());
  }

  std::unique_ptr<Recording> record(torch::Device device, const std::function<void()>& work,
                                    const std::shared_ptr<GraphMemory>& memory) override {
    const c10::DeviceGuard on(device);
    TORCH_CHECK(!broken_.load(), "recording has failed before");
    const auto* pool = dynamic_cast<const CudaPool*>(memory.get());
    release_cached_memory(device);
    std::unique_ptr<CudaRecording> made;
    {
      const OnSideStream side(device);
      made = std::make_unique<CudaRecording>(entries_);
      try {
        made->capture(work, pool ? pool->id : PoolId{0, 0});
      } catch (...) {
        broken_ = true;
        (void)made.release();
        throw;
      }
    }
    made->replay();  // capturing has run nothing
    return made;
  }

 private:
  GraphEntries entries_;
  std::atomic<bool> broken_{false};
};

}  // namespace

GraphRecorder* cuda_graph_recorder() {
  static const std::optional<GraphEntries> entries = found_entries();
  if (!entries) return nullptr;
  static CudaGraphRecorder recorder(*entries);
  return &recorder;
}

}  // namespace luthier
