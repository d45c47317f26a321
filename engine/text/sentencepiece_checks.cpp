// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/sentencepiece_checks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_set>

#include "engine/text/charsmap.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

constexpr std::size_t kMaxPieceBytes = 512;
constexpr std::size_t kMaxCharsmap = 8u << 20;  // bytes
constexpr std::size_t kMaxNestedPrefixes = 32;  // sentencepiece's result arrays hold 32 and 64

using Type = SentencePieceModel::Type;

/// Whether the piece is the name of a byte, "<0x00>" to "<0xFF>".
bool is_byte_name(const std::string& text) {
  unsigned value = 0;
  char rest = 0;
  if (text.size() != 6 || std::sscanf(text.c_str(), "<0x%2X%c", &value, &rest) != 2 || rest != '>')
    return false;
  char name[8];
  std::snprintf(name, sizeof name, "<0x%02X>", value);
  return text == name;
}

/// User-defined pieces that are prefixes of one another fill a fixed array in sentencepiece.
Status check_prefixes(const SentencePieceModel& model, const std::string& where) {
  std::unordered_set<std::string_view> defined;
  for (const auto& piece : model.pieces) {
    if (piece.type == Type::UserDefined) defined.insert(piece.text);
  }
  for (const std::string_view text : defined) {
    std::size_t nested = 0;
    for (std::size_t length = 1; length <= text.size(); ++length)
      nested += defined.contains(text.substr(0, length));
    if (nested > kMaxNestedPrefixes)
      return input_error("More than 32 user-defined pieces start one another.", where + ": pieces");
  }
  return {};
}

}  // namespace

Status check_pieces(const SentencePieceModel& model, const std::string& where) {
  if (model.pieces.empty()) return input_error("The sentencepiece model has no pieces.", where);
  std::unordered_set<std::string_view> seen;
  seen.reserve(model.pieces.size());
  std::size_t unknown = 0, bytes = 0, index = 0;
  for (const auto& piece : model.pieces) {
    const std::string at = where + ": pieces[" + std::to_string(index++) + "]";
    if (piece.text.empty() || piece.text.size() > kMaxPieceBytes)
      return input_error("A piece must have 1 to 512 bytes.", at);
    if (!utf8_valid(piece.text) || piece.text.find('\0') != std::string::npos)
      return input_error("A piece must be UTF-8 text without zeros.", at);
    if (!std::isfinite(piece.score)) return input_error("The score is not a finite number.", at);
    if (!seen.insert(piece.text).second)
      return input_error("The piece \"" + piece.text + "\" is there twice.", at);
    unknown += piece.type == Type::Unknown;
    if (piece.type == Type::Byte) {
      if (!is_byte_name(piece.text))
        return input_error("A byte piece must be named <0x00> to <0xFF>.", at);
      ++bytes;
    }
  }
  if (unknown != 1)
    return input_error(
        "Exactly one piece must be the unknown one; there are " + std::to_string(unknown) + ".",
        where);
  if (model.byte_fallback ? bytes != 256 : bytes != 0) {
    return input_error(model.byte_fallback ? "Byte fallback needs all 256 byte pieces."
                                           : "There are byte pieces but no byte fallback.",
                       where);
  }
  const auto count = static_cast<std::int32_t>(model.pieces.size());
  for (const std::int32_t id : {model.unk_id, model.bos_id, model.eos_id, model.pad_id}) {
    if (id < -1 || id >= count)
      return input_error("A special id is outside of the vocabulary.", where + ": trainer_spec");
  }
  for (const std::string* text : {&model.unk_surface, &model.unk_piece, &model.bos_piece,
                                  &model.eos_piece, &model.pad_piece}) {
    if (text->size() > kMaxPieceBytes || !utf8_valid(*text))
      return input_error("A special piece is not short UTF-8 text.", where + ": trainer_spec");
  }
  return check_prefixes(model, where);
}

Status check_charsmap(const std::string& charsmap, const std::string& where) {
  if (charsmap.empty()) return {};
  if (charsmap.size() > kMaxCharsmap)
    return input_error("The character map is larger than 8 MiB.", where);
  LUTHIER_TRY(const Charsmap map, Charsmap::parse(charsmap, where));
  const std::vector<std::uint32_t>& units = map.units();
  const std::string_view strings =
      std::string_view(charsmap).substr(charsmap.size() - map.strings_size());
  const Error damaged = input_error("The character map's trie leads outside of itself.", where,
                                    "Fetch tokenizer.model again.");
  if (strings.empty()) return damaged;
  const auto offset = [&](std::size_t at) {
    return static_cast<std::size_t>(units[at] >> 10) << ((units[at] & (1u << 9)) >> 6);
  };

  // Branches may share their ends, but no way may lead back to itself, or values would never stop.
  enum : std::uint8_t { kNew, kOpen, kDone };
  struct Node {
    std::size_t at, base;
    std::size_t byte = 1;   ///< the child to look at next
    std::size_t below = 0;  ///< most values on one way further down
  };
  std::vector<std::uint8_t> state(units.size(), kNew), values(units.size(), 0);
  std::vector<Node> open{{0, offset(0)}};
  while (!open.empty()) {
    Node& node = open.back();
    if (node.byte == 1) {
      if ((node.base | 0xFF) >= units.size()) return damaged;
      state[node.at] = kOpen;
    }
    for (; node.byte < 256; ++node.byte) {
      const std::size_t at = node.base ^ node.byte;
      if ((units[at] & ((1u << 31) | 0xFF)) != node.byte) continue;
      if (state[at] != kDone) break;
      node.below = std::max<std::size_t>(node.below, values[at]);
    }
    if (node.byte < 256) {
      const std::size_t at = node.base ^ node.byte;
      if (state[at] == kOpen) return damaged;
      open.push_back({at, at ^ offset(at)});
      continue;
    }
    if (node.at != 0 && ((units[node.at] >> 8) & 1)) {
      const std::size_t index = units[node.base] & ((1u << 31) - 1);
      if (index >= strings.size() || (static_cast<unsigned char>(strings[index]) & 0xC0) == 0x80)
        return damaged;
      ++node.below;
    }
    if (node.below >= kMaxNestedPrefixes) return damaged;
    values[node.at] = static_cast<std::uint8_t>(node.below);
    state[node.at] = kDone;
    open.pop_back();
  }
  return {};
}

}  // namespace luthier
