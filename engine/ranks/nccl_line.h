// SPDX-License-Identifier: GPL-3.0-or-later
// What ranks send one another from card to card, over NCCL. Its library comes with LibTorch's CUDA
// half and is taken by dlopen, without a header of it: c10d's own wrapper lies in that half, and a
// program that is built beside LibTorch's CPU half alone has no such thing to link.
// Entries and types as NCCL's user guide documents them (2.13 and later).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

struct NcclEntries;

class NcclLine {
 public:
  static constexpr const char* kLibrary = "libnccl.so.2";

  /// By what ranks find one another, as rank 0 makes it and the others are told: bytes. Machine
  /// error where the library is not there or fails.
  static Result<std::string> new_meeting(const std::string& library = kLibrary);
  /// Connects this rank's card with those of all others, which call it at the same time. Machine
  /// error where NCCL refuses (two ranks on one card, among other things) or a rank does not come
  /// within `come`.
  static Result<std::unique_ptr<NcclLine>> join(const std::string& meeting, int rank, int size,
                                                torch::Device device,
                                                std::chrono::milliseconds come,
                                                const std::string& library = kLibrary);
  ~NcclLine();
  NcclLine(const NcclLine&) = delete;
  NcclLine& operator=(const NcclLine&) = delete;

  torch::Device device() const { return device_; }

  /// Whether to go on waiting for the others.
  using GoOn = std::function<Status()>;

  // Both take [n] uint8 on the device, are called by all ranks, and wait until the card is done;
  // `go_on` is asked meanwhile, since a rank that is gone leaves cards that wait for ever. After an
  // error nothing more can be sent.

  /// `to[r]` bytes of `out` for each rank r, in their order; → `from[r]` of each rank's, in `in`.
  Status exchange(const torch::Tensor& out, const std::vector<std::int64_t>& to, torch::Tensor& in,
                  const std::vector<std::int64_t>& from, const GoOn& go_on);
  /// Bytes of all ranks, as many of each, in their order: `all` [ranks · n].
  Status gather(const torch::Tensor& mine, torch::Tensor& all, const GoOn& go_on);

 private:
  NcclLine(std::shared_ptr<const NcclEntries> nccl, void* communicator, int rank, int size,
           torch::Device device)
      : nccl_(std::move(nccl)),
        communicator_(communicator),
        rank_(rank),
        size_(size),
        device_(device) {}
  Status finished(const char* what, const GoOn& go_on);
  /// Cards that wait come out of it.
  void abort();

  const std::shared_ptr<const NcclEntries> nccl_;
  void* communicator_;
  const int rank_, size_;
  const torch::Device device_;
};

}  // namespace luthier
