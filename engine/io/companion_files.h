// SPDX-License-Identifier: GPL-3.0-or-later
// What a checkpoint folder holds beside its weights: configurations, tokenizer, templates, licence,
// model card. A result made from it keeps all of that, whatever it is called: only weights, and
// what describes their files, stay behind.
#pragma once

#include <filesystem>
#include <string>

#include "engine/base/result.h"

namespace luthier {

/// Whether a file of this name holds weights (or an optimizer's or trainer's state), or is an index
/// of such files.
bool is_weights_file(const std::string& name);

/// Copies from one checkpoint folder to another (which exists) all files but weights, hidden ones,
/// and what lies in a folder that is a model, an adapter or a run of its own. Links are followed
/// where a checkpoint's may be (see resolve_inside) and left out with a warning elsewhere, as are
/// files too large to be anything but weights.
Status copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace luthier
