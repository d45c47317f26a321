// SPDX-License-Identifier: GPL-3.0-or-later
// Whether bytes are UTF-8 as RFC 3629 has it (no overlong forms, no surrogates), and cutting a text
// without breaking a character: what every reader of foreign files and every message that quotes
// one needs.
#pragma once

#include <string>
#include <string_view>

namespace luthier {

bool is_utf8(std::string_view text);

/// At most `max_bytes` of `text`, ending at a character's edge, with "..." when something was left
/// out.
std::string shortened(std::string_view text, std::size_t max_bytes);

}  // namespace luthier
