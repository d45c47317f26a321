// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with the words of a command line, as a sentence that names the option: CLI11 says
// that something could not be converted, cuts numbers off where they are too large, and takes "nan"
// for one.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

namespace luthier::cli {

/// The first value of this verb that is no number where one is needed: not a whole one, out of what
/// 64 bits hold, below 0 where there is no such count, or not finite. Nothing: all are.
std::optional<std::string> wrong_number(const CLI::App& verb);

/// What CLI11 refused of this verb's words, with the nearest option or value where one was
/// misspelt.
std::string refused_words(const CLI::App& verb, const CLI::ParseError& problem);

}  // namespace luthier::cli
