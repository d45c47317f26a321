// SPDX-License-Identifier: GPL-3.0-or-later
// Found as the program's other libraries are (its run path, or the launcher's search path).
#include "engine/device/cuda_libraries.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "engine/base/log.h"

namespace luthier {

void load_cuda_libraries() {
#ifdef LUTHIER_HAS_CUDA_LIBRARIES
  static std::once_flag once;
  std::call_once(once, [] {
    std::error_code absent;
    bool device = false;
    for (const char* node : {"/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-gpu"})
      device = device || std::filesystem::exists(node, absent);
    if (!device) return;
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8",
           /*overwrite=*/0);  // the same products give the same bits
    if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
      const char* reason = dlerror();
      log_warning(std::string("CUDA cannot be used: ") +
                  (reason ? reason : "libtorch_cuda.so was not loaded") + ".");
    }
  });
#endif
}

}  // namespace luthier
