// SPDX-License-Identifier: GPL-3.0-or-later
// What a test says to the stand-in for the driver's library (fake_launches.cpp) and hears of it: a
// shared library, so that the code that loads and asks a driver really runs.
#pragma once

namespace luthier::test {

/// `call` ("cuModuleLoadData", or of one thing alone: "cuModuleLoadData a binary") answers `code`
/// from now on; "": all succeed.
using FailFake = void (*)(const char* call, int code);
/// Forgets contexts, modules and what was written down.
using ForgetFake = void (*)();
/// What was asked, a line each: "cuLaunchKernel gated_forward_float 3x1 blocks of 64, stream 7".
using HearFake = const char* (*)();

inline constexpr int kFakeFault = 700, kFakeFull = 2;  // CUDA_ERROR_ILLEGAL_ADDRESS, OUT_OF_MEMORY

}  // namespace luthier::test
