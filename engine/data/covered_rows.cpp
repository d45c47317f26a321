// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/covered_rows.h"

namespace luthier {

namespace {

class CoveredRows : public RowKind {
 public:
  explicit CoveredRows(const RowKind& kind) : kind_(kind) {}
  const char* name() const override { return kind_.name(); }
  SequenceOrder order() const override { return kind_.order(); }
  bool varies() const override { return true; }
  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    return kind_.read(row, base, where, fault);
  }
  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    return kind_.encode(row, processor, how, where, fault);
  }

 private:
  const RowKind& kind_;
};

}  // namespace

const RowKind& covered_text_rows() {
  static const CoveredRows kind(text_rows());
  return kind;
}
const RowKind& covered_caption_rows() {
  static const CoveredRows kind(caption_rows());
  return kind;
}

}  // namespace luthier
