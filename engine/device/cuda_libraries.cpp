// SPDX-License-Identifier: GPL-3.0-or-later
// Found beside LibTorch's other libraries, wherever the loader found those.
#include "engine/device/cuda_libraries.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
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

std::filesystem::path libtorch_folder() {
  std::filesystem::path folder;
  void* torch = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  if (!torch) return folder;
  struct link_map* map = nullptr;
  if (dlinfo(torch, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name)
    folder = std::filesystem::path(map->l_name).parent_path();
  dlclose(torch);
  return folder;
}

std::filesystem::path cuda_half(const std::filesystem::path& folder) {
  std::error_code absent;
  const std::filesystem::path library = folder / "libtorch_cuda.so";
  return !folder.empty() && std::filesystem::exists(library, absent) ? library
                                                                     : std::filesystem::path();
}

void load_cuda_libraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (!has_nvidia_node()) return;
    const std::filesystem::path library = cuda_half();
    if (library.empty()) return;
    fix_cublas_workspaces();
    if (!dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
      const char* reason = dlerror();
      loading_problem() = reason ? reason : "libtorch_cuda.so was not loaded";
      log_warning("CUDA cannot be used: " + loading_problem() + ".");
    }
  });
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
