// SPDX-License-Identifier: GPL-3.0-or-later
// Where the stand-ins for the driver's libraries lie, and how a test puts them in the real ones'
// place: a library of its name that is loaded already is what the engine gets when it asks for it.
#pragma once

#include <dlfcn.h>

#include <string>

namespace luthier::test {

inline std::string fake_driver_file(const char* library) {
  return std::string(LUTHIER_BINARY_DIR) + "/tests/fake_driver/" + library;
}

/// Empty, or which of them cannot be loaded.
inline std::string load_fake_driver() {
  for (const char* library : {"libcuda.so.1", "libnvidia-ml.so.1"})
    if (!dlopen(fake_driver_file(library).c_str(), RTLD_NOW)) return library;
  return {};
}

}  // namespace luthier::test
