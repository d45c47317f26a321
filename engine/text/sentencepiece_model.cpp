// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/sentencepiece_model.h"

#include <cmath>
#include <cstring>

#include "engine/text/sentencepiece_checks.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

/// One field of a protobuf message.
struct Field {
  std::uint32_t number = 0;
  std::uint32_t wire = 0;  ///< 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  std::uint64_t value = 0;
  std::string_view bytes;
};

/// Walks the fields of one message.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return at_ >= bytes_.size(); }

  bool next(Field& field) {
    std::uint64_t tag = 0;
    if (!varint(tag) || tag > 0xFFFFFFFFu || (tag >> 3) == 0) return false;
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.wire = static_cast<std::uint32_t>(tag & 7);
    field.bytes = {};
    switch (field.wire) {
      case 0: return varint(field.value);
      case 1: return fixed(8, field.value);
      case 5: return fixed(4, field.value);
      case 2: {
        std::uint64_t size = 0;
        if (!varint(size) || size > bytes_.size() - at_) return false;
        field.bytes = bytes_.substr(at_, static_cast<std::size_t>(size));
        at_ += static_cast<std::size_t>(size);
        return true;
      }
      default: return false;
    }
  }

 private:
  bool varint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return false;
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool fixed(std::size_t size, std::uint64_t& value) {
    if (size > bytes_.size() - at_) return false;
    value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at_ + i])) << (8 * i);
    at_ += size;
    return true;
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Reads every field of a message with `take`, which gives false on a field of the wrong kind.
template <class Take>
Status read_message(std::string_view bytes, const std::string& where, const char* name, Take take) {
  WireReader reader(bytes);
  Field field;
  while (!reader.done()) {
    if (!reader.next(field) || !take(field)) {
      return input_error(std::string("The ") + name + " of the sentencepiece model is damaged.",
                         where, "Fetch tokenizer.model again.");
    }
  }
  return {};
}

bool take_bool(const Field& field, bool& value) {
  value = field.value != 0;
  return field.wire == 0;
}

bool take_int(const Field& field, std::int32_t& value) {
  value = static_cast<std::int32_t>(static_cast<std::uint32_t>(field.value));
  return field.wire == 0;
}

bool take_string(const Field& field, std::string& value) {
  value = std::string(field.bytes);
  return field.wire == 2;
}

Status read_piece(std::string_view bytes, const std::string& where,
                  SentencePieceModel::Piece& piece) {
  return read_message(bytes, where, "piece list", [&](const Field& field) {
    if (field.number == 1) return take_string(field, piece.text);
    if (field.number == 2) {
      const auto bits = static_cast<std::uint32_t>(field.value);
      std::memcpy(&piece.score, &bits, sizeof piece.score);
      return field.wire == 5;
    }
    if (field.number == 3) {
      piece.type = static_cast<SentencePieceModel::Type>(field.value & 7);
      return field.wire == 0 && field.value >= 1 && field.value <= 6;
    }
    return true;
  });
}

Status read_trainer(std::string_view bytes, const std::string& where, SentencePieceModel& model) {
  std::uint64_t type = 1;
  LUTHIER_CHECK(read_message(bytes, where, "trainer section", [&](const Field& field) {
    switch (field.number) {
      case 3: type = field.value; return field.wire == 0;
      case 24: return take_bool(field, model.treat_whitespace_as_suffix);
      case 35: return take_bool(field, model.byte_fallback);
      case 40: return take_int(field, model.unk_id);
      case 41: return take_int(field, model.bos_id);
      case 42: return take_int(field, model.eos_id);
      case 43: return take_int(field, model.pad_id);
      case 44: return take_string(field, model.unk_surface);
      case 45: return take_string(field, model.unk_piece);
      case 46: return take_string(field, model.bos_piece);
      case 47: return take_string(field, model.eos_piece);
      case 48: return take_string(field, model.pad_piece);
      default: return true;
    }
  }));
  if (type != 1 && type != 2)
    return input_error("The sentencepiece model is neither unigram nor BPE.", where);
  model.bpe = type == 2;
  return {};
}

Status read_normalizer(std::string_view bytes, const std::string& where,
                       SentencePieceModel& model) {
  return read_message(bytes, where, "normalizer section", [&](const Field& field) {
    switch (field.number) {
      case 2: return take_string(field, model.charsmap);
      case 3: return take_bool(field, model.add_dummy_prefix);
      case 4: return take_bool(field, model.remove_extra_whitespaces);
      case 5: return take_bool(field, model.escape_whitespaces);
      default: return true;
    }
  });
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void put_int(std::string& out, std::uint32_t number, std::int64_t value) {
  put_varint(out, number << 3);
  put_varint(out, static_cast<std::uint64_t>(value));
}

void put_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  put_varint(out, (number << 3) | 2);
  put_varint(out, bytes.size());
  out.append(bytes);
}

}  // namespace

std::string SentencePieceModel::serialize() const {
  std::string out;
  for (const Piece& piece : pieces) {
    std::string message;
    put_bytes(message, 1, piece.text);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &piece.score, sizeof bits);
    put_varint(message, (2 << 3) | 5);
    for (int i = 0; i < 4; ++i) message += static_cast<char>((bits >> (8 * i)) & 0xFF);
    put_int(message, 3, static_cast<std::int64_t>(piece.type));
    put_bytes(out, 1, message);
  }
  std::string trainer;
  put_int(trainer, 3, bpe ? 2 : 1);
  put_int(trainer, 4, static_cast<std::int64_t>(pieces.size()));
  put_int(trainer, 24, treat_whitespace_as_suffix);
  put_int(trainer, 35, byte_fallback);
  put_int(trainer, 40, unk_id);
  put_int(trainer, 41, bos_id);
  put_int(trainer, 42, eos_id);
  put_int(trainer, 43, pad_id);
  put_bytes(trainer, 44, unk_surface);
  put_bytes(trainer, 45, unk_piece);
  put_bytes(trainer, 46, bos_piece);
  put_bytes(trainer, 47, eos_piece);
  put_bytes(trainer, 48, pad_piece);
  put_bytes(out, 2, trainer);
  std::string normalizer;
  put_bytes(normalizer, 2, charsmap);
  put_int(normalizer, 3, add_dummy_prefix);
  put_int(normalizer, 4, remove_extra_whitespaces);
  put_int(normalizer, 5, escape_whitespaces);
  put_bytes(out, 3, normalizer);
  if (!denormalizer_charsmap.empty()) {
    std::string denormalizer;
    put_bytes(denormalizer, 2, denormalizer_charsmap);
    put_bytes(out, 5, denormalizer);
  }
  return out;
}

Result<SentencePieceModel> read_sentencepiece_model(std::string_view bytes,
                                                    const std::string& where) {
  if (bytes.empty()) return input_error("The sentencepiece model is empty.", where);
  SentencePieceModel model;
  Status inner;  // what is wrong inside a section, which says more than that the outline broke off
                 // there
  const Status outline = read_message(bytes, where, "outline", [&](const Field& field) {
    if (field.number > 5) return true;
    if (field.wire != 2) return false;
    if (field.number == 1) {
      SentencePieceModel::Piece piece;
      inner = read_piece(field.bytes, where, piece);
      model.pieces.push_back(std::move(piece));
    } else if (field.number == 2) {
      inner = read_trainer(field.bytes, where, model);
    } else if (field.number == 3) {
      inner = read_normalizer(field.bytes, where, model);
    } else if (field.number == 5) {
      SentencePieceModel denormalizer;
      inner = read_normalizer(field.bytes, where, denormalizer);
      model.denormalizer_charsmap = denormalizer.charsmap;
    }
    return inner.ok() && model.pieces.size() <= kMaxSentencePieces;
  });
  LUTHIER_CHECK(inner);
  LUTHIER_CHECK(outline);
  LUTHIER_CHECK(check_pieces(model, where));
  LUTHIER_CHECK(check_charsmap(model.charsmap, where + ": normalizer_spec.precompiled_charsmap"));
  LUTHIER_CHECK(check_charsmap(model.denormalizer_charsmap,
                               where + ": denormalizer_spec.precompiled_charsmap"));
  return model;
}

Status validate_sentencepiece_model(std::string_view bytes) {
  LUTHIER_TRY([[maybe_unused]] const SentencePieceModel model,
              read_sentencepiece_model(bytes, "tokenizer.model"));
  return {};
}

}  // namespace luthier
