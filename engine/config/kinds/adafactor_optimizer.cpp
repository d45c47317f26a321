// SPDX-License-Identifier: GPL-3.0-or-later
// Adafactor (Shazeer & Stern 2018): of a matrix the means of its squared gradients by row and by
// column, of anything else one moment a trained number.
#include "engine/config/kinds.h"

namespace luthier {

namespace {

std::vector<StateTensor> rows_and_columns(const TrainedShape& trained, const Recipe&) {
  const std::vector<std::int64_t>& shape = trained.sizes;
  if (shape.size() < 2) return {{"exp_avg_sq", shape}};
  std::vector<std::int64_t> rows(shape.begin(), shape.end() - 1), columns(rows);
  columns.back() = shape.back();
  return {{"exp_avg_sq_row", rows}, {"exp_avg_sq_col", columns}};
}

}  // namespace

OptimizerKind adafactor_optimizer_kind() {
  OptimizerKind kind{{"adafactor",
                      "Adafactor: second moments kept by row and column, next to no memory.",
                      {},
                      {},
                      {},
                      nullptr}};
  kind.state = rows_and_columns;
  return kind;
}

}  // namespace luthier
