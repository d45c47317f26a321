// SPDX-License-Identifier: GPL-3.0-or-later
// What folders of some families hold for sound, which is no part of the models here: adapters that
// PEFT made have tensors there, too, and answer the same without them as long as nothing is heard.
#pragma once

#include <string>

namespace luthier {

/// Whether the in-memory name is of a part that the family leaves unread.
bool is_left_unread(const std::string& model_type, const std::string& name);

}  // namespace luthier
