// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/nccl_line.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <thread>

#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "engine/base/library_entry.h"

namespace luthier {
namespace {

constexpr int kDone = 0, kInProgress = 7;                           // ncclResult_t
constexpr int kBytes = 1;                                           // ncclDataType_t: ncclUint8
constexpr std::chrono::microseconds kShortest{20}, kLongest{1000};  ///< between two looks

struct Meeting {  // ncclUniqueId
  std::array<char, 128> bytes;
};

c10::Stream stream_of(torch::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

struct NcclEntries {
  int (*meeting)(Meeting*) = nullptr;
  int (*join)(void**, int, Meeting, int) = nullptr;
  int (*abort)(void*) = nullptr;
  int (*fault)(void*, int*) = nullptr;
  int (*begin)() = nullptr;
  int (*end)() = nullptr;
  int (*send)(const void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*receive)(void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*gather)(const void*, void*, std::size_t, int, void*, void*) = nullptr;
  const char* (*words)(int) = nullptr;
  const char* (*last_words)(void*) = nullptr;

  static Result<std::shared_ptr<const NcclEntries>> of(const std::string& file) {
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    auto made = std::make_shared<NcclEntries>();
    const auto entry = [library](const char* name, auto& function) {
      return find_entry(library, name, function);
    };
    const bool whole =
        library && entry("ncclGetUniqueId", made->meeting) &&
        entry("ncclCommInitRank", made->join) && entry("ncclCommAbort", made->abort) &&
        entry("ncclCommGetAsyncError", made->fault) && entry("ncclGroupStart", made->begin) &&
        entry("ncclGroupEnd", made->end) && entry("ncclSend", made->send) &&
        entry("ncclRecv", made->receive) && entry("ncclAllGather", made->gather) &&
        entry("ncclGetErrorString", made->words) && entry("ncclGetLastError", made->last_words);
    if (!whole) return machine_error(loader_words(file + " cannot be loaded"));
    return std::shared_ptr<const NcclEntries>(std::move(made));
  }

  Status succeeds(const char* call, int result, void* communicator = nullptr) const {
    if (result == kDone || result == kInProgress) return {};
    const char* more = last_words(communicator);
    return machine_error(std::string(call) + " answers " + std::to_string(result) + " (" +
                         words(result) + (more && *more ? std::string(": ") + more : "") + ").");
  }
};

Result<std::string> NcclLine::new_meeting(const std::string& library) {
  LUTHIER_TRY(const auto nccl, NcclEntries::of(library));
  Meeting meeting{};
  LUTHIER_CHECK(nccl->succeeds("ncclGetUniqueId", nccl->meeting(&meeting)));
  return std::string(meeting.bytes.data(), meeting.bytes.size());
}

Result<std::unique_ptr<NcclLine>> NcclLine::join(const std::string& meeting, int rank, int size,
                                                 torch::Device device,
                                                 std::chrono::milliseconds come,
                                                 const std::string& library) {
  LUTHIER_TRY(const auto nccl, NcclEntries::of(library));
  Meeting at{};
  if (meeting.size() != at.bytes.size())
    return machine_error("Rank 0 said no place where cards meet.", "",
                         "Start all ranks from one build.");
  std::memcpy(at.bytes.data(), meeting.data(), meeting.size());
  // NCCL waits for the others without a limit, so it waits beside this thread. One that never comes
  // back keeps what it needs, and the run goes on without it.
  std::promise<std::pair<int, void*>> promise;
  auto joined = promise.get_future();
  std::thread([nccl, at, rank, size, device, promise = std::move(promise)]() mutable {
    const c10::DeviceGuard guard(device);
    void* communicator = nullptr;
    const int result = nccl->join(&communicator, size, at, rank);
    promise.set_value({result, communicator});
  }).detach();
  if (joined.wait_for(come) != std::future_status::ready)
    return machine_error("The cards of all ranks did not find one another within " +
                         std::to_string(std::chrono::ceil<std::chrono::seconds>(come).count()) +
                         " s.");
  const auto [result, communicator] = joined.get();
  LUTHIER_CHECK(nccl->succeeds("ncclCommInitRank", result));
  return std::unique_ptr<NcclLine>(new NcclLine(nccl, communicator, rank, size, device));
}

NcclLine::~NcclLine() { abort(); }

void NcclLine::abort() {
  // Where all is done nothing is cut short by it; the gentler call waits for the other ranks.
  if (void* communicator = std::exchange(communicator_, nullptr)) nccl_->abort(communicator);
}

Status NcclLine::finished(const char* what, const GoOn& go_on) {
  c10::Event done(device_.type());
  done.record(stream_of(device_));
  for (auto pause = kShortest; !done.query(); pause = std::min(2 * pause, kLongest)) {
    int fault = kDone;
    Status status = nccl_->succeeds("ncclCommGetAsyncError", nccl_->fault(communicator_, &fault));
    if (status) status = nccl_->succeeds(what, fault, communicator_);
    if (status) status = go_on();
    if (!status) {
      abort();
      return status;
    }
    std::this_thread::sleep_for(pause);
  }
  return {};
}

Status NcclLine::exchange(const torch::Tensor& out, const std::vector<std::int64_t>& to,
                          torch::Tensor& in, const std::vector<std::int64_t>& from,
                          const GoOn& go_on) {
  if (!communicator_) return machine_error("The line between the cards is cut.");
  const c10::DeviceGuard guard(device_);
  void* stream = stream_of(device_).native_handle();
  const auto* leaving = static_cast<const char*>(out.const_data_ptr());
  auto* arriving = static_cast<char*>(in.mutable_data_ptr());
  std::int64_t out_at = 0, in_at = 0;
  Status status = nccl_->succeeds("ncclGroupStart", nccl_->begin());
  for (int other = 0; status && other < size_; ++other) {
    const auto r = static_cast<std::size_t>(other);
    if (other == rank_) {
      in.narrow(0, in_at, from[r]).copy_(out.narrow(0, out_at, to[r]));
    } else {
      if (to[r] > 0)
        status = nccl_->succeeds(
            "ncclSend", nccl_->send(leaving + out_at, static_cast<std::size_t>(to[r]), kBytes,
                                    other, communicator_, stream));
      if (status && from[r] > 0)
        status = nccl_->succeeds(
            "ncclRecv", nccl_->receive(arriving + in_at, static_cast<std::size_t>(from[r]), kBytes,
                                       other, communicator_, stream));
    }
    out_at += to[r];
    in_at += from[r];
  }
  if (status) status = nccl_->succeeds("ncclGroupEnd", nccl_->end(), communicator_);
  if (status) return finished("ncclSend", go_on);
  abort();
  return status;
}

Status NcclLine::gather(const torch::Tensor& mine, torch::Tensor& all, const GoOn& go_on) {
  if (!communicator_) return machine_error("The line between the cards is cut.");
  const c10::DeviceGuard guard(device_);
  const Status status =
      nccl_->succeeds("ncclAllGather",
                      nccl_->gather(mine.const_data_ptr(), all.mutable_data_ptr(),
                                    static_cast<std::size_t>(mine.numel()), kBytes, communicator_,
                                    stream_of(device_).native_handle()),
                      communicator_);
  if (status) return finished("ncclAllGather", go_on);
  abort();
  return status;
}

}  // namespace luthier
