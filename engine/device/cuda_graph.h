// SPDX-License-Identifier: GPL-3.0-or-later
// CUDA graphs, through LibTorch's at::cuda::CUDAGraph: it brings the graph, its own part of the
// caching allocator, and the state of random generators together.
#pragma once

#include <cstddef>

#include "engine/device/graph.h"

namespace luthier {

/// For an object of that class, whose header is not asked for.
inline constexpr std::size_t kGraphRoom = 1024;
/// cudaStreamCaptureModeThreadLocal: what other threads ask of CUDA meanwhile is none of it.
inline constexpr int kCaptureThisThread = 1;

/// Null where LibTorch's CUDA half is not loaded, or is another LibTorch's.
GraphRecorder* cuda_graph_recorder();

}  // namespace luthier
