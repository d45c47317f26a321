// SPDX-License-Identifier: GPL-3.0-or-later
// What a row says, for searching and comparing: its texts without the bytes of its pictures.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/data/conversation.h"
#include "engine/io/json.h"

namespace luthier {

/// Each text and number of a row, with its key; bytes of pictures are passed over. `say` ends the
/// walk by returning false.
void each_text(const Json& row,
               const std::function<bool(const std::string& key, std::string_view text)>& say);

/// The value at a column's name or path as text; empty: there is none.
std::string column_text(const Json& row, const std::string& column);

/// The last answer of the assistant, or the chosen one; empty: there is none.
std::string answer_text(const Conversation& row);
/// All turns one after another.
std::string spoken_text(const Conversation& row);
/// The first picture; empty: none.
std::filesystem::path first_picture(const Conversation& row);

}  // namespace luthier
