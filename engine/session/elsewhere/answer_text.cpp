// SPDX-License-Identifier: GPL-3.0-or-later
// What an answer is asked with: samples as rows of `messages`, which every reader of rows knows.
#include <algorithm>

#include "engine/base/base64.h"
#include "engine/data/row_writing.h"
#include "engine/io/files.h"
#include "engine/session/elsewhere/event_text.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestInlined = std::uint64_t{8} << 20;
constexpr std::size_t kMostSamples = 100'000, kMostColumns = 64;

/// The picture's bytes in the place of its path.
Status take_along(fs::path& picture) {
  if (is_inline_picture(picture)) return {};
  LUTHIER_TRY(const std::string bytes, read_file(picture, kLargestInlined));
  picture = inline_picture(encode_base64(std::as_bytes(std::span(bytes))));
  return {};
}

Result<const Json*> list_at(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array())
    return input_error("A list is expected.", where + ": " + key);
  return &*found;
}

Json options_json(const GenerationOptions& options) {
  return {{"max_new_tokens", options.max_new_tokens},
          {"temperature", options.temperature},
          {"top_p", options.top_p},
          {"top_k", options.top_k},
          {"seed", options.seed},
          {"ignore_eos", options.ignore_eos},
          {"alternatives", options.alternatives},
          {"barred", options.barred}};
}

Result<GenerationOptions> read_options(const Json& json, const std::string& where) {
  GenerationOptions options;
  if (!json.is_object()) return input_error("An object is expected.", where);
  LUTHIER_TRY(options.max_new_tokens, json_int(json, "max_new_tokens", where, 64));
  LUTHIER_TRY(options.temperature, json_number(json, "temperature", where, 0.0));
  LUTHIER_TRY(options.top_p, json_number(json, "top_p", where, 1.0));
  LUTHIER_TRY(options.top_k, json_int(json, "top_k", where, 0));
  if (const auto seed = json.find("seed"); seed != json.end() && seed->is_number_unsigned())
    options.seed = seed->get<std::uint64_t>();
  LUTHIER_TRY(options.ignore_eos, json_bool(json, "ignore_eos", where, false));
  LUTHIER_TRY(options.alternatives, json_int(json, "alternatives", where, 5));
  if (options.max_new_tokens < 1 || options.top_k < 0 || options.alternatives < 0)
    return input_error("Numbers of tokens are from 1 on, top_k and alternatives from 0 on.", where);
  if (!(options.temperature >= 0) || !(options.top_p > 0) || options.top_p > 1)
    return input_error("temperature is from 0 on, top_p above 0 and at most 1.", where);
  if (const auto barred = json.find("barred"); barred != json.end() && barred->is_array())
    for (const Json& each : *barred)
      if (each.is_number_integer()) options.barred.push_back(each.get<std::int64_t>());
  return options;
}

}  // namespace

Result<Json> answer_to_json(const AnswerRequest& request, bool inlined) {
  Json samples = Json::array();
  for (const Sample& sample : request.samples) {
    Sample sent = sample;
    if (inlined)
      for (Message& message : sent.conversation.messages)
        for (ContentPart& part : message.content)
          if (part.kind == ContentPart::Kind::Image) LUTHIER_CHECK(take_along(part.image));
    samples.push_back({{"row", row_json(sent.conversation, "/")}, {"where", sent.where}});
  }
  Json columns = Json::array();
  for (const auto& column : request.columns) columns.push_back(column ? Json(*column) : Json());
  return Json{{"samples", std::move(samples)},
              {"columns", std::move(columns)},
              {"options", options_json(request.options)},
              {"draws", request.draws}};
}

Result<AnswerRequest> answer_from_json(const Json& json, const std::string& where) {
  AnswerRequest request;
  LUTHIER_TRY(const Json* samples, list_at(json, "samples", where));
  LUTHIER_TRY(const Json* columns, list_at(json, "columns", where));
  if (samples->size() > kMostSamples || columns->size() > kMostColumns)
    return input_error("More samples or columns than are answered at once.", where);
  for (const Json& each : *samples) {
    if (!each.is_object() || !each.contains("row"))
      return input_error("Objects with a row are expected.", where + ": samples");
    Sample sample;
    LUTHIER_TRY(sample.where, json_string(each, "where", where + ": samples", std::string()));
    LUTHIER_TRY(sample.conversation, read_conversation(each["row"], "/", where + ": samples"));
    request.samples.push_back(std::move(sample));
  }
  for (const Json& each : *columns) {
    if (!each.is_null() && !each.is_string())
      return input_error("Names, or null for the base, are expected.", where + ": columns");
    request.columns.push_back(each.is_null() ? std::nullopt
                                             : std::optional(each.get<std::string>()));
  }
  if (const auto options = json.find("options"); options != json.end()) {
    LUTHIER_TRY(request.options, read_options(*options, where + ": options"));
  }
  if (const auto draws = json.find("draws"); draws != json.end() && draws->is_array())
    for (const Json& each : *draws)
      if (each.is_number_unsigned()) request.draws.push_back(each.get<std::uint64_t>());
  if (!request.draws.empty() && request.draws.size() != request.samples.size())
    return input_error("As many draws as samples are expected.", where + ": draws");
  return request;
}

}  // namespace luthier
