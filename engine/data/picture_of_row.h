// SPDX-License-Identifier: GPL-3.0-or-later
// The one picture of a row that has it under `image`. Internal to the data room.
#pragma once

#include "engine/data/conversation.h"

namespace luthier {

/// row["image"] as a message that shows it, so that a picture may be written in every way there is.
/// What is wrong with it is said of the row's field `image`.
Result<Conversation> read_picture_of_row(const Json& row, const std::filesystem::path& base,
                                         const std::string& where, RowFault* fault);

}  // namespace luthier
