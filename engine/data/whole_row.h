// SPDX-License-Identifier: GPL-3.0-or-later
// A row as it stands, for those who measure it before it is cut.
#pragma once

#include <cstdint>
#include <string>

#include "engine/data/row_kind.h"

namespace luthier {

/// Encodes the row without a limit; where that is refused, since it is beyond the model's
/// positions, and `max_length` would cut it, as it is cut. `fault` says why the whole row was
/// refused.
inline Result<EncodedRow> encode_whole(const RowKind& kind, const Conversation& conversation,
                                       const ChatProcessor& processor, RowEncoding how,
                                       std::int64_t max_length, const std::string& where,
                                       RowFault* fault = nullptr) {
  RowFault why{};
  how.max_length = 0;
  auto whole = kind.encode(conversation, processor, how, where, &why);
  if (fault) *fault = why;
  if (whole || max_length <= 0 || why != RowFault::BadRow) return whole;  // a cut mends no other
  how.max_length = max_length;
  auto cut = kind.encode(conversation, processor, how, where);
  if (cut) return cut;
  return whole;
}

}  // namespace luthier
