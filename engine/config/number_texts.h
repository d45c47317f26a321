// SPDX-License-Identifier: GPL-3.0-or-later
// Lists of settings whose entries are numbers, kept as they are written (Row::numbers).
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

/// Refuses an entry that is no number, under the setting's key.
Status check_number_texts(const std::string& key, const std::vector<std::string>& texts);
/// The entries of a list that was checked.
std::vector<double> numbers_of(const std::vector<std::string>& texts);

}  // namespace luthier
