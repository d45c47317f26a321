// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a prefix language model: a text, with its picture where it has one. How much of the text
// is prefix is drawn anew each time a row is seen, any number of its tokens alike likely, from none
// to all but the last, which is the end token; a picture is prefix as a whole. What stands behind
// is learned. Without a seed nothing of the text is prefix.
#include "engine/data/prefix_rows.h"

#include <algorithm>

#include "engine/base/random_stream.h"
#include "engine/data/picture_of_row.h"

namespace luthier {

namespace {

constexpr const char* kPrefixRowForms =
    "The objective learns from rows of a text, with its picture or without one: {\"text\": \"…\"} "
    "or {\"image\": \"…\", \"text\": \"…\"}.";

class PrefixRows : public RowKind {
 public:
  const char* name() const override { return "prefix"; }
  bool varies() const override { return true; }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const auto lacks = [&](const char* what, const char* field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field, kPrefixRowForms);
    };
    if (!row.is_object() || !row.contains("text") || !row["text"].is_string())
      return lacks("The row has no text.", "text");
    Conversation made;
    if (row.contains("image") && !row["image"].is_null()) {
      if (row["image"].is_array()) return lacks("A text goes with one picture.", "image");
      LUTHIER_TRY(made, read_picture_of_row(row, base, where, fault));
    } else {
      made.messages = {{"user", {}, nullptr}};
    }
    made.messages.push_back(
        {"assistant", {ContentPart::of_text(row["text"].get<std::string>())}, nullptr});
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const bool shown = !row.messages.empty() && !row.messages.front().content.empty();
    Result<Example> encoded = shown ? with_picture(row, processor, how, where, fault)
                                    : text_alone(row, processor, how, where, fault);
    if (!encoded) return encoded.error();
    Example example = encoded.take();
    std::int64_t first = 0;
    const auto count = static_cast<std::int64_t>(example.labels.size());
    while (first < count && example.labels[static_cast<std::size_t>(first)] == kIgnoreLabel)
      ++first;
    const std::int64_t learned = count - first;
    if (learned > 0) {
      RandomStream draws(how.noise, 0);
      const std::int64_t given = how.noise == 0 ? 0 : draws.below(static_cast<int>(learned));
      std::fill_n(example.labels.begin() + first, given, kIgnoreLabel);
      example.prompt_tokens = first + given;
    }
    EncodedRow made;
    made.sequences.push_back(std::move(example));
    return made;
  }

 private:
  static Result<Example> with_picture(const Conversation& row, const ChatProcessor& processor,
                                      const RowEncoding& how, const std::string& where,
                                      RowFault* fault) {
    return how.outline
               ? processor.measure_training(row, LossOn::Completion, how.max_length, where, fault,
                                            how.size_of)
               : processor.encode_training(row, LossOn::Completion, how.max_length, where, fault);
  }

  /// Whether the model has a position behind the text, which is not cut: with its end written into
  /// it, it then is not either.
  static bool has_positions_for_end(const Conversation& row, const ChatProcessor& processor,
                                    const std::string& where) {
    const std::string ended =
        row.messages.at(1).content.at(0).text + processor.tokenizer().special().eos_text;
    const auto example = processor.encode_plain(ended, /*max_length=*/0, where);
    return example && example->truncated_tokens == 0;
  }

  /// The tokenizer's own beginning, the text, and its end, where there is room for that.
  static Result<Example> text_alone(const Conversation& row, const ChatProcessor& processor,
                                    const RowEncoding& how, const std::string& where,
                                    RowFault* fault) {
    LUTHIER_TRY(Example example, processor.encode_plain(row.messages.at(1).content.at(0).text,
                                                        how.max_length, where, fault));
    const auto end = processor.tokenizer().special().eos;
    const auto count = static_cast<std::int64_t>(example.input_ids.size());
    const bool ends = !example.input_ids.empty() && end && example.input_ids.back() == *end;
    const bool room =
        example.truncated_tokens == 0 && (how.max_length <= 0 || count < how.max_length);
    if (end && !ends && room && has_positions_for_end(row, processor, where)) {
      example.input_ids.push_back(*end);
      example.labels.push_back(*end);
    } else if (ends && example.truncated_tokens == 0) {
      example.labels.back() = *end;
    }
    return example;
  }
};

}  // namespace

const RowKind& prefix_rows() {
  static const PrefixRows kind;
  return kind;
}

}  // namespace luthier
