// SPDX-License-Identifier: GPL-3.0-or-later
// A conversation as a row's `messages`, for files that a run writes: what they hold of pictures and
// films can be read again from any folder.
#pragma once

#include <vector>

#include "engine/data/conversation.h"

namespace luthier {

/// Text, pictures (absolute paths, or inline ones as they are) and films; read_conversation reads
/// it back.
Json written_messages(const std::vector<Message>& messages);

}  // namespace luthier
