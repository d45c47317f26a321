// SPDX-License-Identifier: GPL-3.0-or-later
// The pretended device's memory and who hands it out.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>

#include "engine/device/torch.h"

namespace luthier::pretend {

/// Maps the memory and sets the handler that says where host code touched it.
void map_arena();
c10::DeviceAllocator* device_allocator();
/// A block that was kept for a recording (graph.h) is free again.
void give_to_arena(void* block);

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
