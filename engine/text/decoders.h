// SPDX-License-Identifier: GPL-3.0-or-later
// The `decoder` section of tokenizer.json: pieces back to text. Each step rewrites the list of
// pieces.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual Status apply(std::vector<std::string>& pieces) const = 0;
};

/// Reads the section (nullptr result: none; pieces are then joined with spaces). `where` is file
/// and field.
Result<std::unique_ptr<Decoder>> read_decoder(const SortedJson& value, const std::string& where);

/// Takes the spaces away that word-by-word decoding leaves before punctuation and contractions.
std::string clean_up_spaces(std::string text, bool wordpiece);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace luthier
