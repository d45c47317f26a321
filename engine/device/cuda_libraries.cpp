// SPDX-License-Identifier: GPL-3.0-or-later
// Found as the program's other libraries are (its run path, or the launcher's search path).
#include "engine/device/cuda_libraries.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "engine/base/log.h"

namespace luthier {
namespace {

constexpr const char* kWorkspaceSetting = "CUBLAS_WORKSPACE_CONFIG";

std::string& loading_problem() {
  static std::string words;
  return words;
}

}  // namespace

bool has_nvidia_node() {
  std::error_code absent;
  for (const char* node : {"/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-gpu"})
    if (std::filesystem::exists(node, absent)) return true;
  return false;
}

void load_cuda_libraries() {
#ifdef LUTHIER_HAS_CUDA_LIBRARIES
  static std::once_flag once;
  std::call_once(once, [] {
    if (!has_nvidia_node()) return;
    fix_cublas_workspaces();
    if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
      const char* reason = dlerror();
      loading_problem() = reason ? reason : "libtorch_cuda.so was not loaded";
      log_warning("CUDA cannot be used: " + loading_problem() + ".");
    }
  });
#endif
}

std::string cublas_workspaces() {
  const char* value = std::getenv(kWorkspaceSetting);
  return value ? value : "";
}

void fix_cublas_workspaces() { setenv(kWorkspaceSetting, ":4096:8", /*overwrite=*/0); }

bool cublas_workspaces_are_fixed() {
  return cublas_workspaces() == ":4096:8" || cublas_workspaces() == ":16:8";
}

std::string cuda_libraries_problem() { return loading_problem(); }

}  // namespace luthier
