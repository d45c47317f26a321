// SPDX-License-Identifier: GPL-3.0-or-later
// Comma-separated values as RFC 4180 has them and spreadsheets write them: fields in quotes may
// hold separators, line ends and doubled quotes. Internal to the data room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/dataset_index.h"

namespace luthier::detail {

/// The separator of a table by its first line: comma, semicolon, tab or bar, whichever stands there
/// most often outside of quotes; comma where none does.
char separator_of(std::string_view text);

/// Where the records stand, the head among them; blank lines are passed over. An error where a
/// quote is never closed. A quote opens at a field's start alone; elsewhere it is a letter.
Result<RowSpans> index_csv(std::string_view text, char separator, const std::string& where,
                           const Passed& passed = {});

/// One record's fields. What follows a closing quote belongs to the field as it is written.
std::vector<std::string> csv_fields(std::string_view record, char separator);

/// The head's names: blank ones become "column 3"; an error where two are the same.
Result<std::vector<std::string>> csv_names(std::string_view record, char separator,
                                           const std::string& where);

}  // namespace luthier::detail
