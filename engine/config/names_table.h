// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the config room: the two halves of the table of names elsewhere.
#pragma once

#include <string>
#include <vector>

#include "engine/config/names_elsewhere.h"

namespace luthier {

void add_names_with_setting(std::vector<NameElsewhere>& rows);
void add_names_without_setting(std::vector<NameElsewhere>& rows);

/// The words of a text, which spaces separate.
std::vector<std::string> words_of(const char* text);

}  // namespace luthier
