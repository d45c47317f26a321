// SPDX-License-Identifier: GPL-3.0-or-later
// The options by which every part of `luthier-cli data` opens its rows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/cli/verbs.h"
#include "engine/data/columns.h"
#include "engine/data/dataset.h"

namespace luthier::cli {

struct RowOptions {
  std::string dataset, image_folder, question, answer, objective;
  std::vector<std::string> columns;
};

/// DATASET, --image-folder, --columns, --question, --answer and --objective.
void add_row_options(CLI::App& app, RowOptions& options);
Result<std::shared_ptr<const Dataset>> open_rows(const RowOptions& options);
/// That no row has this column, which `where` names, with the nearest one that they have.
Error no_such_column(const Dataset& dataset, const std::string& column, const std::string& where);
/// Of the objective that was named, else whichever a row fits.
const RowKind& row_kind_of(const RowOptions& options);

}  // namespace luthier::cli
