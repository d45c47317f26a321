// SPDX-License-Identifier: GPL-3.0-or-later
// comparison.json, and writing both documents. Keys are the field's; an answer that is not there is
// null.
#include "engine/compare/documents.h"

#include "engine/compare/result_folder.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/methods/adapter_notes.h"
#include "engine/vision/inline_picture.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

/// From `folder`, where there is a way; else as it is.
std::string path_from(const fs::path& folder, const fs::path& path) {
  std::error_code problem;
  const fs::path here = folder.empty() ? fs::path(".") : folder;
  const fs::path way = fs::proximate(path, here, problem);
  return problem || way.empty() ? path.string() : way.generic_string();
}

Json optional_number(const std::optional<std::int64_t>& number) {
  return number ? Json(*number) : Json(nullptr);
}

/// As rows write it.
Json film_json(const RowFilm& film, const fs::path& folder) {
  Json frames = Json::array();
  for (const fs::path& picture : film.pictures)
    frames.push_back(is_inline_picture(picture) ? picture_name(picture)
                                                : path_from(folder, picture));
  Json json = film.pictures.empty() ? Json(path_from(folder, film.path)) : std::move(frames);
  if (film.fps) json = {{"path", std::move(json)}, {"fps", *film.fps}};
  return json;
}

std::string picture_from(const fs::path& folder, const fs::path& image, bool inline_pictures) {
  return !is_inline_picture(image) ? path_from(folder, image)
         : inline_pictures         ? image.string()
                                   : picture_name(image);
}

/// The prompt's turns and pictures, and what is expected; a row of boxes as one.
Json sample_json(const Sample& sample, const fs::path& folder, bool inline_pictures) {
  const auto expected = sample.expected();
  if (holds_boxes(sample.conversation))
    if (auto row = box_row_json(sample.conversation,
                                picture_from(folder, sample.pictures().front(), inline_pictures))) {
      (*row)["where"] = short_place(sample.where);
      (*row)["expected"] = expected ? Json(*expected) : Json(nullptr);
      return *std::move(row);
    }
  Json messages = Json::array();
  for (const Message& message : sample.conversation.messages) {
    Json content = Json::array();
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Image) {
        const std::string name = picture_from(folder, part.image, inline_pictures);
        content.push_back({{"type", "image"}, {"path", name}});
      } else if (part.kind == ContentPart::Kind::Film) {
        content.push_back({{"type", "video"}, {"video", film_json(part.film, folder)}});
      } else {
        content.push_back({{"type", "text"}, {"text", part.text}});
      }
    }
    messages.push_back({{"role", message.role}, {"content", std::move(content)}});
    if (message.extra.is_object())  // what a template reads besides
      for (const auto& [key, value] : message.extra.items())
        if (!messages.back().contains(key)) messages.back()[key] = value;
  }
  Json json = {{"where", short_place(sample.where)}, {"messages", std::move(messages)}};
  if (!sample.conversation.tools.is_null()) json["tools"] = sample.conversation.tools;
  json["expected"] = expected ? Json(*expected) : Json(nullptr);
  return json;
}

Json column_json(const Comparison& comparison, std::size_t index) {
  const ComparisonColumn& column = comparison.columns[index];
  Json json = {{"name", column.name}};
  json["adapter"] = column.is_base() ? Json(nullptr) : Json(column.adapter);
  json["bytes"] = column.bytes;
  json["kind"] = column.is_base() ? "base"
                 : column.router  ? "router"
                 : column.whole   ? "checkpoint"
                                  : "adapter";
  json["strength"] =
      column.is_base() || column.whole || column.router ? Json(nullptr) : Json(column.strength);
  if (column.image.min_pixels || column.image.max_pixels) {
    json["image"] = {{"min_pixels", optional_number(column.image.min_pixels)},
                     {"max_pixels", optional_number(column.image.max_pixels)}};
  }
  if (column.image.film.any()) json["film"] = film_limits_json(column.image.film);
  json["answered"] = comparison.answered(index);
  return json;
}

Json answer_json(const ComparisonAnswer& answer) {
  if (!answer.whole()) return nullptr;
  Json ids = Json::array(), logprobs = Json::array(), scores = Json::object();
  Json pieces = Json::array(), places = Json::array(), others = Json::array();
  for (const AnswerToken& token : answer.tokens) {
    ids.push_back(token.id);
    logprobs.push_back(token.logprob);
    pieces.push_back(token.piece);
    places.push_back({token.begin, token.end});
    Json own = Json::array();
    for (const auto& [piece, probability] : token.alternatives) own.push_back({piece, probability});
    others.push_back(std::move(own));
  }
  for (const auto& [key, score] : answer.scores) scores[key] = score;
  Json json = {{"text", answer.text},
               {"token_ids", std::move(ids)},
               {"logprobs", std::move(logprobs)},
               {"seconds", answer.seconds},
               {"finish", answer.finish},
               {"scores", std::move(scores)},
               {"pieces", std::move(pieces)},
               {"places", std::move(places)},
               {"alternatives", std::move(others)}};
  if (!answer.by.empty()) {
    json["adapter"] = answer.by;
    json["sureness"] = answer.sureness;
  }
  return json;
}

/// An answer under every column.
Json scored_json(const ScoredAnswer& scored) {
  Json ids = Json::array(), pieces = Json::array(), places = Json::array();
  for (const AnswerToken& token : scored.tokens) {
    ids.push_back(token.id);
    pieces.push_back(token.piece);
    places.push_back({token.begin, token.end});
  }
  Json columns = Json::array();
  for (const ScoredColumn& column : scored.columns) {
    Json own = {{"name", column.name},
                {"strength", column.strength},
                {"logprob", column.logprob()},
                {"perplexity", column.perplexity()},
                {"divergence", column.divergence()}};
    const auto other = column.first_other(scored.tokens);
    own["first_other"] = other ? Json(*other) : Json(nullptr);
    for (const char* key :
         {"logprobs", "divergences", "likeliest", "likeliest_pieces", "likeliest_probabilities"})
      own[key] = Json::array();
    for (const TokenScore& token : column.tokens) {
      own["logprobs"].push_back(token.logprob);
      own["divergences"].push_back(token.divergence);
      own["likeliest"].push_back(token.likeliest);
      own["likeliest_pieces"].push_back(token.likeliest_piece);
      own["likeliest_probabilities"].push_back(token.likeliest_probability);
    }
    columns.push_back(std::move(own));
  }
  return {{"of", scored.of},
          {"text", scored.text},
          {"reference", scored.reference},
          {"token_ids", std::move(ids)},
          {"pieces", std::move(pieces)},
          {"places", std::move(places)},
          {"columns", std::move(columns)}};
}

}  // namespace

Json to_json(const Comparison& comparison, const fs::path& folder, bool inline_pictures) {
  Json columns = Json::array(), rows = Json::array();
  Json scores = Json::object(), scored = Json::object(), names = Json::object();
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    const std::string& name = comparison.columns[i].name;
    columns.push_back(column_json(comparison, i));
    scores[name] = scored[name] = Json::object();
    for (const auto& [key, score] : column_scores(comparison, i)) {
      scores[name][key] = score.mean;
      scored[name][key] = score.of;
      names[key] = score_name(key);
    }
  }
  for (const ComparisonRow& row : comparison.rows) {
    Json answers = Json::array();
    for (const ComparisonAnswer& answer : row.answers) answers.push_back(answer_json(answer));
    rows.push_back({{"sample", sample_json(row.sample, folder, inline_pictures)},
                    {"answers", std::move(answers)}});
    for (const ScoredAnswer& own : row.scored) rows.back()["scored"].push_back(scored_json(own));
  }
  const GenerationOptions& options = comparison.options;
  const std::size_t all = comparison.rows.size() * comparison.columns.size();
  Json json = {{"model", comparison.model.string()}};
  json["base"] = {{"name", readable_model_name(comparison.model)},
                  {"device", comparison.device},
                  {"dtype", comparison.dtype}};
  json["options"] = {{"max_new_tokens", options.max_new_tokens},
                     {"temperature", options.temperature},
                     {"top_p", options.top_p},
                     {"top_k", options.top_k},
                     {"seed", options.seed},
                     {"ignore_eos", options.ignore_eos}};
  json["reference"] = comparison.reference < comparison.columns.size()
                          ? Json(comparison.columns[comparison.reference].name)
                          : Json(nullptr);
  if (!comparison.reward_model.empty()) json["reward_model"] = comparison.reward_model.string();
  if (!comparison.pattern.empty()) json["pattern"] = comparison.pattern;
  for (const Vote& vote : comparison.votes)
    json["votes"].push_back(
        {{"row", vote.row}, {"column", vote.column.empty() ? Json(nullptr) : Json(vote.column)}});
  if (!comparison.votes.empty()) {
    const auto rates = win_rates(comparison);
    for (std::size_t i = 0; i < rates.size(); ++i)
      json["win_rates"][comparison.columns[i].name] = {{"rate", rates[i].rate},
                                                       {"low", rates[i].low},
                                                       {"high", rates[i].high},
                                                       {"wins", rates[i].wins},
                                                       {"votes", rates[i].votes}};
  }
  json["answered"] = comparison.answered();
  json["complete"] = comparison.answered() == all;
  json["columns"] = std::move(columns);
  json["rows"] = std::move(rows);
  json["scores"] = std::move(scores);
  json["scored"] = std::move(scored);
  json["score_names"] = std::move(names);
  return json;
}

Status write_comparison_json(const Comparison& comparison, const fs::path& file,
                             bool inline_pictures) {
  const Json json = to_json(comparison, file.parent_path(), inline_pictures);
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace);
  return write_file_atomically(file, text + "\n");
}

Status write_comparison_html(const Comparison& comparison, const fs::path& file,
                             const ComparisonWords& words) {
  return write_file_atomically(file, to_html(comparison, words));
}

Status write_comparison(const Comparison& comparison, const fs::path& out) {
  LUTHIER_CHECK(make_output_folder(out));
  LUTHIER_CHECK(write_comparison_json(comparison, out / "comparison.json"));
  LUTHIER_CHECK(write_comparison_csv(comparison, out / "comparison.csv"));
  return write_comparison_html(comparison, out / "comparison.html");
}

}  // namespace luthier
