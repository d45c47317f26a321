// SPDX-License-Identifier: GPL-3.0-or-later
// A path in a command that a person copies into a shell.
#pragma once

#include <string>

namespace luthier::cli {

/// As it is where a shell takes it for one word, else in single quotes.
std::string as_shell_word(const std::string& text);

}  // namespace luthier::cli
