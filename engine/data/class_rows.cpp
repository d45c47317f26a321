// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that belong to classes: a text, two texts that are read together, a text's words with a
// class each, a picture, a question about one, or about regions of one (data/region_rows.h). What
// the classes are is the model's to say (ClassOptions), so a label is held against them where the
// row is encoded. A row without a label is one to be asked about.
#include <algorithm>
#include <cmath>

#include "engine/data/answer_scores.h"
#include "engine/data/picture_beside.h"
#include "engine/data/picture_of_row.h"
#include "engine/data/region_rows.h"
#include "engine/data/row_kind.h"

namespace luthier {

namespace {

constexpr const char* kClassRowForms =
    "Rows are {\"text\": \"…\", \"label\": \"…\"} (with \"text_pair\" where two texts are read "
    "together), {\"words\": [\"…\"], \"labels\": [\"…\"]} or {\"image\": \"…\", \"label\": \"…\"}.";
constexpr const char* kQuestionForm =
    "Rows are {\"image\": \"…\", \"text\": \"…\", \"answer\": \"…\"}, where the answer is a name, "
    "a "
    "number, or scores by names.";

bool holds(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

/// A question about a picture.
bool asks(const Json& row) {
  return holds(row, "image") && row.contains("text") && row["text"].is_string();
}

/// The row's `label`, else its `labels`; null: it has none.
std::pair<const char*, Json> label_of_row(const Json& row) {
  for (const char* key : {"label", "labels"})
    if (holds(row, key)) return {key, row[key]};
  return {"label", Json()};
}

/// Of a class each; of several classes their names or a 0 or 1 for each; or numbers.
Result<std::vector<double>> read_targets(const ClassOptions& classes, const Json& label,
                                         const std::string& where) {
  const auto all = static_cast<std::size_t>(classes.numbers());
  if (label.is_object() && classes.says != ClassOptions::Says::Number)
    return read_scores(classes, label, where);
  if (classes.says == ClassOptions::Says::One) {
    const Json& only = label.is_array() && label.size() == 1 ? label.front() : label;
    LUTHIER_TRY(const std::int64_t number, class_of_label(classes, only, where));
    return std::vector<double>{static_cast<double>(number)};
  }
  const Json list = label.is_array() ? label : Json::array({label});
  const bool several = classes.says == ClassOptions::Says::Several;
  const auto finite = [](const Json& each) {
    return each.is_number() && std::isfinite(each.get<double>());
  };
  const bool numbers = list.size() == all && std::all_of(list.begin(), list.end(), finite);
  const bool shares = numbers && (!several || std::all_of(list.begin(), list.end(), [](auto& each) {
                        return each >= 0 && each <= 1;
                      }));
  // A list of as many whole numbers as classes is one for each; transformers writes floats.
  const bool indices = several && list.size() != all;
  if (shares && !indices) {
    std::vector<double> targets;
    for (const Json& each : list) targets.push_back(each.get<double>());
    return targets;
  }
  if (!several)
    return input_error(
        "The label is not " + std::to_string(all) + (all == 1 ? " number." : " numbers."), where,
        "The model's head gives that many, which are learned as they are.");
  std::vector<double> targets(all, 0.0);
  for (const Json& each : list) {
    LUTHIER_TRY(const std::int64_t number, class_of_label(classes, each, where));
    targets[static_cast<std::size_t>(number)] = 1;
  }
  return targets;
}

class ClassRows : public RowKind {
 public:
  const char* name() const override { return "classes"; }
  bool recognises(const Json& row) const override {
    const bool text = holds(row, "text_pair") || holds(row, "words");
    const bool labelled = holds(row, "label") && (holds(row, "text") || holds(row, "image"));
    return (text || labelled) && !row.contains("messages") && !row.contains("completion") &&
           !row.contains("prompt");
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const auto refused = [&](const std::string& what, const std::string& field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field, kClassRowForms);
    };
    if (!row.is_object()) return refused("The row is no object.", "row");
    if (holds_regions(row)) return region_rows().read(row, base, where, fault);
    const auto [field, label] = label_of_row(row);
    Json extra = {{"field", field}, {"label", label}};
    // Whether a question is answered or told apart is the model's to say.
    if (asks(row) && holds(row, "answer")) extra["answer"] = row["answer"];
    if (holds(row, "image")) return read_picture(row, base, where, fault, extra);
    Conversation made;
    if (holds(row, "words")) {
      if (!row["words"].is_array() || row["words"].empty())
        return refused("The words must be a list of texts.", "words");
      Message words{"words", {}, extra};
      for (std::size_t i = 0; i < row["words"].size(); ++i) {
        const Json& word = row["words"][i];
        if (!word.is_string())
          return refused("A word must be a text.", "words[" + std::to_string(i) + "]");
        words.content.push_back(ContentPart::of_text(word.get<std::string>()));
      }
      if (!label.is_null() && (!label.is_array() || label.size() != row["words"].size()))
        return refused(
            "There must be as many labels as words, " + std::to_string(row["words"].size()) + ".",
            field);
      made.messages.push_back(std::move(words));
      return made;
    }
    for (const char* key : {"text", "text_pair"}) {
      if (!holds(row, key) && std::string_view(key) == "text_pair") continue;
      if (!holds(row, key) || !row[key].is_string()) return refused("The row has no text.", key);
      made.messages.push_back(
          {"text", {ContentPart::of_text(row[key].get<std::string>())}, nullptr});
    }
    made.messages.front().extra = extra;
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const ClassOptions* classes = processor.classes();
    const auto refused = [&](const Error& error) {
      if (fault) *fault = RowFault::BadRow;
      return error;
    };
    if (!classes)
      return refused(input_error(
          "The model has no head of classes.", where,
          "`luthier-cli head MODEL --classes A,B --out DIR` gives it one, drawn anew."));
    if (region_needs(processor) || holds_regions(row))
      return region_rows().encode(row, processor, how, where, fault);
    if (row.messages.empty() || !row.messages.front().extra.is_object())
      return refused(input_error("The row is none of classes.", where, kClassRowForms));
    const Message& first = row.messages.front();
    using Of = ClassOptions::Of;
    const bool picture =
        !first.content.empty() && first.content[0].kind == ContentPart::Kind::Image;
    const bool words = first.role == "words";
    const bool beside = classes->of == Of::Row && reads_picture_beside(processor);
    const bool answered = beside && first.extra.contains("answer");
    const Json& label = first.extra[answered ? "answer" : "label"];
    const std::string place =
        where + ": " + (answered ? "answer" : first.extra["field"].get<std::string>());
    if (beside && (!picture || first.content.size() < 2))
      return refused(
          input_error("The row is no question about a picture, which the model's head answers.",
                      where, kQuestionForm));
    if (!beside &&
        (picture != (classes->of == Of::Picture) || words != (classes->of == Of::Token))) {
      const char* wanted = classes->of == Of::Picture ? "a picture"
                           : classes->of == Of::Token ? "words"
                                                      : "a text";
      return refused(input_error(
          "The row is not " + std::string(wanted) + ", which the model's head tells apart.", where,
          kClassRowForms));
    }
    EncodedRow encoded;
    if (words) {
      std::vector<std::int64_t> labels(first.content.size(), kIgnoreLabel);
      for (std::size_t i = 0; i < labels.size() && !label.is_null(); ++i) {
        if (label[i] == kIgnoreLabel) continue;
        auto number = class_of_label(*classes, label[i], place + "[" + std::to_string(i) + "]");
        if (!number) return refused(number.error());
        labels[i] = *number;
      }
      std::vector<std::string> texts;
      for (const ContentPart& part : first.content) texts.push_back(part.text);
      LUTHIER_TRY(Example example,
                  processor.encode_words(texts, labels, how.max_length, where, fault));
      encoded.sequences.push_back(std::move(example));
      return encoded;
    }
    if (!label.is_null()) {
      auto targets = read_targets(*classes, label, place);
      if (!targets) return refused(targets.error());
      encoded.targets = targets.take();
    }
    LUTHIER_TRY(Example example, sequence_of(row, processor, how, where, fault));
    // Of the row and none of its tokens, so that it stands where no shift finds it.
    std::fill(example.labels.begin(), example.labels.end(), kIgnoreLabel);
    if (!encoded.targets.empty() && !example.labels.empty()) example.labels.front() = 0;
    encoded.sequences.push_back(std::move(example));
    return encoded;
  }

 private:
  static Result<Conversation> read_picture(const Json& row, const std::filesystem::path& base,
                                           const std::string& where, RowFault* fault,
                                           const Json& extra) {
    auto made = read_picture_of_row(row, base, where, fault);
    if (!made) return made;
    made->messages.front().extra = extra;
    if (asks(row))
      made->messages.front().content.push_back(
          ContentPart::of_text(row["text"].get<std::string>()));
    return made;
  }

  static Result<Example> sequence_of(const Conversation& row, const ChatProcessor& processor,
                                     const RowEncoding& how, const std::string& where,
                                     RowFault* fault) {
    const ContentPart& part = row.messages.front().content.at(0);
    const auto* outline = how.outline ? &how.size_of : nullptr;
    if (part.kind == ContentPart::Kind::Image && processor.classes()->of == ClassOptions::Of::Row)
      return processor.encode_caption(row, how.max_length, where, fault, outline);
    if (part.kind == ContentPart::Kind::Image) {
      Conversation alone = row;  // what the row says besides is not read
      alone.messages.front().content.resize(1);
      return processor.encode_picture(alone, where, fault, outline);
    }
    if (row.messages.size() > 1)
      return processor.encode_pair(part.text, row.messages[1].content.at(0).text, how.max_length,
                                   where, fault);
    return processor.encode_plain(part.text, how.max_length, where, fault);
  }
};

}  // namespace

const RowKind& class_rows() {
  static const ClassRows kind;
  return kind;
}

}  // namespace luthier
