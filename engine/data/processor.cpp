// SPDX-License-Identifier: GPL-3.0-or-later
// A conversation's text and pictures together: render, put each picture's tokens in its mark's
// place, tokenize once; as transformers' ProcessorMixin.apply_chat_template(tokenize=True) does it.
// The labels are in labels.cpp.
#include "engine/data/processor.h"

#include <algorithm>
#include <map>
#include <span>

#include "engine/data/answer_start.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/boxes/place_tokenizer.h"
#include "engine/data/in_out_text.h"
#include "engine/data/processor_row.h"
#include "engine/template/content_form.h"
#include "engine/vision/inline_picture.h"
#include "engine/vision/pixel_limits.h"

namespace luthier {

namespace {

bool ends_with_assistant(const std::vector<Message>& messages) {
  return !messages.empty() && messages.back().role == "assistant";
}

/// Of models that read no text: the one token stands for a row's picture.
class NoTokenizer : public Tokenizer {
 public:
  NoTokenizer() { special_.pad = kPictureRow; }
  Result<Encoding> encode(std::string_view, bool) const override {
    return input_error("The model reads no text.", "text", "Give it rows of a picture alone.");
  }
  Result<std::string> decode(std::span<const TokenId>, bool) const override {
    return std::string();
  }
  std::int64_t vocab_size() const override { return 1; }
  std::optional<TokenId> token_to_id(std::string_view) const override { return std::nullopt; }
  std::string id_to_token(TokenId) const override { return {}; }
  bool is_special(TokenId) const override { return true; }
};

Status check_no_limits(const MediaLimits& limits) {
  if (!limits.any()) return {};
  return input_error("This model reads text alone, so there are no pictures to limit.",
                     limits.film.any()   ? "film"
                     : limits.min_pixels ? "image.min_pixels"
                                         : "image.max_pixels",
                     "Clear it.");
}

std::size_t parts_of(std::span<const Message> messages, ContentPart::Kind kind) {
  std::size_t parts = 0;
  for (const Message& message : messages)
    for (const ContentPart& part : message.content) parts += part.kind == kind;
  return parts;
}

/// A medium's mark in what a template wrote.
struct FoundMark {
  std::size_t at = std::string::npos, size = 0;
  bool film = false;
};

FoundMark next_mark(const std::string& text, std::size_t from, const ImageTokens& tokens) {
  FoundMark found;
  if (!tokens.mark.empty()) found = {text.find(tokens.mark, from), tokens.mark.size(), false};
  if (!tokens.films) return found;
  const std::size_t film = text.find(tokens.films->mark, from);
  return film < found.at ? FoundMark{film, tokens.films->mark.size(), true} : found;
}

// A picture processor knows sizes, not files.
Error in_picture(Error error, const std::filesystem::path& path) {
  if (error.where.empty()) error.where = picture_name(path);
  return error;
}

}  // namespace

Result<std::shared_ptr<const ChatProcessor>> ChatProcessor::load(
    const std::filesystem::path& folder, std::optional<Pictures> pictures,
    const MediaLimits& limits, std::int64_t longest_row, RowForm form, RowLabels labels) {
  auto processor = std::make_shared<ChatProcessor>();
  if (form == RowForm::PictureAlone) {
    processor->tokenizer_ = std::make_shared<const NoTokenizer>();
  } else {
    LUTHIER_TRY(processor->tokenizer_, Tokenizer::load(folder));
  }
  processor->longest_row_ = longest_row;
  processor->labels_ = std::move(labels);
  processor->image_tokens_.mark.clear();
  processor->image_tokens_.form = form;
  if (!pictures) {
    LUTHIER_CHECK(check_no_limits(limits));
  } else {
    LUTHIER_TRY(processor->image_processor_,
                ImageProcessor::load(folder, pictures->defaults, limits));
    processor->image_tokens_ = std::move(pictures->tokens);
    if (form == RowForm::PictureAlone) processor->image_tokens_.form = form;
    processor->image_token_id_ = pictures->token_id;
    if (form != RowForm::PictureAlone)
      processor->tokenizer_ = std::make_shared<const PlaceTokenizer>(
          std::move(processor->tokenizer_), box_notation_of(folder));
    processor->defaults_ = std::move(pictures->defaults);
    LUTHIER_CHECK(processor->load_film_processor(folder, limits.film));
    processor->load_film_template();
  }
  if (form == RowForm::Source) {
    const std::filesystem::path file = folder / "config.json";
    std::error_code ignored;
    Json config = Json::object();
    if (std::filesystem::exists(file, ignored)) {
      LUTHIER_TRY(config, read_json_file(file));
    }
    LUTHIER_TRY(const auto start, answer_start(config, file.string()));
    processor->image_tokens_.answer_start =
        start ? *start : moved_start(answer_language(folder, *processor->tokenizer_));
  }
  auto chat_template = ChatTemplate::load(folder);
  if (chat_template)
    processor->template_ = std::make_shared<const ChatTemplate>(chat_template.take());
  else
    processor->template_error_ = chat_template.error();
  return std::shared_ptr<const ChatProcessor>(std::move(processor));
}

Result<std::shared_ptr<const ChatProcessor>> ChatProcessor::with_limits(
    const std::filesystem::path& folder, const MediaLimits& limits) const {
  auto processor = std::make_shared<ChatProcessor>(*this);
  if (!image_processor_) {
    LUTHIER_CHECK(check_no_limits(limits));
  } else {
    LUTHIER_TRY(processor->image_processor_, ImageProcessor::load(folder, defaults_, limits));
    LUTHIER_CHECK(processor->load_film_processor(folder, limits.film));
  }
  return std::shared_ptr<const ChatProcessor>(std::move(processor));
}

Status ChatProcessor::store_limits(const std::filesystem::path& folder,
                                   const MediaLimits& limits) const {
  if (!image_processor_) return {};
  LUTHIER_CHECK(store_pixel_limits(folder, defaults_, limits));
  if (!image_tokens_.films) return {};
  return store_film_limits(folder, image_tokens_.films->processor, limits.film);
}

Error ChatProcessor::Row::error(RowFault kind, std::string what, std::string hint) const {
  if (fault) *fault = kind;
  return input_error(std::move(what), where, std::move(hint));
}

Error ChatProcessor::Row::about(RowFault kind, Error cause) const {
  if (fault) *fault = kind;
  cause.where = cause.where.empty() ? where : where + ": " + cause.where;
  return cause;
}

/// A template that has no place for tools would leave them out, or write their roles as those of a
/// speaker.
Status ChatProcessor::check_tools(const Row& row) const {
  if (!template_) return {};
  const std::string& source = template_->source();
  const auto mentions = [&](const char* name) { return source.find(name) != std::string::npos; };
  const auto lacks = [&](const std::string& what) {
    return row.error(
        RowFault::UnsupportedTools,
        "The row has " + what + ", and the model's chat template has no place for that.",
        "Take the row out, or write it without tools.");
  };
  if (row.tools && !row.tools->is_null() && !mentions("tools")) return lacks("tools");
  for (const Message& message : row.messages) {
    // One that lists tools may write every role by its name (LFM2.5's).
    if (message.role == "tool" && !mentions("'tool'") && !mentions("\"tool\"") &&
        !mentions("tools"))
      return lacks("a tool's answer");
    const bool calls = message.extra.is_object() && message.extra.contains("tool_calls");
    if (calls && !mentions("tool_calls")) return lacks("a tool call");
  }
  return {};
}

namespace {

/// ImageTokens::writes_bos. Whether there was something to write.
bool write_bos(const std::string& mark, const std::string& bos, RenderedChat& chat) {
  if (bos.empty() || chat.text.find(bos) != std::string::npos) return false;
  std::size_t at = 0;
  while (!mark.empty() && chat.text.compare(at, mark.size(), mark) == 0) at += mark.size();
  chat.text.insert(at, bos);
  for (auto& [begin, end] : chat.generation) {
    if (begin >= at) begin += bos.size();
    if (end >= at) end += bos.size();
  }
  return true;
}

}  // namespace

Result<ChatProcessor::FilledText> ChatProcessor::lay_out(const Row& row, std::size_t turns,
                                                         bool add_generation_prompt) const {
  const auto written = std::span(row.messages).first(turns);
  const ChatTemplate* chat_template = template_of(written);
  if (!chat_template) return row.about(RowFault::Template, *template_error_);
  Json variables = Json::object();
  variables["messages"] = messages_for_template(
      {row.messages.begin(), row.messages.begin() + static_cast<std::ptrdiff_t>(turns)});
  variables["add_generation_prompt"] = add_generation_prompt;
  if (row.tools)
    variables["tools"] = *row.tools;
  else
    variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  const SpecialTokens& special = tokenizer_->special();
  for (const auto& [name, text] : {std::pair{"bos_token", &special.bos_text},
                                   {"eos_token", &special.eos_text},
                                   {"pad_token", &special.pad_text},
                                   {"unk_token", &special.unk_text}})
    if (!text->empty()) variables[name] = *text;
  const MediaMarks marks{image_tokens_.mark, image_tokens_.films ? image_tokens_.films->mark : "",
                         !image_processor_};
  auto rendered =
      chat_template->render(contents_as_taken(*chat_template, std::move(variables), marks));
  if (!rendered) {
    // The folder's fault and none of the row's.
    for (const char* name : {"bos_token", "eos_token", "pad_token", "unk_token"})
      if (rendered.error().what.find("'" + std::string(name) + "' is undefined") !=
          std::string::npos)
        return row.error(RowFault::Template,
                         "The chat template writes the " + std::string(name) +
                             ", and the model's tokenizer_config.json names none.",
                         "Name it there: \"" + std::string(name) + "\": \"…\".");
    return row.about(RowFault::Template, rendered.error());
  }
  FilledText filled;
  filled.adds_bos =
      image_tokens_.writes_bos && write_bos(image_tokens_.mark, special.bos_text, *rendered);

  const std::string& source = rendered->text;
  std::size_t next = 0, last = 0, pictures = 0, films = 0;
  FoundMark mark = next_mark(source, 0, image_tokens_);
  for (; mark.at != std::string::npos; mark = next_mark(source, last, image_tokens_)) {
    if (next >= row.replacements.size() || row.replacements[next].film != mark.film) break;
    ++(mark.film ? films : pictures);
    filled.text.append(source, last, mark.at - last);
    last = mark.at + mark.size;
    // What stands before a picture stands once where the picture before it ended with the same.
    const std::string before =
        !mark.film && image_tokens_.number ? image_tokens_.number(next) : std::string();
    const bool stands = !before.empty() && filled.text.ends_with(before);
    filled.text.append(row.replacements[next++].text, stands ? before.size() : 0);
    filled.moves.emplace_back(last, filled.text.size());
    if (filled.text.size() > kMaxExpandedBytes)
      return row.error(RowFault::BadRow,
                       "The row's pictures take more text than memory should hold.");
  }
  const bool more = mark.at != std::string::npos;
  const std::size_t shown = parts_of(written, ContentPart::Kind::Image),
                    played = parts_of(written, ContentPart::Kind::Film);
  if (more && next < row.replacements.size() && next < shown + played)
    return row.error(RowFault::ImageMarks,
                     "The chat template wrote the row's pictures and films in another order.",
                     "Its template must write each content part in its place.");
  if (pictures != shown || (more && !mark.film))
    return row.error(
        RowFault::ImageMarks,
        "The chat template wrote " +
            (more && !mark.film ? "more than " + std::to_string(shown) : std::to_string(pictures)) +
            " of the marks " + image_tokens_.mark + " for " + std::to_string(shown) +
            (shown == 1 ? " picture." : " pictures."),
        "Its template must write one for each content part of type image.");
  if (films != played || more)
    return row.error(RowFault::ImageMarks,
                     "The chat template wrote " +
                         (more ? "more than " + std::to_string(played) : std::to_string(films)) +
                         " of the marks " + image_tokens_.films->mark + " for " +
                         std::to_string(played) + (played == 1 ? " film." : " films."),
                     "Its template must write one for each content part of type video.");
  filled.text.append(source, last);
  if (image_tokens_.ask) {  // the processor adds to what a template wrote
    Result<std::string> read = image_tokens_.ask(filled.text);
    if (!read) return row.about(RowFault::Template, read.error());
    filled.text = read.take();
  }
  for (const auto& [begin, end] : rendered->generation)
    filled.generation.emplace_back(filled.moved(begin), filled.moved(end));
  return filled;
}

/// transformers asks what the template wrote, before it adds a first token, whether it has one.
Result<Encoding> ChatProcessor::encode_text(const Row& row, const FilledText& filled) const {
  return filled.adds_bos ? encode_text(row, filled.text, /*add_special=*/true)
                         : encode_text(row, filled.text);
}

Result<Encoding> ChatProcessor::encode_text(const Row& row, const std::string& text) const {
  const SpecialTokens& special = tokenizer_->special();
  const bool template_wrote_bos =
      special.bos && !special.bos_text.empty() && text.starts_with(special.bos_text);
  // transformers' processors add special tokens to what a template wrote; its tokenizers, which are
  // all that a model without pictures has, do not.
  const bool adds = image_processor_ && image_tokens_.form == RowForm::ChatTemplate;
  return encode_text(row, text, adds && !template_wrote_bos);
}

Result<Encoding> ChatProcessor::encode_text(const Row& row, const std::string& text,
                                            bool add_special) const {
  auto encoding = tokenizer_->encode(text, add_special);
  if (!encoding) return row.about(RowFault::BadRow, encoding.error());
  if (row.replacements.empty()) return encoding;
  LUTHIER_CHECK(check_tokens(row, text, *encoding, image_token(), image_token_id_));
  if (image_tokens_.films && image_tokens_.films->token_id >= 0) {
    LUTHIER_CHECK(check_tokens(row, text, *encoding, image_tokens_.films->mark,
                               image_tokens_.films->token_id));
  }
  return encoding;
}

Status ChatProcessor::check_tokens(const Row& row, const std::string& text,
                                   const Encoding& encoding, const std::string& token,
                                   TokenId id) const {
  std::int64_t written = 0;
  for (std::size_t at = text.find(token); at != std::string::npos;
       at = text.find(token, at + token.size()))
    ++written;
  const std::int64_t tokens = std::count(encoding.ids.begin(), encoding.ids.end(), id);
  if (tokens == written) return {};
  return row.error(
      RowFault::ImageMarks,
      "The text has " + std::to_string(written) + " picture marks " + token + ", but " +
          std::to_string(tokens) + " tokens of id " + std::to_string(id) + ".",
      "The tokenizer must know " + token + " as one token, with the id that config.json names.");
}

Result<std::vector<PixelValues>> ChatProcessor::load_pictures(const Row& row,
                                                              const SizeOf* size_of) const {
  std::vector<PixelValues> pictures;
  std::map<std::filesystem::path, std::size_t> seen;  // a row may show one picture twice
  const ImageProcessor* processor = image_processor_.get();
  if (processor) processor = &processor->among(parts_of(row.messages, ContentPart::Kind::Image));
  for (const Message& message : row.messages)
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Film) {
        LUTHIER_TRY(PixelValues film, load_film(row, part.film, size_of));
        pictures.push_back(std::move(film));
      }
      if (part.kind != ContentPart::Kind::Image) continue;
      if (!processor)
        return row.error(RowFault::BadRow,
                         "The row has a picture, and this model reads text alone.",
                         "Take the pictures out, or choose a model that takes them.");
      const auto [known, is_new] = seen.emplace(part.image, pictures.size());
      if (!is_new) {
        pictures.push_back(PixelValues(pictures[known->second]));
        continue;
      }
      std::error_code ignored;
      const bool there =
          is_inline_picture(part.image) || std::filesystem::exists(part.image, ignored);
      const RowFault kind = there ? RowFault::BrokenImage : RowFault::MissingImage;
      if (size_of) {
        const auto size = *size_of ? (*size_of)(part.image) : read_image_size(part.image);
        if (!size) return row.about(kind, size.error());
        auto outline = processor->outline(size->width, size->height);
        if (!outline)
          return row.about(RowFault::BrokenImage, in_picture(outline.error(), part.image));
        pictures.push_back(outline.take());
        continue;
      }
      const auto image = decode_image(part.image);
      if (!image) return row.about(kind, image.error());
      auto pixels = processor->process(*image);
      if (!pixels) return row.about(RowFault::BrokenImage, in_picture(pixels.error(), part.image));
      pictures.push_back(pixels.take());
    }
  return pictures;
}

/// Refuses the model's own picture marks in texts, and makes what stands in each picture's place.
Status ChatProcessor::prepare_pictures(Row& row) const {
  for (const Message& message : row.messages)
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::Text) continue;
      for (const std::string* mark : {&image_tokens_.mark, &image_tokens_.token})
        if (!mark->empty() && part.text.find(*mark) != std::string::npos)
          return row.error(
              RowFault::ImageMarks,
              "A text holds " + *mark + ", which is the model's mark for a picture.",
              "Write the picture as its own content part, or take the mark out of the text.");
      const auto& films = image_tokens_.films;
      if (films && part.text.find(films->mark) != std::string::npos)
        return row.error(
            RowFault::ImageMarks,
            "A text holds " + films->mark + ", which is the model's mark for a film.",
            "Write the film as its own content part, or take the mark out of the text.");
    }
  row.replacements.clear();
  for (const PixelValues& picture : row.pictures) {
    if (picture.film) {
      row.replacements.push_back({image_tokens_.films->expand(picture), true});
      continue;
    }
    const std::string before =
        image_tokens_.number ? image_tokens_.number(row.replacements.size()) : std::string();
    row.replacements.push_back(
        {before + (image_tokens_.expand ? image_tokens_.expand(picture) : image_tokens_.mark),
         false});
  }
  return {};
}

/// At the end, to `max_length`; never inside the pictures.
Status ChatProcessor::cut(const Row& row, bool has_pictures, std::int64_t max_length,
                          Example& example) const {
  const std::size_t length = example.input_ids.size();
  const std::size_t limit = max_length > 0 ? static_cast<std::size_t>(max_length) : length;
  if (longest_row_ > 0 && std::min(length, limit) > static_cast<std::size_t>(longest_row_))
    return row.error(RowFault::BadRow,
                     "The row is " + std::to_string(std::min(length, limit)) +
                         " tokens, and the model has " + std::to_string(longest_row_) +
                         " positions.",
                     row.prompt_only ? "Ask a shorter question."
                                     : "Lower training.max_length, or shorten the row.");
  if (length <= limit) return {};
  const auto last_picture = std::find_if(example.input_ids.rbegin(), example.input_ids.rend(),
                                         [this](TokenId id) { return shows(id); });
  const auto needed = static_cast<std::size_t>(example.input_ids.rend() - last_picture);
  if (has_pictures && needed > limit)
    return row.error(
        RowFault::BadRow,
        "Its " + std::to_string(length) + " tokens would be cut inside the pictures: they need " +
            std::to_string(needed) + ", max_length is " + std::to_string(max_length) + ".",
        "Raise training.max_length.");
  example.truncated_tokens = static_cast<std::int64_t>(length - limit);
  example.input_ids.resize(limit);
  if (!row.prompt_only) example.labels.resize(limit);
  example.prompt_tokens = std::min(example.prompt_tokens, max_length);
  return {};
}

Result<Example> ChatProcessor::encode_row(Row& row, LossOn loss_on, std::int64_t max_length) const {
  LUTHIER_CHECK(prepare_pictures(row));
  if (image_tokens_.form == RowForm::Robot) {
    if (const char* refusal = one_turn_refusal(row.messages))
      return row.error(RowFault::BadRow, refusal, "Write one question and its answer.");
    const bool answered = !row.prompt_only && ends_with_assistant(row.messages);
    const std::string answer = answered ? joined_text(row.messages.back()) : std::string();
    const auto shown = static_cast<std::int64_t>(row.pictures.size());
    auto made = encode_in_out(*tokenizer_, in_out_question(joined_text(row.messages.front())),
                              answered ? &answer : nullptr, image_token_id_,
                              shown > 0 ? image_tokens_.count : 0);
    if (!made) return row.about(RowFault::BadRow, made.error());
    if (shown > 1)
      return row.error(RowFault::ImageMarks, "The model looks at one picture.", "Take one out.");
    Example example = made.take();
    example.images = std::move(row.pictures);
    if (row.prompt_only) example.labels.clear();
    LUTHIER_CHECK(cut(row, shown > 0, max_length, example));
    return example;
  }
  if (image_tokens_.form == RowForm::Source) {
    LUTHIER_TRY(Example example, encode_source(row));
    const bool fewer = longest_row_ > 0 && (max_length <= 0 || longest_row_ < max_length);
    if (!row.prompt_only) cut_both_texts(*tokenizer_, fewer ? longest_row_ : max_length, example);
    return example;
  }
  if (image_tokens_.form == RowForm::SourceAnswer) {
    LUTHIER_TRY(Example example, encode_source_answer(row, max_length));
    example.images = std::move(row.pictures);
    return example;
  }
  LUTHIER_TRY(Example example, image_tokens_.form == RowForm::PrefixSuffix
                                   ? encode_prefix_suffix(row)
                                   : encode_chat(row, loss_on));
  example.images = std::move(row.pictures);
  LUTHIER_CHECK(cut(row, !example.images.empty(), max_length, example));
  return example;
}

Result<Example> ChatProcessor::encode_chat(const Row& row, LossOn loss_on) const {
  LUTHIER_CHECK(check_tools(row));
  LUTHIER_TRY(const FilledText filled, lay_out(row, row.messages.size(), row.prompt_only));
  LUTHIER_TRY(Encoding encoding, encode_text(row, filled));
  Example example;
  if (!row.prompt_only) {
    LUTHIER_TRY(example.labels, labels_of(row, filled, encoding, loss_on));
  }
  example.input_ids = std::move(encoding.ids);
  return example;
}

Result<Example> ChatProcessor::encode_training(const Conversation& conversation, LossOn loss_on,
                                               std::int64_t max_length, const std::string& where,
                                               RowFault* fault) const {
  if (holds_boxes(conversation)) {
    LUTHIER_TRY(const Conversation written,
                written_boxes(conversation, box_writer(*this), where, fault));
    return encode_training(written, loss_on, max_length, where, fault);
  }
  Row row{conversation.messages, where, fault, false, {}, {}, &conversation.tools};
  LUTHIER_TRY(row.pictures, load_pictures(row, nullptr));
  return encode_row(row, loss_on, max_length);
}

Result<Example> ChatProcessor::measure_training(const Conversation& conversation, LossOn loss_on,
                                                std::int64_t max_length, const std::string& where,
                                                RowFault* fault, const SizeOf& size_of) const {
  if (holds_boxes(conversation)) {
    LUTHIER_TRY(const Conversation written,
                written_boxes(conversation, box_writer(*this), where, fault, size_of));
    return measure_training(written, loss_on, max_length, where, fault, size_of);
  }
  Row row{conversation.messages, where, fault, false, {}, {}, &conversation.tools};
  LUTHIER_TRY(row.pictures, load_pictures(row, &size_of));
  return encode_row(row, loss_on, max_length);
}

Result<Example> ChatProcessor::encode_prompt(const Conversation& conversation,
                                             const std::string& where) const {
  if (holds_boxes(conversation)) {
    LUTHIER_TRY(const Conversation written, written_boxes(conversation, box_writer(*this), where));
    return encode_prompt(written, where);
  }
  std::vector<Message> messages = conversation.messages;
  if (ends_with_assistant(messages)) messages.pop_back();
  if (messages.empty())
    return input_error("There is no turn to answer.", where, "Give at least one user message.");
  if (image_tokens_.form == RowForm::Robot && messages.front().extra.is_object() &&
      messages.front().extra.contains("robot"))
    return encode_action(conversation, {}, where);
  Row row{messages, where, nullptr, true, {}, {}, &conversation.tools};
  if (messages.front().role == "text" && image_tokens_.form != RowForm::Source) {
    return row.error(RowFault::BadRow,
                     "The row is a plain text, and this model answers conversations.",
                     "Give a row with messages.");
  }
  LUTHIER_TRY(row.pictures, load_pictures(row, nullptr));
  return encode_row(row, LossOn::All, 0);
}

}  // namespace luthier
