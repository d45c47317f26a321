// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "app/cli/pixels.h"
#include "app/cli/quantization.h"
#include "app/cli/verbs.h"
#include "engine/compare/adapter_router.h"
#include "engine/data/boxes/place_tokenizer.h"
#include "engine/data/row_kind.h"
#include "engine/generate/answer_room.h"
#include "engine/generate/generate.h"
#include "engine/methods/adapter.h"

namespace luthier::cli {

namespace {

struct GenerateOptions {
  std::string model, input, image_folder, image, film, prompt, router, device = "auto",
                                                                       dtype = "auto";
  std::vector<std::string> adapters;
  GenerationOptions generation;
  MediaLimits pixels;
  QuantizationOptions packing;
  Json quantization;          ///< what they ask for
  bool length_given = false;  ///< else an answer ends where the model's positions do
  bool json = false;
};

Result<Conversation> read_question(const GenerateOptions& o) {
  if (!o.input.empty()) {
    if (!o.image.empty() || !o.film.empty() || !o.prompt.empty())
      return input_error("--input stands beside --image, --film or --prompt.", "generate",
                         "Give one or the other.");
    return read_row_file(o.input, o.image_folder);
  }
  if (o.prompt.empty() && o.image.empty() && o.film.empty())
    return input_error("There is no question.", "generate",
                       "Give --input FILE.json, or --prompt TEXT with --image PICTURE or --film "
                       "FILM.");
  Message message{"user", {}};
  if (!o.image.empty()) message.content.push_back({ContentPart::Kind::Image, "", o.image});
  if (!o.film.empty()) message.content.push_back(ContentPart::of_film({o.film, {}, {}}));
  // A captioner is asked by the picture alone.
  if (!o.prompt.empty()) message.content.push_back({ContentPart::Kind::Text, o.prompt, {}});
  Conversation conversation;
  conversation.messages = {message};
  return conversation;
}

std::string without_places(const Tokenizer& tokenizer, const Generated& answer) {
  const auto* places = dynamic_cast<const PlaceTokenizer*>(&tokenizer);
  if (!places) return answer.text;
  std::vector<TokenId> ids;
  for (const AnswerToken& token : answer.tokens)
    if (token.id >= 0 && token.id < tokenizer.vocab_size()) ids.push_back(token.id);
  auto words = places->without_places(ids);
  return words ? words.take() : answer.text;
}

/// `first`: seconds until the first token, the reading of the prompt and its pictures. The text is
/// what a decoder makes that leaves special tokens out; where places are such tokens, the answer
/// with them stands beside it.
Json answer_json(const Generated& answer, const Tokenizer& tokenizer, const Json& adapter,
                 double first) {
  Json ids = Json::array(), logprobs = Json::array();
  for (const AnswerToken& token : answer.tokens) {
    ids.push_back(token.id);
    logprobs.push_back(token.logprob);
  }
  const std::string words = without_places(tokenizer, answer);
  Json json{{"adapter", adapter},        {"text", words},
            {"token_ids", ids},          {"logprobs", logprobs},
            {"seconds", answer.seconds}, {"first_token_seconds", first},
            {"finish", answer.finish},   {"prompt_tokens", answer.prompt_tokens}};
  if (words != answer.text) json["text_with_places"] = answer.text;
  return json;
}

/// One a column, with the seconds until its first token.
struct Answers {
  std::vector<Generated> generated;
  std::vector<std::optional<double>> first_token;
};

/// One column streams to the terminal; several are decoded together, each under its adapter.
Result<Answers> answer(const GenerateOptions& o, LoadedModel& loaded,
                       const std::vector<std::shared_ptr<Adapter>>& adapters,
                       const std::vector<Example>& prompts) {
  std::size_t shown = 0;
  const bool stream = !o.json && prompts.size() == 1;
  Answers answers{{}, std::vector<std::optional<double>>(prompts.size())};
  const auto begun = std::chrono::steady_clock::now();
  const auto progress = [&](std::size_t column, const Generated& so_far) {
    if (!answers.first_token[column]) {
      const std::chrono::duration<double> until = std::chrono::steady_clock::now() - begun;
      answers.first_token[column] = until.count();
    }
    // A character may still be growing: only text that the next token cannot change goes out.
    if (stream && !so_far.text.ends_with("\xEF\xBF\xBD") && so_far.text.size() > shown) {
      std::fwrite(so_far.text.data() + shown, 1, so_far.text.size() - shown, stdout);
      std::fflush(stdout);
      shown = so_far.text.size();
    }
    return !interrupted().stop_requested();
  };
  if (adapters.size() > 1) {
    std::vector<AskedAnswer> each;
    for (const auto& adapter : adapters) each.push_back({each.size(), adapter.get()});
    const std::vector<std::uint64_t> draws(prompts.size(), 0);  // as each draws by itself
    LUTHIER_TRY(answers.generated,
                generate_by(loaded, prompts, each, o.generation, progress, draws));
  } else {
    if (!adapters.empty()) adapters.front()->activate();
    LUTHIER_TRY(answers.generated, generate(loaded, prompts, o.generation, progress));
    if (!adapters.empty()) adapters.front()->deactivate();
  }
  if (interrupted().stop_requested()) return interrupted_error();
  const std::string& text = answers.generated.front().text;
  if (stream) print_line(text.substr(std::min(shown, text.size())));
  return answers;
}

/// The one adapter that the router picks for this request, in the place of those named.
Result<Json> pick_adapter(GenerateOptions& o, const LoadedModel& base,
                          const Conversation& conversation, const std::string& where) {
  LUTHIER_TRY(const AdapterRouter router, AdapterRouter::open(o.router, base));
  LUTHIER_TRY(const auto routes, router.choose(base, {{conversation, where}}));
  const RouterChoice& choice = router.adapters()[routes.front().adapter];
  o.adapters = {choice.folder.string()};
  std::fprintf(stderr, "router: %s, %.1f %% sure\n", choice.name.c_str(),
               routes.front().sureness * 100);
  return Json{{"adapter", choice.name}, {"sureness", routes.front().sureness}};
}

Status run(GenerateOptions o) {
  if (!o.router.empty() && !o.adapters.empty())
    return input_error("--router stands beside --adapter.", "generate",
                       "Give one or the other: a router picks the adapter itself.");
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.quantization = o.quantization;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel loaded, load_model(o.model, load));
  LUTHIER_CHECK(check_writes_text(loaded));
  LUTHIER_TRY(const Conversation conversation, read_question(o));
  const std::string where = o.input.empty() ? "--prompt" : o.input;
  Json picked;
  if (!o.router.empty()) {
    LUTHIER_TRY(picked, pick_adapter(o, loaded, conversation, where));
  }
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::vector<Example>
      prompts;  // one a column: an adapter sees pictures in the size that it was trained with
  for (const std::string& folder : o.adapters) {
    LUTHIER_TRY(auto adapter, load_adapter(loaded, folder));
    const MediaLimits pixels = pixels_for(folder, adapter->pixels, o.pixels);
    adapters.push_back(std::move(adapter));
    LUTHIER_TRY(const auto processor, processor_for(loaded, pixels));
    LUTHIER_TRY(Example prompt, processor->encode_prompt(conversation, where));
    prompts.push_back(std::move(prompt));
  }
  if (adapters.empty()) {
    LUTHIER_TRY(Example prompt, loaded.processor->encode_prompt(conversation, where));
    prompts.push_back(std::move(prompt));
  }
  if (!o.length_given)
    for (const Example& prompt : prompts)
      o.generation.max_new_tokens = std::clamp<std::int64_t>(
          answer_room(loaded, static_cast<std::int64_t>(prompt.input_ids.size())), 1,
          o.generation.max_new_tokens);
  LUTHIER_TRY(const Answers answers, answer(o, loaded, adapters, prompts));
  Json results = Json::array();
  for (std::size_t column = 0; column < answers.generated.size(); ++column) {
    const Generated& generated = answers.generated[column];
    if (!o.json && adapters.size() > 1) print_line(o.adapters[column] + ": " + generated.text);
    results.push_back(answer_json(generated, loaded.processor->tokenizer(),
                                  adapters.empty() ? Json(nullptr) : Json(o.adapters[column]),
                                  answers.first_token[column].value_or(generated.seconds)));
  }
  if (!o.json) return {};
  Json document{{"prompt_tokens", results.front()["prompt_tokens"]}, {"results", results}};
  if (!picked.is_null()) document["router"] = picked;
  print_json(document);
  return {};
}

}  // namespace

Action add_generate(CLI::App& app) {
  const auto o = std::make_shared<GenerateOptions>();
  o->generation.alternatives = 0;
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--input", o->input,
                 "A JSON file with messages, or with text for a model that reads plain texts");
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of --input start (else beside its file)");
  app.add_option("--image", o->image, "A picture, with --prompt");
  app.add_option("--film", o->film, "A film, with --prompt: a folder of its frames");
  app.add_option("--prompt", o->prompt, "A question");
  app.add_option("--adapter", o->adapters,
                 "A PEFT folder (may stand several times: one answer each)")
      ->allow_extra_args(false);
  app.add_option("--router", o->router,
                 "A router (luthier-cli router fit) that picks the adapter for this request");
  const CLI::Option* longest =
      app.add_option("--max-new-tokens", o->generation.max_new_tokens,
                     "Tokens at most; not given: no more than the model has positions for")
          ->capture_default_str();
  app.add_option("--temperature", o->generation.temperature, "0: greedy")->capture_default_str();
  app.add_option("--top-p", o->generation.top_p, "Share of the probability that is drawn from")
      ->capture_default_str();
  app.add_option("--seed", o->generation.seed, "Of the draws")->capture_default_str();
  app.add_flag("--ignore-eos", o->generation.ignore_eos, "Go on past the end token");
  add_pixel_options(app, o->pixels);
  add_quantization_options(app, o->packing, /*switched=*/true);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o, &app, longest]() -> Status {
    o->length_given = longest->count() > 0;
    LUTHIER_TRY(o->quantization, quantization_settings(app, o->packing));
    return run(*o);
  };
}

}  // namespace luthier::cli
