// SPDX-License-Identifier: GPL-3.0-or-later
// LibTorch's CUDA half is not linked: loading it costs a machine without a device a hundred
// megabytes and a third of a second. It registers itself when it is loaded, which must come before
// the first question about CUDA.
#pragma once

#include <filesystem>
#include <string>

namespace luthier {

/// Whether the system has an NVIDIA device.
bool has_nvidia_node();

/// The folder that this process's LibTorch was loaded from; empty: nobody knows.
std::filesystem::path libtorch_folder();
/// LibTorch's CUDA half in that folder; empty: this LibTorch is without one. Which LibTorch it is
/// shows at run time: a program that was built beside one without CUDA is carried to a machine
/// whose own has it.
std::filesystem::path cuda_half(const std::filesystem::path& folder = libtorch_folder());

/// Loads the CUDA half, where there is one, where the system has an NVIDIA device. Call at program
/// start; later calls do nothing.
void load_cuda_libraries();
/// The loader's words where that failed; empty: it did not, or there was nothing to load.
std::string cuda_libraries_problem();

/// cuBLAS adds in one order only in workspaces of a fixed size. It reads CUBLAS_WORKSPACE_CONFIG
/// when a program's first product is made; load_cuda_libraries sets it where the person has not.
std::string cublas_workspaces();
void fix_cublas_workspaces();
/// Whether the setting in force, the person's own perhaps, is one of the two that do that.
bool cublas_workspaces_are_fixed();

}  // namespace luthier
