// SPDX-License-Identifier: GPL-3.0-or-later
// One trainer a folder: an advisory lock on a file in it that the system itself drops when the
// process dies, and a way to ask who holds it that never takes it.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/base/result.h"

namespace luthier {

inline constexpr const char* kRunLockName = ".lock";

/// Takes the lock of `folder` (which exists); an Input error when somebody else trains there. Held
/// until the last copy is dropped.
Result<std::shared_ptr<const void>> lock_run(const std::filesystem::path& folder);
bool run_is_locked(const std::filesystem::path& folder);

}  // namespace luthier
