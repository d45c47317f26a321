// SPDX-License-Identifier: GPL-3.0-or-later
// The pretended device's memory and who hands it out.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include <c10/core/CachingDeviceAllocator.h>

#include "engine/device/torch.h"

namespace luthier::pretend {

/// Maps the memory and sets the handler that says where host code touched it.
void map_arena();
c10::DeviceAllocator* device_allocator();

/// Memory of recordings (graph.h), as a card's graphs have it: what is allocated while one is made
/// comes from it, and goes back to it when it is freed. Its own size is what live_bytes() counts.
class Pool {
 public:
  Pool();
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  friend class PoolInUse;
  friend bool give_to_pool(void* block);
  friend void* take_from_pool(std::size_t bytes);
  void* take(std::size_t bytes);

  std::map<std::size_t, std::size_t> free_, used_;  ///< offset → bytes
  std::vector<void*> chunks_;
};

/// This thread allocates from the pool while one stands.
class PoolInUse {
 public:
  explicit PoolInUse(Pool& pool);
  ~PoolInUse();
  PoolInUse(const PoolInUse&) = delete;
  PoolInUse& operator=(const PoolInUse&) = delete;
};

/// What lies in the device's memory, kept to be put back. In a dry step nothing is.
class Snapshot {
 public:
  Snapshot();
  void put_back() const;

 private:
  std::vector<std::pair<std::size_t, std::vector<char>>> blocks_;
};

/// A tensor of the device as another that does not keep its memory: what a recording knows of it.
/// Others as they are.
torch::Tensor unowned(const torch::Tensor& tensor);

/// The same elements through the mapping that the host may read; a tensor that is not the device's
/// as it is.
torch::Tensor readable(const torch::Tensor& tensor);
/// Whether the readable mapping holds this address.
bool is_readable(const void* address);
/// The same byte through that mapping; null is null.
void* readable_address(void* device_address);
/// Where a device tensor's storage begins in the readable mapping.
const char* readable_storage(const torch::Tensor& tensor);

}  // namespace luthier::pretend
