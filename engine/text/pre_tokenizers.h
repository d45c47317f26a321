// SPDX-License-Identifier: GPL-3.0-or-later
// The `pre_tokenizer` section of tokenizer.json: where normalized text is cut before the model sees
// it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/added_tokens.h"

namespace luthier {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Cuts the parts that are still text; added tokens stay as they are.
  virtual Status apply(std::vector<TextPart>& parts) const = 0;
};

/// Reads the section (nullptr result: none). `where` is file and field.
Result<std::unique_ptr<PreTokenizer>> read_pre_tokenizer(const SortedJson& value,
                                                         const std::string& where);

}  // namespace luthier
