// SPDX-License-Identifier: GPL-3.0-or-later
// What is on the resident base answers together: an adapter hangs on it without a copy, and rows of
// several adapters share a batch. Whole checkpoints follow, one after another.
#include "engine/compare/compare.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "engine/base/text.h"
#include "engine/compare/adapter_router.h"
#include "engine/compare/box_scores.h"
#include "engine/compare/result_folder.h"
#include "engine/device/failure.h"
#include "engine/generate/answer_room.h"
#include "engine/generate/generate.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_notes.h"
#include "engine/models/packing.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

constexpr const char* kRouterColumn = "router";
constexpr std::size_t kPromptsAtOnce = 64;  // bounds the pixels in memory

/// A column's place in the comparison and what answers it: one of the two, or the base alone.
struct Answering {
  std::shared_ptr<Adapter> adapter;
  fs::path checkpoint;
};

Result<Answering> add_column(LoadedModel& base, const std::string& name, const fs::path& named,
                             Comparison& comparison) {
  LUTHIER_TRY(const ResultFolder found, find_result(named));
  ComparisonColumn column;
  column.name = name;
  column.adapter = found.folder.string();
  column.whole = found.whole;
  column.image = base.pixels;
  Answering answering;
  if (found.whole) {
    LUTHIER_TRY(const ModelSummary summary, summarize_model(found.folder));
    column.bytes = summary.file_bytes;
    answering.checkpoint = found.folder;
  } else {
    LUTHIER_TRY(answering.adapter, load_adapter(base, found.folder));
    answering.adapter->set_training(false, 0);
    // Each adapter sees pictures in the size that it was trained with, unless another is asked for.
    column.image = chosen_pixels(base.pixels, answering.adapter->pixels);
    std::error_code problem;
    const std::uintmax_t size = fs::file_size(found.folder / "adapter_model.safetensors", problem);
    column.bytes = problem ? 0 : size;
  }
  comparison.columns.push_back(std::move(column));
  return answering;
}

ComparisonAnswer to_answer(const Generated& generated) {
  ComparisonAnswer answer;
  answer.text = generated.text;
  answer.tokens = generated.tokens;
  answer.seconds = generated.seconds;
  answer.finish = generated.finish;
  return answer;
}

/// What answers each sample as the router says; adapters that no sample goes to are left unread.
Result<ResidentColumn> routed_column(LoadedModel& base, const AdapterRouter& router,
                                     const std::vector<Route>& routes) {
  ResidentColumn column;
  column.among.resize(router.adapters().size());
  for (const Route& route : routes) {
    column.route.push_back(route.adapter);
    ResidentColumn& own = column.among[route.adapter];
    if (own.adapter) continue;
    LUTHIER_TRY(own.adapter, load_adapter(base, router.adapters()[route.adapter].folder));
    own.adapter->set_training(false, 0);
    LUTHIER_TRY(own.processor,
                processor_for(base, chosen_pixels(base.pixels, own.adapter->pixels)));
  }
  return column;
}

/// Where the base is, in the same numbers.
LoadOptions options_like(const LoadedModel& base) {
  LoadOptions options;
  options.device = base.model->device().str();
  options.dtype = base.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  options.pixels = base.pixels;
  return options;
}

Status answer_checkpoint(const LoadedModel& base, const fs::path& checkpoint,
                         const std::vector<Sample>& samples, const GenerationOptions& options,
                         const std::function<bool()>& go_on, const AnswerWatch& watch) {
  LoadOptions load = options_like(base);
  load.go_on = [&](double) { return go_on(); };
  LUTHIER_TRY(const LoadedModel own, load_model(checkpoint, load));
  return answer_samples(own, *own.processor, samples, {}, options, watch);
}

/// Before the first answer, what a model of few positions has none for in any of them: an Input
/// error that names the sample. From the headers of pictures alone.
Status check_answers_fit(const LoadedModel& model, const std::set<const ChatProcessor*>& processors,
                         const std::vector<Sample>& samples, std::int64_t max_new_tokens,
                         const std::string& setting = "max_new_tokens") {
  if (positions_of(model) <= 0) return {};
  if (!model.model->causal())
    return check_answer_room(model, /*prompt_tokens=*/1, max_new_tokens, setting);
  for (const Sample& sample : samples) {
    Conversation answered = sample.conversation;
    if (!answered.messages.empty() && answered.messages.back().role == "assistant")
      answered.messages.pop_back();  // the expected one
    answered.messages.push_back({"assistant", {ContentPart::of_text("x")}});
    for (const ChatProcessor* processor : processors) {
      const auto row =
          processor->measure_training(answered, LossOn::Completion, /*max_length=*/0, sample.where);
      if (!row) continue;  // said where the prompt is made
      const auto written = std::find_if(row->labels.begin(), row->labels.end(),
                                        [](std::int64_t label) { return label != kIgnoreLabel; });
      LUTHIER_CHECK(check_answer_room(model, written - row->labels.begin(), max_new_tokens, setting,
                                      "The question " + sample.where));
    }
  }
  return {};
}

}  // namespace

Status check_samples_fit(const LoadedModel& model, const std::vector<Sample>& samples,
                         std::int64_t max_new_tokens, const std::string& setting) {
  if (samples.empty() || !check_writes_text(model)) return {};
  return check_answers_fit(model, {model.processor.get()}, samples, max_new_tokens, setting);
}

Error answering_failure(const std::exception& failure, const LoadedModel& model) {
  return device_failure(
      failure,
      machine_error("There is not enough memory to answer.", model.folder.string(),
                    "Ask for fewer new tokens, or fewer samples at a time."),
      machine_error("Decoding failed: " + first_line(failure.what()), model.folder.string()),
      model.model->device().str());
}

Status answer_samples(const LoadedModel& model, const ChatProcessor& processor,
                      const std::vector<Sample>& samples, std::span<const std::uint64_t> draws,
                      const GenerationOptions& options, const AnswerWatch& watch) {
  LUTHIER_CHECK(check_writes_text(model));  // an encoder has no chat template to speak of either
  LUTHIER_CHECK(check_answers_fit(model, {&processor}, samples, options.max_new_tokens));
  for (std::size_t begin = 0; begin < samples.size(); begin += kPromptsAtOnce) {
    const std::size_t end = std::min(samples.size(), begin + kPromptsAtOnce);
    std::vector<Example> prompts;
    std::vector<std::uint64_t> streams;
    for (std::size_t i = begin; i < end; ++i) {
      const Sample& sample = samples[i];
      LUTHIER_TRY(Example prompt, processor.encode_prompt(sample.conversation, sample.where));
      prompts.push_back(std::move(prompt));
      streams.push_back(draws.empty() ? i : draws[i]);
    }
    bool stopped = false;
    const auto progress = [&](std::size_t index, const Generated& so_far) {
      stopped = !watch(begin + index, so_far);
      return !stopped;
    };
    LUTHIER_TRY(const auto answers, generate(model, prompts, options, progress, streams));
    if (stopped) return interrupted_error();
  }
  return {};
}

Status answer_columns(const LoadedModel& model, const std::vector<ResidentColumn>& columns,
                      const std::vector<Sample>& samples, std::span<const std::uint64_t> draws,
                      const GenerationOptions& options, const ColumnWatch& watch) {
  LUTHIER_CHECK(check_writes_text(model));
  if (columns.empty()) return {};
  std::set<const ChatProcessor*> processors;
  for (const ResidentColumn& column : columns) processors.insert(column.processor.get());
  LUTHIER_CHECK(check_answers_fit(model, processors, samples, options.max_new_tokens));
  for (std::size_t begin = 0, end = 0; begin < samples.size(); begin = end) {
    std::vector<Example> prompts;
    std::vector<AskedAnswer> asked;
    std::vector<std::uint64_t> streams;
    do {
      // Columns that see pictures alike have the sample's prompt in common.
      std::map<const ChatProcessor*, std::size_t> made;
      for (const ResidentColumn& column : columns) {
        const ResidentColumn& own = column.of(end);
        const auto [place, fresh] = made.try_emplace(own.processor.get(), prompts.size());
        if (fresh) {
          LUTHIER_TRY(Example prompt,
                      own.processor->encode_prompt(samples[end].conversation, samples[end].where));
          prompts.push_back(std::move(prompt));
        }
        asked.push_back({place->second, own.adapter.get()});
        streams.push_back(draws.empty() ? end : draws[end]);
      }
      ++end;
    } while (end < samples.size() && prompts.size() + columns.size() <= kPromptsAtOnce);
    bool stopped = false;
    const auto progress = [&](std::size_t index, const Generated& so_far) {
      stopped = !watch(index % columns.size(), begin + index / columns.size(), so_far);
      return !stopped;
    };
    LUTHIER_TRY(const auto answers, generate_by(model, prompts, asked, options, progress, streams));
    if (stopped) return interrupted_error();
  }
  return {};
}

Result<Comparison> compare_adapters(LoadedModel& base,
                                    const std::vector<std::pair<std::string, fs::path>>& results,
                                    const std::vector<Sample>& samples,
                                    const GenerationOptions& options,
                                    const std::function<bool(std::size_t, std::size_t)>& progress,
                                    const AdapterRouter* router) {
  if (samples.empty()) return input_error("There is no sample to answer.", "samples");
  LUTHIER_CHECK(check_pictures(samples));
  Comparison comparison;
  comparison.model = base.folder;
  comparison.device = base.model->device().str();
  comparison.dtype = base.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  comparison.options = options;
  ComparisonColumn first;
  first.name = kBaseColumn;
  first.bytes = static_cast<std::uint64_t>(weight_bytes(*base.model));
  first.image = base.pixels;
  comparison.columns.push_back(first);
  std::set<std::string> names{kBaseColumn};
  std::vector<Answering> answering(1);
  for (const auto& [name, folder] : results) {
    if (!names.insert(name).second) {
      return input_error("The name " + name + " stands for two columns.", "--adapter",
                         "Give each a name of its own; the model itself is \"base\".");
    }
    LUTHIER_TRY(Answering next, add_column(base, name, folder, comparison));
    answering.push_back(std::move(next));
  }
  std::vector<Route> routes;
  if (router) {
    if (!names.insert(kRouterColumn).second)
      return input_error("The name router stands for two columns.", "--adapter",
                         "Give that adapter another one.");
    LUTHIER_TRY(routes, router->choose(base, samples, [&](std::size_t, std::size_t) {
      return !progress || progress(0, samples.size() * (comparison.columns.size() + 1));
    }));
    ComparisonColumn column;
    column.name = kRouterColumn;
    column.adapter = router->folder().string();
    column.router = true;
    column.image = base.pixels;
    comparison.columns.push_back(std::move(column));
  }
  for (const Sample& sample : samples) {
    comparison.rows.push_back({sample, std::vector<ComparisonAnswer>(comparison.columns.size())});
  }

  const std::size_t total = comparison.rows.size() * comparison.columns.size();
  std::size_t done = 0;
  const auto go_on = [&] { return !progress || progress(done, total); };
  const auto take = [&](std::size_t column, std::size_t row, const Generated& so_far) {
    if (!so_far.finish.empty()) {
      ComparisonAnswer answer = to_answer(so_far);
      if (comparison.columns[column].router) {
        answer.by = router->adapters()[routes[row].adapter].name;
        answer.sureness = routes[row].sureness;
      }
      put_answer(comparison, row, column, std::move(answer));
      ++done;
    }
    return go_on();
  };
  std::vector<ResidentColumn> resident;
  std::vector<std::size_t> places;  // of those, in the comparison
  for (std::size_t column = 0; column < answering.size(); ++column) {
    if (!answering[column].checkpoint.empty()) continue;
    const MediaLimits& image = comparison.columns[column].image;
    const auto alike = std::find_if(places.begin(), places.end(), [&](std::size_t other) {
      return comparison.columns[other].image == image;
    });
    std::shared_ptr<const ChatProcessor> processor;
    if (alike != places.end()) {
      processor = resident[static_cast<std::size_t>(alike - places.begin())].processor;
    } else {
      LUTHIER_TRY(processor, processor_for(base, image));
    }
    resident.push_back({answering[column].adapter, std::move(processor)});
    places.push_back(column);
  }
  if (router) {
    LUTHIER_TRY(ResidentColumn column, routed_column(base, *router, routes));
    resident.push_back(std::move(column));
    places.push_back(comparison.columns.size() - 1);
  }
  Status status = answer_columns(base, resident, samples, {}, options,
                                 [&](std::size_t i, std::size_t row, const Generated& so_far) {
                                   return take(places[i], row, so_far);
                                 });
  for (const ResidentColumn& column : resident) {
    if (column.adapter) column.adapter->rest();
    for (const ResidentColumn& each : column.among)
      if (each.adapter) each.adapter->rest();
  }
  for (std::size_t column = 0; status && go_on() && column < answering.size(); ++column) {
    if (answering[column].checkpoint.empty()) continue;
    status = answer_checkpoint(
        base, answering[column].checkpoint, samples, options, go_on,
        [&](std::size_t row, const Generated& so_far) { return take(column, row, so_far); });
  }
  if (!status && status.error().code != ErrorCode::Interrupted) return status.error();
  comparison.stopped = done < total;
  return comparison;
}

}  // namespace luthier
