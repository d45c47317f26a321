// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/kept_comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/compare/documents.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/row_kind.h"
#include "engine/io/json.h"
#include "engine/io/output_place.h"
#include "engine/methods/adapter_notes.h"

namespace luthier {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostBytes = std::size_t{4} << 30;
constexpr const char *kFolder = "comparisons", *kFile = "comparison.json";

Error ill(const std::string& where, const std::string& what) {
  return input_error(what, where, "The file is no comparison that this program wrote.");
}

Result<const Json*> list_in(const Json& object, const char* key, const std::string& where) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || !found->is_array())
    return ill(where + ": " + key, "A list is expected.");
  return &*found;
}

double number_at(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

/// A list of numbers; of nothing where the key lacks. What was no number stands as null.
Result<std::vector<double>> numbers_in(const Json& object, const char* key,
                                       const std::string& where) {
  std::vector<double> numbers;
  if (!object.contains(key)) return numbers;
  LUTHIER_TRY(const Json* list, list_in(object, key, where));
  for (const Json& each : *list) {
    if (!each.is_number() && !each.is_null())
      return ill(where + ": " + key, "A number is expected.");
    numbers.push_back(number_at(each));
  }
  return numbers;
}

std::string text_at(const Json& list, std::size_t place) {
  return place < list.size() && list[place].is_string() ? list[place].get<std::string>()
                                                        : std::string();
}

/// Tokens with their pieces and places, which lie in the text.
Result<std::vector<AnswerToken>> read_tokens(const Json& json, const std::string& text,
                                             const std::string& where) {
  LUTHIER_TRY(const auto ids, numbers_in(json, "token_ids", where));
  const Json none = Json::array();
  const Json& pieces = json.contains("pieces") ? json["pieces"] : none;
  const Json& places = json.contains("places") ? json["places"] : none;
  std::vector<AnswerToken> tokens;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!(ids[i] >= 0 && ids[i] < 1e9) || ids[i] != std::floor(ids[i]))
      return ill(where + ": token_ids", "A token's number is expected.");
    AnswerToken token;
    token.id = static_cast<std::int64_t>(ids[i]);
    token.piece = text_at(pieces, i);
    if (places.is_array() && i < places.size() && places[i].is_array() && places[i].size() == 2 &&
        places[i][0].is_number_unsigned() && places[i][1].is_number_unsigned()) {
      token.begin = places[i][0].get<std::size_t>();
      token.end = places[i][1].get<std::size_t>();
    }
    if (token.begin > token.end || token.end > text.size())
      return ill(where + ": places", "A token stands outside of the answer's text.");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Status read_alternatives(const Json& json, std::vector<AnswerToken>& tokens,
                         const std::string& where) {
  if (!json.contains("alternatives")) return {};
  LUTHIER_TRY(const Json* lists, list_in(json, "alternatives", where));
  for (std::size_t i = 0; i < std::min(tokens.size(), lists->size()); ++i) {
    if (!(*lists)[i].is_array()) return ill(where + ": alternatives", "A list is expected.");
    for (const Json& each : (*lists)[i]) {
      if (!each.is_array() || each.size() != 2 || !each[0].is_string() ||
          !(each[1].is_number() || each[1].is_null()))
        return ill(where + ": alternatives", "A piece and its probability are expected.");
      tokens[i].alternatives.emplace_back(each[0].get<std::string>(), number_at(each[1]));
    }
  }
  return {};
}

Result<ComparisonAnswer> read_answer(const Json& json, const Sample& sample,
                                     const std::string& where) {
  ComparisonAnswer answer;
  if (json.is_null()) return answer;
  LUTHIER_TRY(answer.text, json_string(json, "text", where));
  LUTHIER_TRY(answer.finish, json_string(json, "finish", where));
  LUTHIER_TRY(answer.seconds, json_number(json, "seconds", where, 0.0));
  LUTHIER_TRY(answer.tokens, read_tokens(json, answer.text, where));
  LUTHIER_TRY(const auto logprobs, numbers_in(json, "logprobs", where));
  for (std::size_t i = 0; i < std::min(answer.tokens.size(), logprobs.size()); ++i)
    answer.tokens[i].logprob = logprobs[i];
  LUTHIER_CHECK(read_alternatives(json, answer.tokens, where));
  LUTHIER_TRY(answer.by, json_string(json, "adapter", where, std::string()));
  LUTHIER_TRY(answer.sureness, json_number(json, "sureness", where, 0.0));
  if (json.contains("scores") && json["scores"].is_object())
    for (const auto& [key, score] : json["scores"].items())
      if (score.is_number()) answer.scores[key] = score.get<double>();
  if (const auto expected = sample.expected(); expected && !holds_boxes(sample.conversation))
    answer.bleu = bleu_counts(answer.text, *expected);
  return answer;
}

Result<ScoredAnswer> read_scored(const Json& json, const std::string& where) {
  ScoredAnswer scored;
  LUTHIER_TRY(scored.of, json_string(json, "of", where));
  LUTHIER_TRY(scored.text, json_string(json, "text", where));
  LUTHIER_TRY(scored.reference, json_string(json, "reference", where));
  LUTHIER_TRY(scored.tokens, read_tokens(json, scored.text, where));
  LUTHIER_TRY(const Json* columns, list_in(json, "columns", where));
  for (const Json& each : *columns) {
    ScoredColumn column;
    LUTHIER_TRY(column.name, json_string(each, "name", where));
    LUTHIER_TRY(column.strength, json_number(each, "strength", where, 1.0));
    LUTHIER_TRY(const auto logprobs, numbers_in(each, "logprobs", where));
    LUTHIER_TRY(const auto apart, numbers_in(each, "divergences", where));
    LUTHIER_TRY(const auto likeliest, numbers_in(each, "likeliest", where));
    LUTHIER_TRY(const auto chances, numbers_in(each, "likeliest_probabilities", where));
    const std::size_t count = scored.tokens.size();
    if (logprobs.size() != count || apart.size() != count || likeliest.size() != count ||
        chances.size() != count)
      return ill(where + ": columns", "As many numbers as tokens are expected.");
    for (std::size_t i = 0; i < count; ++i) {
      if (!(likeliest[i] >= 0 && likeliest[i] < 1e9))
        return ill(where + ": likeliest", "A token's number is expected.");
      column.tokens.push_back(
          {logprobs[i], apart[i], static_cast<std::int64_t>(likeliest[i]),
           each.contains("likeliest_pieces") ? text_at(each["likeliest_pieces"], i) : std::string(),
           chances[i]});
    }
    scored.columns.push_back(std::move(column));
  }
  return scored;
}

Result<ComparisonColumn> read_column(const Json& json, const std::string& where) {
  ComparisonColumn column;
  LUTHIER_TRY(column.name, json_string(json, "name", where));
  LUTHIER_TRY(column.adapter, json_string(json, "adapter", where, std::string()));
  LUTHIER_TRY(const std::int64_t bytes, json_int(json, "bytes", where, 0));
  column.bytes = bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
  LUTHIER_TRY(const std::string kind, json_string(json, "kind", where, std::string("adapter")));
  column.whole = kind == "checkpoint";
  column.router = kind == "router";
  LUTHIER_TRY(column.strength, json_number(json, "strength", where, 1.0));
  if (json.contains("image") && json["image"].is_object()) {
    for (auto [key, number] : {std::pair("min_pixels", &column.image.min_pixels),
                               std::pair("max_pixels", &column.image.max_pixels)}) {
      LUTHIER_TRY(const std::int64_t pixels, json_int(json["image"], key, where + ": image", 0));
      if (pixels > 0) *number = pixels;
    }
  }
  if (json.contains("film") && json["film"].is_object()) {
    LUTHIER_TRY(column.image.film, read_film_limits(json["film"], where + ": film"));
  }
  return column;
}

Status read_options(const Json& json, GenerationOptions& options, const std::string& where) {
  LUTHIER_TRY(options.max_new_tokens,
              json_int(json, "max_new_tokens", where, options.max_new_tokens));
  LUTHIER_TRY(options.temperature, json_number(json, "temperature", where, options.temperature));
  LUTHIER_TRY(options.top_p, json_number(json, "top_p", where, options.top_p));
  LUTHIER_TRY(options.top_k, json_int(json, "top_k", where, options.top_k));
  LUTHIER_TRY(options.ignore_eos, json_bool(json, "ignore_eos", where, options.ignore_eos));
  LUTHIER_TRY(const std::int64_t seed, json_int(json, "seed", where, 42));
  options.seed = static_cast<std::uint64_t>(seed);
  return {};
}

Result<ComparisonRow> read_kept_row(const Json& json, std::size_t columns, const fs::path& folder,
                                    const std::string& where) {
  ComparisonRow row;
  const auto sample = json.is_object() ? json.find("sample") : json.end();
  if (sample == json.end() || !sample->is_object())
    return ill(where + ": sample", "An object is expected.");
  LUTHIER_TRY(row.sample.where, json_string(*sample, "where", where));
  LUTHIER_TRY(row.sample.conversation, any_rows().read(*sample, folder, where, nullptr));
  LUTHIER_TRY(const Json* answers, list_in(json, "answers", where));
  if (answers->size() != columns)
    return ill(where + ": answers", "One answer a column is expected.");
  for (const Json& each : *answers) {
    LUTHIER_TRY(ComparisonAnswer answer, read_answer(each, row.sample, where));
    row.answers.push_back(std::move(answer));
  }
  if (!json.contains("scored")) return row;
  LUTHIER_TRY(const Json* scored, list_in(json, "scored", where));
  for (const Json& each : *scored) {
    LUTHIER_TRY(ScoredAnswer own, read_scored(each, where));
    row.scored.push_back(std::move(own));
  }
  return row;
}

Status read_votes(const Json& json, Comparison& comparison, const std::string& where) {
  if (!json.contains("votes")) return {};
  LUTHIER_TRY(const Json* votes, list_in(json, "votes", where));
  for (const Json& each : *votes) {
    LUTHIER_TRY(const std::int64_t row, json_int(each, "row", where + ": votes"));
    LUTHIER_TRY(const std::string column,
                json_string(each, "column", where + ": votes", std::string()));
    if (row < 0 || static_cast<std::size_t>(row) >= comparison.rows.size())
      return ill(where + ": votes", "A vote is about a row that is not there.");
    put_vote(comparison.votes, {static_cast<std::size_t>(row), column});
  }
  return {};
}

}  // namespace

Result<Comparison> read_comparison(const fs::path& file) {
  JsonLimits limits;
  limits.max_bytes = kMostBytes;  // its pictures are in it
  LUTHIER_TRY(const Json json, read_json_file(file, limits));
  const std::string where = file.string();
  if (!json.is_object()) return ill(where, "An object is expected.");
  Comparison comparison;
  LUTHIER_TRY(const std::string model, json_string(json, "model", where));
  comparison.model = model;
  if (json.contains("base") && json["base"].is_object()) {
    LUTHIER_TRY(comparison.device,
                json_string(json["base"], "device", where + ": base", std::string()));
    LUTHIER_TRY(comparison.dtype,
                json_string(json["base"], "dtype", where + ": base", std::string()));
  }
  if (json.contains("options") && json["options"].is_object())
    LUTHIER_CHECK(read_options(json["options"], comparison.options, where + ": options"));
  LUTHIER_TRY(const Json* columns, list_in(json, "columns", where));
  LUTHIER_TRY(const std::string reference, json_string(json, "reference", where, std::string()));
  for (const Json& each : *columns) {
    if (!each.is_object()) return ill(where + ": columns", "An object is expected.");
    LUTHIER_TRY(ComparisonColumn column, read_column(each, where + ": columns"));
    if (column.name == reference) comparison.reference = comparison.columns.size();
    comparison.columns.push_back(std::move(column));
  }
  if (comparison.columns.empty()) return ill(where + ": columns", "There is no column.");
  LUTHIER_TRY(const Json* rows, list_in(json, "rows", where));
  for (std::size_t i = 0; i < rows->size(); ++i) {
    LUTHIER_TRY(ComparisonRow row,
                read_kept_row((*rows)[i], comparison.columns.size(), file.parent_path(),
                              where + ": row " + std::to_string(i + 1)));
    comparison.rows.push_back(std::move(row));
  }
  LUTHIER_TRY(const std::string reward, json_string(json, "reward_model", where, std::string()));
  comparison.reward_model = reward;
  LUTHIER_TRY(comparison.pattern, json_string(json, "pattern", where, std::string()));
  LUTHIER_CHECK(read_votes(json, comparison, where));
  return comparison;
}

fs::path run_of(const ComparisonColumn& column) {
  std::error_code problem;
  fs::path folder = column.adapter;
  for (int up = 0; up < 4 && !folder.empty(); ++up) {
    if (fs::exists(folder / "run.json", problem)) return folder;
    if (folder == folder.parent_path()) break;
    folder = folder.parent_path();
  }
  return {};
}

fs::path run_of(const Comparison& comparison) {
  for (const ComparisonColumn& column : comparison.columns)
    if (!column.is_base())
      if (fs::path run = run_of(column); !run.empty()) return run;
  return {};
}

Result<fs::path> keep_comparison(const Comparison& comparison, const fs::path& run,
                                 const std::string& name) {
  std::error_code problem;
  fs::path folder = run / kFolder / name;
  for (int i = 2; fs::exists(folder, problem); ++i)
    folder = run / kFolder / (name + " " + std::to_string(i));
  LUTHIER_CHECK(make_output_folder(folder));
  const fs::path file = folder / kFile;
  LUTHIER_CHECK(write_comparison_json(comparison, file, /*inline_pictures=*/true));
  return file;
}

std::vector<KeptComparison> kept_comparisons(const fs::path& run) {
  std::vector<KeptComparison> kept;
  std::error_code problem;
  for (fs::directory_iterator each(run / kFolder, problem), end; !problem && each != end;
       each.increment(problem)) {
    const fs::path file = each->path() / kFile;
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) continue;
    kept.push_back({file, run.filename().string() + ": " + each->path().filename().string()});
  }
  std::sort(kept.begin(), kept.end(),
            [](const KeptComparison& a, const KeptComparison& b) { return a.name > b.name; });
  return kept;
}

}  // namespace luthier
