// SPDX-License-Identifier: GPL-3.0-or-later
// Where the pretended device's work is written down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/device/torch.h"

namespace luthier::pretend {

/// What one kernel (or several of a list) comes to.
struct Work {
  std::string name;
  double bytes = 0, flops = 0;
  std::int64_t launches = 1;
  enum class Kind { Other, Product, WideProduct, Attention } kind = Kind::Other;
};
void record(const Work& work);
void record_copy(bool up, std::int64_t bytes);
/// The host waits for the device in `what`.
void record_wait(const std::string& what);
void record_host_scalar();

/// Bytes of the elements that the tensor reaches: an expanded axis counts once.
double reach(const torch::Tensor& tensor);
double reach(at::TensorList tensors);

bool is_dry();
/// Work on such numbers is left out in a dry step: floating-point ones and masks, not indices.
bool is_large(const torch::Tensor& tensor);

/// The engine's function that is running; "the test" where there is none of it on the stack.
std::string engine_place();
/// The engine's functions among these frames, the innermost first, at most so many.
std::string engine_places(void* const* frames, int count, int most);

}  // namespace luthier::pretend
