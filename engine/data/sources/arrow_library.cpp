// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/sources/arrow_library.h"

#include <filesystem>
#include <string>

#include "engine/base/library_entry.h"

namespace luthier::detail {

namespace {

namespace fs = std::filesystem;

constexpr const char* kArrowModule = "libluthier_arrow.so";

/// Beside the program, and where a build has it beside its tests.
const LuthierArrowEntries* load_arrow(std::string& problem) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& folder : {program, program / "../bin", program / "../lib/luthier"}) {
    const fs::path file = folder / kArrowModule;
    if (!fs::exists(file, ignored)) continue;
    void* const module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    const LuthierArrowEntries* (*entries)() = nullptr;
    if (!module)
      problem = loader_words(file.string());
    else if (!find_entry(module, "luthier_arrow_entries", entries))
      problem = file.string() + " has no luthier_arrow_entries";
    else if (entries()->version != LUTHIER_ARROW_VERSION)
      problem = file.string() + " is of another build";
    else
      return entries();
    return nullptr;
  }
  problem = std::string(kArrowModule) + " is not beside the program";
  return nullptr;
}

}  // namespace

Result<const LuthierArrowEntries*> arrow_library() {
  static std::string problem;
  static const LuthierArrowEntries* const entries = load_arrow(problem);
  if (entries) return entries;
  return machine_error(
      "Parquet and Arrow files are read by Apache Arrow's libraries, which cannot be loaded: " +
          problem + ".",
      {},
      "Run `./luthier setup` and `./luthier build`, or write the rows as JSON lines (to_json in "
      "the "
      "datasets library).");
}

}  // namespace luthier::detail
