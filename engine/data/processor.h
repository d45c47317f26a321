// SPDX-License-Identifier: GPL-3.0-or-later
// Conversation → what the model gets: chat template, image-token expansion, token ids, labels,
// pixels. This is the part of a transformers processor plus the labelling that TRL's collators do;
// families differ only in how a row becomes text and how a picture's place is written into it
// (ImageTokens).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/action_options.h"
#include "engine/data/class_options.h"
#include "engine/data/conversation.h"
#include "engine/template/chat_template.h"
#include "engine/text/tokenizer.h"
#include "engine/vision/film_processor.h"
#include "engine/vision/image_processor.h"

namespace luthier {

inline constexpr std::int64_t kIgnoreLabel = -100;

enum class LossOn { Completion, Assistant, All };  ///< see the recipe's loss_on

/// One example, before batching.
struct Example {
  std::vector<TokenId> input_ids;
  std::vector<std::int64_t> labels;   ///< same length; kIgnoreLabel where no loss
  std::vector<PixelValues> images;    ///< and films, in the order they stand in the text
  std::int64_t truncated_tokens = 0;  ///< how many max_length cut off
  std::int64_t prompt_tokens =
      0;  ///< how many stand before the answer; known where the family's attention depends on it
  /// What the encoder of a model of two texts reads; the ids above are then its decoder's.
  std::vector<TokenId> source_ids = {};
  /// token_type_ids, which tell two texts apart that are read together; empty: all are 0.
  std::vector<std::int64_t> token_types = {};
};

/// How a row's messages become text.
/// - ChatTemplate: as the folder's template writes them.
/// - PrefixSuffix: one question about pictures and its answer, without a template (PaliGemma): the
/// pictures' tokens, bos, the question's text and a
///   newline are the prefix, the answer and eos the suffix, each tokenized on its own. Labels are
///   the suffix whatever `loss_on` says: the prefix sees itself both ways, and a loss on it would
///   only teach to copy.
/// - SourceAnswer: one question about a picture, without a template, is what an encoder reads: the
///   picture's tokens, bos, the question's text (ImageTokens::ask) and eos (Florence-2). The
///   answer, with the tokenizer's special tokens, is its decoder's, behind the token that it begins
///   with. Labels are the answer whatever `loss_on` says. max_length holds for both together.
/// - Source: one text without a template, with the tokenizer's special tokens, is what an encoder
///   reads (T5); the answer is its decoder's.
/// - PictureAlone: there is no text, and no tokenizer in the folder (ViT). A row has one token,
///   kPictureRow, which stands for its picture.
/// - Robot: what is to be done is asked about one picture in OpenVLA's words, and the answer is an
///   action: bos, the picture's tokens, the question, ActionOptions::space, the action's tokens,
///   eos.
enum class RowForm { ChatTemplate, PrefixSuffix, SourceAnswer, Source, PictureAlone, Robot };

inline constexpr TokenId kPictureRow = 0;

/// How a family writes a film into the text.
struct FilmTokens {
  std::string mark;       ///< that templates put there, and each of its tokens in the replacement
  TokenId token_id = -1;  ///< of it; −1: a film's frames are written with the pictures' token
  std::string processor;  ///< type of the video processor, where the folder's files name none
  std::function<std::string(const PixelValues&)> expand;
  /// An Input error where the folder's video processor is another model's.
  std::function<Status(const FilmProcessor&)> check = {};
  /// What stands in place of the folder's template where a row has films (SmolVLM); empty: the
  /// same.
  std::string chat_template = {};
};

/// How a family writes a picture into the text: the mark that templates put there, and the
/// replacement for the i-th picture once its pixels (or, where only lengths are wanted, their shape
/// and grid) are known. Without a function the mark stays alone.
struct ImageTokens {
  std::string mark = "<image>";
  std::function<std::string(const PixelValues&)> expand;
  std::string token =
      {};  ///< what each of a picture's tokens is in the replacement; empty: the mark
  RowForm form = RowForm::ChatTemplate;
  /// What stands before the replacement of a row's i-th picture, where the family numbers them.
  std::function<std::string(std::size_t)> number = {};
  /// A text that the template wrote without the tokenizer's first token gets it, behind the marks
  /// that it begins with (Llama 3.2 Vision).
  bool writes_bos = false;
  std::optional<FilmTokens> films = {};  ///< none: the model takes no films
  /// SourceAnswer: what is read for a question; an Input error where it cannot be asked so.
  std::function<Result<std::string>(const std::string&)> ask = {};
  TokenId answer_start = -1;  ///< and what the decoder's rows begin with
  std::int64_t count = 0;     ///< Robot: of a picture's tokens, which are the same for all
};

/// What a model's config.json says of rows that are no texts alone.
struct RowLabels {
  std::optional<ClassOptions> classes;   ///< that its head tells apart
  std::optional<ActionOptions> actions;  ///< as which its last tokens are read
};

class ChatProcessor {
 public:
  /// What a model that takes pictures needs besides tokenizer and template; its family says it.
  struct Pictures {
    ImageTokens tokens;
    TokenId token_id = -1;
    ProcessorDefaults defaults;
  };
  /// Reads tokenizer, template and, with `pictures`, the picture processor of a folder. Plain texts
  /// are cut at `longest_row` tokens, where the model has no more positions. A folder without a
  /// chat template loads; encoding messages with it is an Input error that says so. `form`: of
  /// rows where there are no pictures, whose family says it otherwise; `labels`: what the model
  /// knows of rows besides.
  static Result<std::shared_ptr<const ChatProcessor>> load(const std::filesystem::path& folder,
                                                           std::optional<Pictures> pictures,
                                                           const MediaLimits& limits = {},
                                                           std::int64_t longest_row = 0,
                                                           RowForm form = RowForm::ChatTemplate,
                                                           RowLabels labels = {});
  /// The same for pictures under other limits, read anew from the folder; tokenizer and template
  /// are shared. Limits mean nothing to a model without pictures.
  Result<std::shared_ptr<const ChatProcessor>> with_limits(const std::filesystem::path& folder,
                                                           const MediaLimits& limits) const;

  /// A training example. `max_length` <= 0: no limit; longer rows are cut at the end, but never
  /// inside the picture tokens (an Input error). Labels by `loss_on`; image tokens never carry a
  /// label. `where` names the row in errors, `fault` gets their kind.
  /// - Completion: what follows the prompt, that is the messages without a trailing assistant turn
  /// and with the generation prompt. When the
  ///   prompt's ids do not begin the whole's ids (a token reaches over the border), the first
  ///   labelled token is the first that starts at or after the end of the prompt's text. No
  ///   trailing assistant turn: no label.
  /// - Assistant: tokens that start inside {% generation %}; in templates without it, inside what
  /// each assistant turn adds after its prompt.
  /// - All: every token.
  /// A family that lays rows out as prefix and suffix labels the suffix in each case, and sets
  /// `prompt_tokens`.
  Result<Example> encode_training(const Conversation& conversation, LossOn loss_on,
                                  std::int64_t max_length, const std::string& where,
                                  RowFault* fault = nullptr) const;

  using SizeOf = std::function<Result<ImageSize>(const std::filesystem::path&)>;
  /// The same ids and labels from the pictures' sizes alone: `images` carry shapes and no values.
  /// `size_of` empty: from the files' headers.
  Result<Example> measure_training(const Conversation& conversation, LossOn loss_on,
                                   std::int64_t max_length, const std::string& where,
                                   RowFault* fault = nullptr, const SizeOf& size_of = {}) const;
  /// A sequence for each of `answers` to the conversation's messages. Prompt and answer are
  /// tokenized apart and without added special tokens, then joined, as TRL's picture collators do;
  /// the prompt is what all the rendered texts begin with. Labels are the answer's tokens. The
  /// pictures stand in the first sequence alone. `outline`: not null → from sizes, as
  /// measure_training.
  Result<std::vector<Example>> encode_answers(const Conversation& conversation,
                                              const std::vector<std::vector<Message>>& answers,
                                              std::int64_t max_length, const std::string& where,
                                              RowFault* fault = nullptr,
                                              const SizeOf* outline = nullptr) const;
  /// A plain text as the tokenizer lays it out for an encoder: with its special tokens, of which
  /// those behind the text stay where it is cut. Labels are the text's own tokens.
  Result<Example> encode_plain(const std::string& text, std::int64_t max_length,
                               const std::string& where, RowFault* fault = nullptr) const;
  /// Two texts read together, as the tokenizer's post-processor lays out a pair; where they are too
  /// long, each is cut at its end, the longer first (transformers' longest_first). Labels as
  /// encode_plain. An Input error where the tokenizer does not say how.
  Result<Example> encode_pair(const std::string& first, const std::string& second,
                              std::int64_t max_length, const std::string& where,
                              RowFault* fault = nullptr) const;
  /// How many tokens two such texts may have together, in max_length and the model's positions; 0:
  /// as many as there are. An Input error as of encode_pair, or where none is left.
  Result<std::size_t> pair_room(std::int64_t max_length, const std::string& where,
                                RowFault* fault = nullptr) const;
  /// Words that are tokenized each for itself (transformers' is_split_into_words), with the special
  /// tokens around them all; what is too long is cut at the end. `labels`: of each word, for its
  /// first token; the others have none.
  Result<Example> encode_words(const std::vector<std::string>& words,
                               const std::vector<std::int64_t>& labels, std::int64_t max_length,
                               const std::string& where, RowFault* fault = nullptr) const;
  /// Under RowForm::Robot: one picture and what is to be done, with the action's tokens behind
  /// them, which are labelled with eos; none: a prompt. `outline` as below.
  Result<Example> encode_action(const Conversation& row, const std::vector<TokenId>& action,
                                const std::string& where, RowFault* fault = nullptr,
                                const SizeOf* outline = nullptr) const;
  /// A message of one picture and nothing else, for models of pictures alone. `outline` as below.
  Result<Example> encode_picture(const Conversation& row, const std::string& where,
                                 RowFault* fault = nullptr, const SizeOf* outline = nullptr) const;
  /// A message of one picture and one text as two towers take them: the text as encode_plain, the
  /// picture beside it. `outline`: not null → from sizes, as measure_training.
  Result<Example> encode_caption(const Conversation& row, std::int64_t max_length,
                                 const std::string& where, RowFault* fault = nullptr,
                                 const SizeOf* outline = nullptr) const;
  /// A prompt: the messages (without a trailing assistant turn) with the generation prompt added.
  /// labels stay empty. Under RowForm::Source the text is the one message's, as `source_ids`.
  Result<Example> encode_prompt(const Conversation& conversation, const std::string& where) const;

  /// Writes pixel limits into the picture processor's file of a checkpoint folder that this
  /// processor's model is saved into.
  Status store_limits(const std::filesystem::path& folder, const MediaLimits& limits) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// Null: the model takes no pictures, and a row that has some is refused.
  const ImageProcessor* image_processor() const { return image_processor_.get(); }
  RowForm row_form() const { return image_tokens_.form; }
  /// −1: no token stands for a picture.
  TokenId image_token_id() const { return image_token_id_; }
  /// Whether the token stands for a part of a picture or film.
  bool shows(TokenId id) const {
    return id == image_token_id_ || (image_tokens_.films && id == image_tokens_.films->token_id);
  }
  /// Null: the model has no head of classes.
  const ClassOptions* classes() const { return labels_.classes ? &*labels_.classes : nullptr; }
  /// Null: the model moves no robot.
  const ActionOptions* actions() const { return labels_.actions ? &*labels_.actions : nullptr; }
  /// Null: the model takes no films.
  const FilmProcessor* film_processor() const { return film_processor_.get(); }

 private:
  struct FilledText;  // a rendered text with its pictures' places filled
  struct Row;         // what one call works on
  Status check_tools(const Row& row) const;
  Result<FilledText> lay_out(const Row& row, std::size_t turns, bool add_generation_prompt) const;
  Result<Encoding> encode_text(const Row& row, const FilledText& filled) const;
  Result<Encoding> encode_text(const Row& row, const std::string& text) const;
  Result<Encoding> encode_text(const Row& row, const std::string& text, bool special) const;
  Status check_tokens(const Row& row, const std::string& text, const Encoding& encoding,
                      const std::string& token, TokenId id) const;
  Status prepare_pictures(Row& row) const;
  Status cut(const Row& row, bool has_pictures, std::int64_t max_length, Example& example) const;
  Result<std::vector<Example>> encode_apart(const Row& prompt,
                                            const std::vector<std::vector<Message>>& answers,
                                            std::int64_t max_length) const;
  Result<std::vector<PixelValues>> load_pictures(const Row& row, const SizeOf* size_of) const;
  Result<PixelValues> load_film(const Row& row, const RowFilm& film, const SizeOf* size_of) const;
  void load_film_template();
  const ChatTemplate* template_of(std::span<const Message> messages) const;
  Status load_film_processor(const std::filesystem::path& folder, const FilmLimits& limits);
  Result<Example> encode_row(Row& row, LossOn loss_on, std::int64_t max_length) const;
  Result<Example> encode_chat(const Row& row, LossOn loss_on) const;
  Result<Example> encode_prefix_suffix(const Row& row) const;
  Result<Example> encode_source_answer(const Row& row, std::int64_t max_length) const;
  Result<Example> encode_source(const Row& row) const;
  const std::string& image_token() const {
    return image_tokens_.token.empty() ? image_tokens_.mark : image_tokens_.token;
  }
  Result<std::vector<std::int64_t>> labels_of(const Row& row, const FilledText& whole,
                                              const Encoding& encoding, LossOn loss_on) const;
  Result<std::size_t> prompt_length(const Row& row, const FilledText& whole,
                                    const Encoding& encoding) const;
  Result<std::vector<std::pair<std::size_t, std::size_t>>> assistant_ranges(
      const Row& row, const FilledText& whole) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatTemplate> template_, film_template_;
  std::optional<Error> template_error_;  // why there is none
  std::shared_ptr<const ImageProcessor> image_processor_;
  std::shared_ptr<const FilmProcessor> film_processor_;
  std::optional<Error> film_error_;  // why there is none
  ProcessorDefaults defaults_;
  ImageTokens image_tokens_;
  TokenId image_token_id_ = -1;
  std::int64_t longest_row_ = 0;
  RowLabels labels_;
};

}  // namespace luthier
