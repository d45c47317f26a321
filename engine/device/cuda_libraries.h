// SPDX-License-Identifier: GPL-3.0-or-later
// LibTorch's CUDA half is not linked: loading it costs a machine without a device a hundred
// megabytes and a third of a second. It registers itself when it is loaded, which must come before
// the first question about CUDA.
#pragma once

namespace luthier {

/// Loads libtorch_cuda.so where the system has an NVIDIA device. Call at program start; later calls
/// do nothing.
void load_cuda_libraries();

}  // namespace luthier
