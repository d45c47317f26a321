// SPDX-License-Identifier: GPL-3.0-or-later
// comparison.json, and writing both documents. Keys are the field's; an answer that is not there is
// null.
#include "engine/compare/documents.h"

#include "engine/compare/result_folder.h"
#include "engine/io/files.h"
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

/// The prompt's turns and pictures, and what is expected.
Json sample_json(const Sample& sample, const fs::path& folder) {
  Json messages = Json::array();
  for (const Message& message : sample.conversation.messages) {
    Json content = Json::array();
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Image) {
        const std::string name = is_inline_picture(part.image) ? picture_name(part.image)
                                                               : path_from(folder, part.image);
        content.push_back({{"type", "image"}, {"path", name}});
      } else if (part.kind == ContentPart::Kind::Film) {
        content.push_back({{"type", "video"}, {"video", film_json(part.film, folder)}});
      } else {
        content.push_back({{"type", "text"}, {"text", part.text}});
      }
    }
    messages.push_back({{"role", message.role}, {"content", std::move(content)}});
  }
  Json json = {{"where", short_place(sample.where)}, {"messages", std::move(messages)}};
  const auto expected = sample.expected();
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
  for (const AnswerToken& token : answer.tokens) {
    ids.push_back(token.id);
    logprobs.push_back(token.logprob);
  }
  for (const auto& [key, score] : answer.scores) scores[key] = score;
  Json json = {
      {"text", answer.text},       {"token_ids", std::move(ids)}, {"logprobs", std::move(logprobs)},
      {"seconds", answer.seconds}, {"finish", answer.finish},     {"scores", std::move(scores)}};
  if (!answer.by.empty()) {
    json["adapter"] = answer.by;
    json["sureness"] = answer.sureness;
  }
  return json;
}

}  // namespace

Json to_json(const Comparison& comparison, const fs::path& folder) {
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
    rows.push_back({{"sample", sample_json(row.sample, folder)}, {"answers", std::move(answers)}});
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
                     {"seed", options.seed}};
  json["reference"] = comparison.reference < comparison.columns.size()
                          ? Json(comparison.columns[comparison.reference].name)
                          : Json(nullptr);
  if (!comparison.reward_model.empty()) json["reward_model"] = comparison.reward_model.string();
  json["answered"] = comparison.answered();
  json["complete"] = comparison.answered() == all;
  json["columns"] = std::move(columns);
  json["rows"] = std::move(rows);
  json["scores"] = std::move(scores);
  json["scored"] = std::move(scored);
  json["score_names"] = std::move(names);
  return json;
}

Status write_comparison_json(const Comparison& comparison, const fs::path& file) {
  const Json json = to_json(comparison, file.parent_path());
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace);
  return write_file_atomically(file, text + "\n");
}

Status write_comparison_html(const Comparison& comparison, const fs::path& file,
                             const ComparisonWords& words) {
  return write_file_atomically(file, to_html(comparison, words));
}

Status write_comparison(const Comparison& comparison, const fs::path& out) {
  std::error_code problem;
  fs::create_directories(out, problem);
  if (problem) {
    return machine_error("The folder cannot be made: " + problem.message() + ".", out.string());
  }
  LUTHIER_CHECK(write_comparison_json(comparison, out / "comparison.json"));
  return write_comparison_html(comparison, out / "comparison.html");
}

}  // namespace luthier
