// SPDX-License-Identifier: GPL-3.0-or-later
// Values of Arrow's arrays as JSON text. Inside the module alone.
#pragma once

#include <arrow/api.h>

#include <string>

namespace luthier::arrow_module {

/// A row of a batch as a JSON object.
arrow::Status append_row(std::string& json, const arrow::RecordBatch& batch, std::int64_t row);

/// A text in JSON's quotes.
void append_text(std::string& json, std::string_view text);

}  // namespace luthier::arrow_module
