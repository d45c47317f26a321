// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/picture_rows.h"

#include "engine/data/picture_of_row.h"

namespace luthier {

namespace {

class PictureRows : public RowKind {
 public:
  const char* name() const override { return "pictures"; }
  bool recognises(const Json& row) const override {
    if (!row.contains("image") || row["image"].is_null()) return false;
    for (const char* other : {"text", "label", "labels", "messages", "conversations", "prompt",
                              "completion", "instruction", "query", "question", "action", "boxes"})
      if (row.contains(other)) return false;
    return true;
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const bool shown = row.is_object() && row.contains("image") && !row["image"].is_null() &&
                       !row["image"].is_array();
    if (!shown) {
      if (fault) *fault = RowFault::BadRow;
      return input_error("The row has no picture of its own.", where + ": image",
                         "The objective learns from rows of one picture: {\"image\": \"…\"}.");
    }
    return read_picture_of_row(row, base, where, fault);
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    LUTHIER_TRY(Example example,
                processor.encode_picture(row, where, fault, how.outline ? &how.size_of : nullptr));
    example.labels.front() = 0;  // the row is to be learned from; no shift finds it there
    EncodedRow encoded;
    encoded.sequences.assign(copies(), example);
    return encoded;
  }

 private:
  virtual std::size_t copies() const { return 1; }
};

class ViewRows : public PictureRows {
 public:
  const char* name() const override { return "views"; }
  bool recognises(const Json&) const override { return false; }  // it is a row of a picture

 private:
  std::size_t copies() const override { return 2; }
};

}  // namespace

const RowKind& picture_rows() {
  static const PictureRows kind;
  return kind;
}

const RowKind& view_rows() {
  static const ViewRows kind;
  return kind;
}

}  // namespace luthier
