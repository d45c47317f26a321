// SPDX-License-Identifier: GPL-3.0-or-later
// A combined adapter on its base as its folder would come there, but through a file that has no
// name and lies in memory: what reads an adapter's file is written once.
#include <sys/mman.h>

#include <cerrno>

#include "engine/io/system_error.h"
#include "engine/methods/arithmetic/combine.h"
#include "engine/methods/build_adapter.h"
#include "engine/models/tensor_file.h"

namespace luthier {

namespace {

constexpr const char* kCombined = "the combined adapter";

/// Gone when nobody has it open any more.
Result<Descriptor> file_in_memory() {
  Descriptor file(::memfd_create("luthier-combined", MFD_CLOEXEC));
  if (file.get() < 0)
    return system_error("The combined adapter cannot be held in memory", kCombined, errno);
  return file;
}

/// What is said of the file in memory, said of what it holds.
Error of_combined(Error error, const std::string& path) {
  for (std::string* text : {&error.where, &error.what, &error.hint}) {
    for (auto at = text->find(path); at != std::string::npos; at = text->find(path, at))
      text->replace(at, path.size(), kCombined);
  }
  return error;
}

}  // namespace

Result<std::shared_ptr<Adapter>> load_combined(LoadedModel& base, const Combined& combined) {
  LUTHIER_TRY(const Descriptor memory, file_in_memory());
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  LUTHIER_CHECK(write_tensor_file(path, combined.tensors));
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  auto adapter = build_from(*combined.method, base, combined.settings, file);
  if (!adapter) return of_combined(adapter.error(), path);
  (*adapter)->pixels = combined.pixels.value_or(MediaLimits());
  return adapter;
}

}  // namespace luthier
