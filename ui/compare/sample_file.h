// SPDX-License-Identifier: GPL-3.0-or-later
// Where a comparison's samples and adapters come from: rows of a file, and results of runs beside the recipe's own.
#pragma once

#include <QStringList>

#include "engine/session/session.h"

namespace luthier {

/// The first `count` readable rows of a file as samples; relative picture paths start at
/// `image_folder`, or beside the file. For a worker thread: it reads the file.
Result<std::vector<Sample>> read_samples(const QString& file, std::size_t count,
                                         const std::filesystem::path& image_folder = {});

/// Adapter folders of the runs that lie beside the recipe's run folder, newest first.
QStringList finished_adapters(const Recipe& recipe);

}  // namespace luthier
