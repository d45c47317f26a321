// SPDX-License-Identifier: GPL-3.0-or-later
// What a program finds out of its machine once and may forget: files below one folder of the user's
// cache, which several processes share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace luthier {

/// XDG_CACHE_HOME/luthier, else ~/.cache/luthier; empty where neither is known.
std::filesystem::path own_cache_folder();

/// What stands there under `name`, which is a path below own_cache_folder().
std::optional<std::string> found_before(const std::string& name);
/// Puts `found` there, unless another process was first: what stands there then. Where nothing can
/// be written it is `found` itself, and the next process finds out anew.
std::string found_first(const std::string& name, std::string_view found);

}  // namespace luthier
