// SPDX-License-Identifier: GPL-3.0-or-later
// Measures of one text beside another that rewards and Compare's scores have in common.
#pragma once

#include <map>
#include <string>

namespace luthier {

/// Of each thing, how often it is there.
using TextCounts = std::map<std::string, int>;
/// How many of all things both have.
int shared_count(const TextCounts& a, const TextCounts& b);
int total_count(const TextCounts& counts);

/// Whether both are equal, white space at their ends left out.
bool same_text(const std::string& answer, const std::string& expected);
/// F1 of the words that both have (SQuAD's, of words as white space parts them), 0 to 1.
double token_f1(const std::string& answer, const std::string& expected);
/// Whether a text is one JSON object or list.
bool is_json_document(const std::string& text);

}  // namespace luthier
