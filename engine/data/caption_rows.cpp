// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a picture and the text that belongs to it, for objectives that hold the two against one
// another.
#include "engine/data/picture_of_row.h"
#include "engine/data/row_kind.h"

namespace luthier {

namespace {

class CaptionRows : public RowKind {
 public:
  const char* name() const override { return "caption"; }
  bool recognises(const Json& row) const override {
    return row.contains("text") && row.contains("image");
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const auto lacks = [&](const char* what, const char* field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field,
                         "The objective learns from rows of a picture and its text: "
                         "{\"image\": \"…\", \"text\": \"…\"}.");
    };
    if (!row.is_object() || !row.contains("text") || !row["text"].is_string())
      return lacks("The row has no text.", "text");
    if (!row.contains("image") || row["image"].is_null())
      return lacks("The row has no picture.", "image");
    if (row["image"].is_array()) return lacks("A text goes with one picture.", "image");
    auto made = read_picture_of_row(row, base, where, fault);
    if (!made) return made;
    made->messages.front().content.push_back(
        {ContentPart::Kind::Text, row["text"].get<std::string>(), {}});
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    LUTHIER_TRY(Example example, processor.encode_caption(row, how.max_length, where, fault,
                                                          how.outline ? &how.size_of : nullptr));
    EncodedRow encoded;
    encoded.sequences.push_back(std::move(example));
    return encoded;
  }
};

}  // namespace

const RowKind& caption_rows() {
  static const CaptionRows kind;
  return kind;
}

}  // namespace luthier
