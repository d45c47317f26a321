// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that are a text and nothing else, for objectives that learn from the text itself.
#include "engine/data/row_kind.h"
#include "engine/data/sentence_pair_rows.h"

namespace luthier {

namespace {

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

  Result<Conversation> read(const Json& row, const std::filesystem::path&, const std::string& where,
                            RowFault* fault) const override {
    const bool written = row.is_object() && row.contains("text") && row["text"].is_string();
    if (!written) {
      if (fault) *fault = RowFault::BadRow;
      return input_error("The row has no text.", where + ": text",
                         "The objective learns from rows of one text: {\"text\": \"…\"}.");
    }
    Conversation made;
    made.messages = {
        {"text", {{ContentPart::Kind::Text, row["text"].get<std::string>(), {}}}, nullptr}};
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    LUTHIER_TRY(Example example, processor.encode_plain(row.messages.at(0).content.at(0).text,
                                                        how.max_length, where, fault));
    EncodedRow encoded;
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
