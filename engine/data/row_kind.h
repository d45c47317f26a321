// SPDX-License-Identifier: GPL-3.0-or-later
// What a row must hold for an objective, and what becomes of it: one sequence, an answer and
// another to compare it with, a group. A kind is a file and a row of row_kinds(); whoever checks,
// measures, shows or trains on rows asks it, and none of them knows an objective by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/data/dataset.h"
#include "engine/data/processor.h"

namespace luthier {

/// One of several answers to a row's prompt.
struct RowSample {
  /// As it was drawn: an end token is the last, unless the answer was cut off.
  std::vector<TokenId> ids;
  std::vector<double> rewards;  ///< one a reward of the row's; NaN: that had nothing to say
  /// Of each token, by the model that drew it; empty: nobody has asked.
  std::vector<float> old_log_probs;
  double advantage = 0;  ///< over the other samples, once all of a generation are judged
  /// Before each token and behind the last, by the value model of who drew it; empty: nobody has
  /// asked.
  std::vector<float> old_values = {};
  /// Numbers that an objective has made for each token, by their names.
  std::map<std::string, std::vector<float>> of_tokens = {};
};

/// A row as it stands in its file, for who judges answers by it.
struct WrittenRow {
  Json row;
  Conversation conversation;
  std::string where;  ///< "train.jsonl: row 3"
};

/// A row as the model gets it.
struct EncodedRow {
  std::vector<Example> sequences;
  /// The first sequence's pictures are those of all: they are kept once, and the tower sees them
  /// once. Else each sequence has its own.
  bool shares_pictures = false;
  std::map<std::string, double> numbers;  ///< what the row says besides: a margin, a label
  /// What a head of classes is to say of the row: its class's number, or a number for each; empty:
  /// its tokens have labels, or nobody has said.
  std::vector<double> targets = {};
  /// Of the first sequence's labels, after the shift, those that stand before its answer.
  std::int64_t prompt_labels = 0;
  /// Where max_length has cut the answer and others are held against it: all of its tokens.
  std::vector<TokenId> whole_answer;
  /// Of a row with several answers to its prompt, one a sequence; its sequences share pictures.
  std::vector<RowSample> samples;
  std::vector<std::string> reward_names;      ///< of the samples' rewards
  std::shared_ptr<const WrittenRow> written;  ///< where its kind carries it; null: it does not

  const std::vector<PixelValues>& pictures_of(std::size_t sequence) const {
    return sequences[shares_pictures ? 0 : sequence].images;
  }
  std::int64_t tokens() const;  ///< of all sequences, with what an encoder reads
  std::int64_t labels() const;  ///< of all sequences, after the shift
};

/// A prompt's tokens with an answer's behind them, which are labelled; without its pictures.
Example answered(const Example& prompt, const std::vector<TokenId>& answer);

/// Labelled positions after the shift: a row's first token is never predicted.
std::int64_t count_labels(const Example& example);

struct RowEncoding {
  LossOn loss_on = LossOn::Completion;
  std::int64_t max_length = 0;  ///< <= 0: no limit
  /// Seeds what a kind draws for this row at this place of the run: masks, noise.
  std::uint64_t noise = 0;
  bool outline = false;  ///< from the pictures' sizes alone: they carry shapes and no values
  ChatProcessor::SizeOf size_of = {};  ///< with `outline`; empty: from the files' headers
};

/// How a batch lays its sequences one after another.
enum class SequenceOrder {
  RowByRow,       ///< all sequences of a row, then the next row's
  AnswerByAnswer  ///< the first sequence of each row, then the second of each
};

class RowKind {
 public:
  virtual ~RowKind() = default;

  virtual const char* name() const = 0;
  virtual SequenceOrder order() const { return SequenceOrder::RowByRow; }
  /// Whether the same row comes out otherwise at another place (masks drawn anew), so that its
  /// tokens are not kept across epochs.
  virtual bool varies() const { return false; }
  /// Whether an encoded row carries what was written, for who judges answers by it.
  virtual bool carries_written() const { return false; }
  /// Whether a row as written is of this kind, where no objective says what it must be; the kind
  /// that every other row is said to be answers no.
  virtual bool recognises(const Json& /*row*/) const { return false; }
  /// The kind as this recipe's settings have it. Most kinds have none.
  virtual const RowKind& under(const Recipe& /*recipe*/) const { return *this; }
  /// The row as written → its conversation. Most kinds take what read_conversation reads.
  virtual Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                                    const std::string& where, RowFault* fault) const;
  /// Refuses a row that lacks what the kind needs, by the field's name. `where` names the row,
  /// `fault` gets the kind of an error.
  virtual Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                                    const RowEncoding& how, const std::string& where,
                                    RowFault* fault = nullptr) const = 0;
};

/// Every kind that a recipe's objective may name.
const std::vector<const RowKind*>& row_kinds();
/// Null where there is none of this name.
const RowKind* find_row_kind(std::string_view name);

const RowKind& answer_rows();      ///< "answers": a conversation, labelled by loss_on
const RowKind& preference_rows();  ///< "preference": a prompt with a chosen and a rejected answer
/// "preference_whole": the same, and the text of the chosen one's prompt is learned too.
const RowKind& whole_preference_rows();
const RowKind& unpaired_rows();  ///< "unpaired": a prompt, an answer, and whether it is good
const RowKind& prompt_rows();    ///< "prompts": a prompt, which the model answers in training
const RowKind& rollout_rows();   ///< "rollouts": a prompt with answers that were drawn and judged
const RowKind& text_rows();      ///< "text": a plain text
const RowKind& caption_rows();   ///< "caption": a picture and its text
/// "stepwise": a prompt, an answer in steps, and whether each of them is right. Behind each step
/// stands the separator, on whose last token the label is (0 or 1, of that very token).
const RowKind& stepwise_rows(const std::string& separator = "\n");
/// "classes": a text (or two, or its words, or a picture) and the class or classes it is of
const RowKind& class_rows();
/// "actions": a picture, what is to be done, and the action of a robot that does it
const RowKind& action_rows();
/// Whichever of all a row is: what is checked where no objective is named.
const RowKind& any_rows();

/// One row of a dataset through a kind.
Result<Conversation> read_row(const Dataset& dataset, std::size_t row, const RowKind& kind,
                              RowFault* fault = nullptr);

/// One row of a JSON file of its own, of whichever kind it is; relative paths start at
/// `image_folder`, or beside the file.
Result<Conversation> read_row_file(const std::filesystem::path& path,
                                   const std::filesystem::path& image_folder = {});

/// What the rows of a recipe must hold, by its objective.
const RowKind& row_kind_of(const Recipe& recipe);
LossOn loss_on_from_name(const std::string& name);

}  // namespace luthier
