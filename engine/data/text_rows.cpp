// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that are a text and nothing else, for objectives that learn from the text itself. A model
// that takes a picture beside its text reads the row's, too.
#include "engine/data/picture_beside.h"
#include "engine/data/picture_of_row.h"
#include "engine/data/row_kind.h"
#include "engine/data/sentence_pair_rows.h"

namespace luthier {

namespace {

constexpr const char *kTextRow = "The objective learns from rows of one text: {\"text\": \"…\"}.",
                     *kShownTextRow = "Give rows {\"image\": \"…\", \"text\": \"…\"}.";

/// Whether the row names a picture, or has one: a column of pictures is a path, or an object with
/// the picture's bytes. Of anything else nobody knows what it is to a row of a text.
bool shows_picture(const Json& row) {
  const auto image = row.is_object() ? row.find("image") : row.end();
  return image != row.end() && (image->is_object() || (image->is_string() && *image != ""));
}

class TextRows : public RowKind {
 public:
  const char* name() const override { return "text"; }
  const RowKind& under(const Recipe& recipe) const override {
    const bool pairs = recipe.objective == "mlm" && recipe.more.text("mlm.pairs") != "none";
    return pairs ? sentence_pair_rows() : *this;
  }
  bool recognises(const Json& row) const override {
    // Beside turns it is a remark.
    return row.contains("text") && !row.contains("messages") && !row.contains("conversations");
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const bool written = row.is_object() && row.contains("text") && row["text"].is_string();
    if (!written) {
      if (fault) *fault = RowFault::BadRow;
      return input_error("The row has no text.", where + ": text",
                         shows_picture(row) ? kShownTextRow : kTextRow);
    }
    Conversation made;
    made.messages = {
        {"text", {{ContentPart::Kind::Text, row["text"].get<std::string>(), {}}}, nullptr}};
    if (!shows_picture(row)) return made;
    LUTHIER_TRY(const Conversation shown, read_picture_of_row(row, base, where, fault));
    for (const ContentPart& part : shown.messages.front().content)
      made.messages.front().content.push_back(part);
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const std::vector<ContentPart>& parts = row.messages.at(0).content;
    EncodedRow encoded;
    if (reads_picture_beside(processor)) {
      if (parts.size() < 2) {
        if (fault) *fault = RowFault::BadRow;
        return input_error("The row has no picture, beside which the model reads its text.",
                           where + ": image", kShownTextRow);
      }
      LUTHIER_TRY(Example example, processor.encode_caption(row, how.max_length, where, fault,
                                                            how.outline ? &how.size_of : nullptr));
      encoded.sequences.push_back(std::move(example));
      return encoded;
    }
    LUTHIER_TRY(Example example,
                processor.encode_plain(parts.at(0).text, how.max_length, where, fault));
    encoded.sequences.push_back(std::move(example));
    return encoded;
  }
};

}  // namespace

const RowKind& text_rows() {
  static const TextRows kind;
  return kind;
}

}  // namespace luthier
