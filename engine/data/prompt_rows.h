// SPDX-License-Identifier: GPL-3.0-or-later
// What rows have in common that the model is asked to answer: the prompt alone is read, and laid
// out as generate lays it out. Internal to the data room.
#pragma once

#include "engine/data/row_kind.h"

namespace luthier::detail {

/// The row's turns without an answer to the last one, however the row is written.
Result<Conversation> read_prompt(const Json& row, const std::filesystem::path& base,
                                 const std::string& where, RowFault* fault);
/// Its tokens, none of them labelled, with its pictures. In an outline an answer of a token or two
/// stands behind it, labelled.
Result<Example> encode_prompt(const Conversation& row, const ChatProcessor& processor,
                              const RowEncoding& how, const std::string& where, RowFault* fault);

}  // namespace luthier::detail
