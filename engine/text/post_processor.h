// SPDX-License-Identifier: GPL-3.0-or-later
// The `post_processor` section of tokenizer.json for single texts: which special tokens stand
// around the text's own.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/token_model.h"
#include "engine/text/tokenizer.h"

namespace luthier {

class PostProcessor {
 public:
  /// Reads the section; null gives one that does nothing.
  static Result<PostProcessor> read(const SortedJson& value, const std::string& where);
  /// A template of the given ids around the text.
  static PostProcessor around(std::vector<std::int32_t> before, std::vector<std::int32_t> after);

  /// Puts the special tokens around `tokens` (their spans are empty and stand where the text begins
  /// or ends).
  Status apply(std::vector<ModelToken>& tokens) const;
  /// What its last step that knows of two texts does with them; empty: none does.
  const std::vector<PairPiece>& pair() const { return pair_; }
  /// The largest id that it adds, or -1.
  std::int32_t largest_id() const;

 private:
  /// One step's pieces in order; nullopt is the text so far.
  struct Step {
    std::vector<std::optional<std::int32_t>> pieces;
  };
  Status read_step(const SortedJson& value, const std::string& where, std::size_t depth);
  Status read_template(const SortedJson& value, const std::string& where);
  Status read_pair(const SortedJson& value, const SortedJson* tokens, const std::string& where);
  std::vector<Step> steps_;
  std::vector<PairPiece> pair_;
  std::string where_;
};

}  // namespace luthier
