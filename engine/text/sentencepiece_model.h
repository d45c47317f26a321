// SPDX-License-Identifier: GPL-3.0-or-later
// tokenizer.model read and checked here before sentencepiece sees it: the library trusts sizes,
// offsets and trie links of a ModelProto and crashes on hostile ones. What passes is written anew,
// with the known fields only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct SentencePieceModel {
  enum class Type : std::uint8_t {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6
  };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::Normal;
  };
  std::vector<Piece> pieces;
  bool bpe = false;  ///< else unigram
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  std::int32_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;  ///< as the file says; -1: none
  std::string unk_surface = " \xE2\x81\x87 ";
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>";
  std::string charsmap, denormalizer_charsmap;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;

  /// The ModelProto, with these fields only.
  std::string serialize() const;
};

/// Reads and checks a ModelProto. `where` names the file.
Result<SentencePieceModel> read_sentencepiece_model(std::string_view bytes,
                                                    const std::string& where);
/// The same, for the sake of the verdict.
Status validate_sentencepiece_model(std::string_view bytes);

}  // namespace luthier
