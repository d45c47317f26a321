// SPDX-License-Identifier: GPL-3.0-or-later
// Entries of a library that is loaded when it is first asked for: the NVIDIA driver's and CUDA's
// compiler, of which a build has no header, and FFmpeg's, which few runs need.
#pragma once

#include <dlfcn.h>

#include <string>

namespace luthier {

/// Sets `entry` to the library's function of that name; false: it has none.
template <class Function>
bool find_entry(void* library, const char* name, Function& entry) {
  entry = reinterpret_cast<Function>(dlsym(library, name));
  return entry != nullptr;
}

/// The loader's words about what just failed; `otherwise` where it has none.
inline std::string loader_words(const std::string& otherwise) {
  const char* words = dlerror();
  return words ? words : otherwise;
}

}  // namespace luthier
