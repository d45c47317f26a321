// SPDX-License-Identifier: GPL-3.0-or-later
// The parts put together, the decision about checkpointing, and what the data's rows come to.
#include "engine/forecast/forecast.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/batches/order.h"
#include "engine/batches/parts.h"
#include "engine/batches/row_cache.h"
#include "engine/batches/shared_beginnings.h"
#include "engine/config/kinds.h"
#include "engine/config/order_fields.h"
#include "engine/config/quantization_fields.h"
#include "engine/data/dataset.h"
#include "engine/data/processor.h"
#include "engine/device/device.h"
#include "engine/device/device_facts.h"
#include "engine/device/graph.h"
#include "engine/device/memory.h"
#include "engine/device/processor.h"
#include "engine/device/threads.h"
#include "engine/forecast/card_room.h"
#include "engine/forecast/judge_bytes.h"
#include "engine/forecast/sampled_shape.h"
#include "engine/forecast/trained.h"
#include "engine/methods/adapter.h"
#include "engine/methods/method.h"
#include "engine/models/loaded_model.h"
#include "engine/models/packing.h"
#include "engine/nn/flash_attention.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/tile_loops.h"
#include "engine/objectives/objective.h"

namespace luthier {
namespace {

/// What a fixed tower gave for each row's pictures, which the run keeps in the machine's memory
/// (batches/row_cache) within the bounds that it sets itself; a device has those of its batch.
std::int64_t kept_features(const ModelSummary& model, const BatchShape& batch,
                           const std::vector<TrainedModule>& trained, const StepTerms& terms,
                           std::int64_t weights) {
  if (!model.cost) return 0;
  const bool fixed = std::none_of(trained.begin(), trained.end(), [](const TrainedModule& each) {
    return each.module->part == "vision_tower";
  });
  if (!fixed) return 0;
  if (!terms.cpu) return terms.block(model.cost->feature_numbers(batch.pictures));
  if (batch.visited_rows == 0) return 0;
  const std::int64_t of_a_row = model.cost->feature_numbers(batch.visited) / batch.visited_rows;
  const std::int64_t free = available_memory(torch::kCPU) + memory_use(torch::kCPU).allocated;
  return std::min(batch.visited_rows * terms.block(of_a_row),
                  most_kept_features(std::max<std::int64_t>(0, free - weights)));
}

/// What an objective compares the model with, beside it in memory.
struct OtherModel {
  std::int64_t weights = 0;
  bool own_pictures = false;  ///< it is a model of its own, and the pictures are shown to it, too
  std::int64_t pass = 0;      ///< of a checkpoint that is named: what its pass needs at its height
};

OtherModel other_model(const ModelSummary& model, const Recipe& recipe, const Objective& objective,
                       bool plugs, const MemoryParts& parts, const Pass& pass) {
  switch (reference_kind(model.folder, recipe, objective, plugs)) {
    case ReferenceKind::None:
    case ReferenceKind::Base: return {};
    case ReferenceKind::Adapter: return {parts.adapter, false, 0};
    case ReferenceKind::Model: break;
  }
  const std::string named = objective.reference_checkpoint();
  if (named.empty()) return {parts.weights, true, 0};
  const auto other = summarize_model(named);  // a broken one is refused when it is loaded
  if (!other) return {parts.weights, true, 0};
  // As it is loaded (objectives/reference.cpp).
  const auto by_part =
      bytes_by_part(*other, pass.terms.element,
                    objective.reference_teaches() ? Json() : quantization_settings(recipe));
  std::int64_t weights = 0;
  if (by_part)
    for (const auto& [name, bytes] : *by_part) weights += bytes;
  return {by_part ? weights : parts.weights, true, height_of_pass(*other, pass)};
}

/// From the outlines: rows of [patches, numbers] are patches, rows of [frames, 3, height, width]
/// frames; where all numbers lie flat the grid tells tiles and whole.
PictureLoad picture_load(const Example& example, const ChatProcessor& processor) {
  PictureLoad load;
  load.images = static_cast<std::int64_t>(example.images.size());
  for (const PixelValues& image : example.images) {
    if (image.shape.empty()) continue;
    if (image.shape.size() == 1) {
      const std::int64_t tiles = image.grid.at(0) * image.grid.at(1);
      load.frames += tiles + 1;
      load.tile_numbers += 3 * tiles * image.grid.at(2) * image.grid.at(2);
    } else {
      (image.shape.size() == 2 ? load.patches : load.frames) += image.shape.front();
    }
    std::int64_t numbers = 1;
    for (const std::int64_t side : image.shape) numbers *= side;
    load.numbers += numbers;
  }
  for (const auto* ids : {&example.input_ids, &example.source_ids})
    load.tokens += std::count_if(ids->begin(), ids->end(),
                                 [&processor](TokenId id) { return processor.shows(id); });
  return load;
}

/// The card behind a CUDA device as it is now; nullopt: the CPU.
std::optional<CardFacts> card_now(torch::Device device) {
  if (device.is_cpu()) return std::nullopt;
  CardFacts card = card_of(device).value_or(CardFacts());
  // The driver's management library may be missing, or have no name for a slice of a card.
  if (card.free < 0) {
    try {
      card.free = available_memory(device);
      card.context = true, card.held = memory_use(device).reserved;
    } catch (const std::exception&) {
      card.free = -1;  // and who asks is told so
    }
  }
  return card;
}

/// What recorded steps keep (train/recorded_steps). A micro-batch's tensors lie in memory that is
/// the recordings' own, and those of one that is launched, the first of its size, beside it. What
/// they read of a batch stands in one block, or in two where a larger batch came later. And
/// gradients of what is launched are made by themselves before they are added to those that stand.
std::int64_t recorded_bytes(const ModelSummary& model, const BatchShape& batch, const Pass& pass,
                            const StepBytes& step, std::int64_t apart) {
  const StepTerms& terms = pass.terms;
  constexpr std::int64_t kOfToken = 3 * 8, kOfLabel = 8 + 8 + 4, kBlocks = 2;
  // Blocks of a pool leave some of it between them: without this share the forecast lay 0.05 %
  // below what was counted at 0.6 B.
  constexpr std::int64_t kRests = 64;
  std::int64_t input = pass.tokens * kOfToken + pass.labels * kOfLabel + 8 * batch.pictures.tokens;
  if (model.cost)
    input += std::max(4 * batch.pictures.numbers,
                      terms.element * model.cost->feature_numbers(batch.pictures));
  const std::int64_t pool = step.kept + step.workspace;
  return pool + pool / kRests + kBlocks * terms.block(input, 1) + apart;
}

Result<Estimate> estimate_of(const ModelSummary& given, const Recipe& recipe,
                             const BatchShape& batch, const StepTerms& asked,
                             const CardFacts* card) {
  LUTHIER_TRY(const std::optional<ModelSummary> scored, with_score_head(given, recipe));
  const ModelSummary& model = scored ? *scored : given;
  LUTHIER_TRY(const std::vector<TrainedModule> trained, list_trained(model, recipe));
  const bool plugs = method_kind(recipe.strategy).hangs_adapter();
  LUTHIER_TRY(const std::unique_ptr<Objective> objective, make_objective(recipe));
  const std::int64_t micro_batches =
      batch.micro_batches > 0 ? batch.micro_batches : recipe.training.gradient_accumulation_steps;
  const bool accumulates = micro_batches > 1 && objective->window_rule() != WindowRule::Whole;
  StepTerms terms = asked;
  const bool by_length =
      std::any_of(model.modules.begin(), model.modules.end(), [](const auto& module) {
        return module.type == "Experts" ||
               module.type == "Conv1d";  // that states are carried along
      });
  terms.recorded =
      asked.recorded && objective->can_be_recorded() && !by_length && batch.source_lengths.empty();
  terms.gradient_element = plugs || accumulates ? 4 : terms.element;  // sums are float32
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (method->of_whole) method->of_whole->add_to(terms, recipe.adapter);
  const Json packing = quantization_settings(recipe);
  LUTHIER_TRY(const std::int64_t dense,
              largest_dense_run(model, packing, terms.element, terms.cpu));
  terms.dense_weights = dense == 0;
  std::int64_t parameters = 0;
  LUTHIER_TRY(const std::unique_ptr<CompanionSummary> companion,
              companion_of(*objective, recipe, terms.element));
  std::vector<TrainedModule> all_trained = trained;
  if (companion)
    all_trained.insert(all_trained.end(), companion->trained.begin(), companion->trained.end());
  for (const TrainedModule& each : all_trained) parameters += each.share.parameters;
  std::int64_t adapter = 0;
  if (plugs) {
    LUTHIER_TRY(adapter, adapter_bytes(trained, model, recipe, terms.element));
  }
  const ModuleMethod* hung = method->of_modules;
  const bool course_reaches = hung && hung->course_reaches;
  PassCost cost;
  LossCost loss;
  // As train/step_runner divides them.
  std::vector<std::size_t> part_of;
  if (plugs && terms.cpu && objective->window_rule() == WindowRule::Counts &&
      !objective->needs_reference() && batch.source_lengths.empty())
    part_of = parts_of_rows(batch.lengths, model.geometry.hidden_size, terms.threads);
  const auto hung_shares = shares(trained, objective->dropout());
  BatchShape laid = batch;
  if (!terms.cpu || !model.cost || !model.cost->takes_forks(terms, hung_shares))
    laid.beginnings.clear();
  const Pass pass = lay_out(laid, terms, *objective, part_of);
  if (model.cost) {
    cost = model.cost->of(pass, hung_shares);
    loss = objective->cost(pass, cost.head);
  }
  if (companion) companion->join(pass, objective->dropout(), cost, loss);
  const std::int64_t reached = parameters - (course_reaches ? 0 : cost.unreached);
  Estimate result;
  MemoryParts& parts = result.parts;
  LUTHIER_TRY(result.weights_by_part, bytes_by_part(model, terms.element, packing));
  for (const auto& [name, bytes] : result.weights_by_part) parts.weights += bytes;
  parts.adapter = plugs ? adapter : 0;
  const OtherModel reference = other_model(model, recipe, *objective, plugs, parts, pass);
  const bool beforehand = objective->asks_reference_beforehand();
  const auto add_reference = [&](std::int64_t bytes) {
    if (bytes > 0) result.weights_by_part.emplace_back("reference", bytes);
    parts.weights += std::max<std::int64_t>(0, bytes);
  };
  if (!beforehand) add_reference(reference.weights);
  if (companion) {
    result.weights_by_part.emplace_back(companion->name, companion->weights);
    parts.weights += companion->weights;
    parts.adapter += companion->adapter;
  }
  parts.gradients = reached * terms.gradient_element;
  // Where no gradient arrives there is no state either, but for masters that begin in digits which
  // the weights have not.
  const double arrived =
      static_cast<double>(reached) / static_cast<double>(std::max<std::int64_t>(1, parameters));
  const std::int64_t all_state = optimizer_bytes(all_trained, recipe, /*element=*/4),
                     masters = optimizer_bytes(all_trained, recipe, terms.element) - all_state,
                     paged = terms.cpu ? 0 : paged_optimizer_bytes(all_trained, recipe),
                     state = all_state - paged;
  parts.paged = std::llround(static_cast<double>(paged) * arrived);
  const bool from_start = !plugs && (recipe.init == "random" || model.dtype != "BF16");
  parts.optimizer = std::llround(static_cast<double>(state) * arrived) +
                    (from_start ? masters : std::llround(static_cast<double>(masters) * arrived));
  if (hung) parts.optimizer += 4 * hung->course_floats * parameters;
  GradientBytes gradients;
  gradients.all = parts.gradients;
  if (!terms.checkpointing) gradients.parts = static_cast<std::int64_t>(count_parts(part_of));
  gradients.stepping = step_bytes(all_trained, recipe, terms.element);
  if (accumulates) {
    gradients.standing = gradients.all;
    // The CPU adds two types by widening one first, a device on the way.
    gradients.adding = terms.cpu ? largest_master(all_trained, terms.element) : 0;
    // Widened already, but for a window at an epoch's end that has one micro-batch alone.
    const std::int64_t narrower = reached * std::max<std::int64_t>(0, 4 - terms.element);
    gradients.stepping = std::max<std::int64_t>(0, gradients.stepping - narrower);
  }
  gradients.stepping += std::min(paged, kPagedBytes);
  if (terms.recorded) gradients.standing = gradients.all;
  const StepBytes step = peak_of(cost, loss, gradients, dense);
  parts.activations = step.kept;
  // As train/run_parts decides.
  if (!terms.cpu || !((reference.own_pictures && !beforehand) || objective->rolls_out_pictures()))
    parts.activations += kept_features(model, batch, trained, terms, parts.weights);
  parts.workspace = step.workspace;
  // The other model's pass comes first, while nothing of the step is there but gradients that
  // stand.
  const std::int64_t not_yet =
      step.kept + step.workspace + (gradients.standing > 0 ? 0 : parts.gradients);
  if (!beforehand) parts.workspace += std::max<std::int64_t>(0, reference.pass - not_yet);
  // Before a step, what answers are drawn with, and then what judges them: nothing of it is there.
  LUTHIER_TRY(const JudgeBytes judges, judge_bytes(model, recipe, *objective, batch, terms));
  if (judges.weights > 0) result.weights_by_part.emplace_back("reward_model", judges.weights);
  parts.weights += judges.weights;
  const std::int64_t drawing = std::max(drawing_bytes(model, batch, terms.element), judges.pass);
  parts.workspace += std::max<std::int64_t>(0, drawing - step.kept - parts.workspace);
  if (terms.recorded) {
    const std::int64_t apart = reached * (plugs ? 4 : terms.element);
    parts.recordings = dense + recorded_bytes(model, batch, pass, step, apart);
  }
  // Asked before the first step it counts for what a step does not take anyway.
  if (beforehand)
    add_reference(reference.weights - parts.gradients - parts.optimizer - parts.activations -
                  parts.workspace);
  if (card) {
    const std::int64_t width = std::max(cost.head.width, model.geometry.hidden_size);
    std::int64_t longest = batch.tokens / std::max<std::int64_t>(1, batch.batch_size);
    for (const std::int64_t length : batch.lengths) longest = std::max(longest, length);
    add_card_parts(model, recipe, trained, terms, terms.block(batch.tokens * width), longest, *card,
                   result);
  }
  return result;
}

}  // namespace

Result<Estimate> estimate(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch,
                          const StepTerms& terms, const CardFacts* card) {
  LUTHIER_TRY(Estimate most, estimate_of(model, recipe, batch, terms, card));
  for (const BatchShape& other : batch.others) {
    LUTHIER_TRY(Estimate found, estimate_of(model, recipe, other, terms, card));
    if (found.parts.total() > most.parts.total()) most = std::move(found);
  }
  return most;
}

Result<MemoryForecast> forecast_memory(const ModelSummary& model, const Recipe& asked,
                                       const BatchShape& batch) {
  Recipe recipe = asked;
  LUTHIER_TRY(recipe.adapter, settings_to_train(asked));
  LUTHIER_TRY(const torch::Device device, choose_device(recipe.training.device));
  LUTHIER_TRY(const torch::ScalarType dtype, choose_dtype(recipe.training.dtype, device));
  MemoryForecast forecast;
  forecast.device = device.str();
  forecast.device_note = device_note(recipe.training.device, recipe.training.dtype).text;
  forecast.dtype = dtype == torch::kBFloat16 ? "bfloat16" : "float32";
  forecast.batch_tokens = batch.tokens;
  // What this process's tensors hold is taken over by the run (a loaded model) or given back before
  // it.
  const std::optional<CardFacts> card = card_now(device);
  forecast.available =
      card ? available_on(*card) : available_memory(device) + memory_use(device).allocated;
  StepTerms terms;
  terms.element = dtype == torch::kBFloat16 ? 2 : 4;
  terms.checkpointing = recipe.training.gradient_checkpointing == "true";
  terms.cpu = device.is_cpu();
  if (terms.cpu) {
    terms.threads = threads_to_take();
    terms.own_loops = terms.element < 4 ? tiles::available() : floats::available();
    terms.narrow_products = has_narrow_products(narrow_products());
  }
  terms.flash = flash_takes(device, dtype, /*head_dim=*/64);
  terms.recorded = terms.flash && graphs_asked_for() && graph_recorder(device.type()) != nullptr;
  if (card && card->multiprocessors > 0) terms.multiprocessors = card->multiprocessors;
  const CardFacts* on = card ? &*card : nullptr;
  const std::int64_t there = forecast.known() ? forecast.available : card->total;
  LUTHIER_TRY(Estimate made, estimate(model, recipe, batch, terms, on));
  if (recipe.training.gradient_checkpointing == "auto" && made.parts.total() > there / 10 * 8) {
    terms.checkpointing = true;
    LUTHIER_TRY(made, estimate(model, recipe, batch, terms, on));
  }
  forecast.parts = made.parts;
  forecast.weights_by_part = std::move(made.weights_by_part);
  forecast.gradient_checkpointing = terms.checkpointing;
  if (!forecast.fits())
    forecast.advice = advise(model, recipe, batch, terms, on, forecast.parts.total());
  return forecast;
}

Json to_json(const MemoryForecast& forecast) {
  const MemoryParts& parts = forecast.parts;
  Json weights = Json::object();
  for (const auto& [name, bytes] : forecast.weights_by_part) weights[name] = bytes;
  Json of_parts = {{"weights", parts.weights},         {"adapter", parts.adapter},
                   {"gradients", parts.gradients},     {"optimizer", parts.optimizer},
                   {"activations", parts.activations}, {"workspace", parts.workspace}};
  if (parts.recordings > 0) of_parts["recordings"] = parts.recordings;
  if (parts.context > 0) {
    of_parts["context"] = parts.context;
    of_parts["libraries"] = parts.libraries;
    of_parts["fragmentation"] = parts.fragmentation;
  }
  const bool known = forecast.known();
  Json document = {{"parts", of_parts},
                   {"total", parts.total()},
                   {"available", known ? Json(forecast.available) : Json()},
                   {"fits", known ? Json(forecast.fits()) : Json()},
                   {"device", forecast.device},
                   {"dtype", forecast.dtype},
                   {"device_note", forecast.device_note},
                   {"gradient_checkpointing", forecast.gradient_checkpointing},
                   {"batch_tokens", forecast.batch_tokens},
                   {"weights_by_part", weights},
                   {"advice", forecast.advice}};
  if (parts.paged > 0) document["paged_optimizer"] = parts.paged;
  return document;
}

Result<std::vector<RowShape>> measure_rows(
    const Dataset& dataset, const ChatProcessor& processor, const Recipe& recipe,
    std::size_t max_rows, const std::function<bool(std::size_t, std::size_t)>& go_on) {
  RowEncoding how;
  how.loss_on = loss_on_from_name(recipe.training.loss_on);
  how.outline = true;
  const RowKind& kind = row_kind_of(recipe);
  std::vector<RowShape> rows;
  const std::size_t total = dataset.size(),
                    stride = std::max<std::size_t>(
                        1, (total + max_rows - 1) / std::max<std::size_t>(1, max_rows));
  for (std::size_t row = 0; row < total; row += stride) {
    if (go_on && !go_on(row, total)) return interrupted_error();
    const auto conversation = read_row(dataset, row, kind);
    if (!conversation) continue;
    const auto encoded = kind.encode(*conversation, processor, how, dataset.where(row));
    if (!encoded) continue;
    RowShape shape;
    shape.row = row;
    shape.file = dataset.file_of(row);
    shape.stands_for = static_cast<std::int64_t>(std::min(stride, total - row));
    for (const Example& example : encoded->sequences) {
      shape.lengths.push_back(static_cast<std::int64_t>(example.input_ids.size()));
      shape.tokens += shape.lengths.back();
      if (!example.source_ids.empty()) {
        shape.source_lengths.push_back(static_cast<std::int64_t>(example.source_ids.size()));
        shape.tokens += shape.source_lengths.back();
      }
      shape.labels += std::count_if(example.labels.begin(), example.labels.end(),
                                    [](std::int64_t label) { return label != kIgnoreLabel; });
      PictureLoad load = picture_load(example, processor);
      shape.pictures += load;
    }
    shape.beginning = shared_beginning(*encoded, processor);
    rows.push_back(shape);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const RowShape& a, const RowShape& b) { return a.tokens > b.tokens; });
  return rows;
}

namespace {

/// The rows that can come together in so many places, longest first. A mixture goes through a
/// file's rows again and again, each time in another order, so that one may stand at the end of a
/// time and at the beginning of the next; a course draws any row at any place.
std::vector<RowShape> most_together(const std::vector<RowShape>& rows, const Recipe& recipe,
                                    std::int64_t places) {
  if (!order_repeats(recipe)) return rows;
  const bool course = !recipe.more.text("curriculum.by").empty();
  const std::vector<double> weights = mixture_weights(recipe);
  std::map<std::size_t, std::int64_t> in_file;
  for (const RowShape& row : rows) in_file[row.file] += row.stands_for;
  std::vector<RowShape> found;
  for (const RowShape& row : rows) {
    if (row.file < weights.size() && weights[row.file] == 0) continue;  // never comes
    const std::int64_t each = in_file.at(row.file), left = places - std::ssize(found);
    std::int64_t times =
        recipe.training.shuffle && places > 1 ? (places - 2) / each + 2 : (places - 1) / each + 1;
    if (course) times = places;
    for (std::int64_t i = 0; i < std::min(times, left); ++i) found.push_back(row);
  }
  return found.empty() ? rows : found;
}

/// Tokens of a row where those that its sequences begin with go once.
std::int64_t laid_tokens(const RowShape& row) {
  const std::int64_t saved = row.beginning * (std::ssize(row.lengths) - 1);
  return saved > 0 && worth_forking(saved, row.tokens) ? row.tokens - saved : row.tokens;
}

/// Of the first of these.
Result<BatchShape> shape_of_first(const std::vector<RowShape>& measured, const Recipe& recipe) {
  LUTHIER_TRY(const std::unique_ptr<Objective> objective, make_objective(recipe));
  const TrainingSettings& training = recipe.training;
  const GenerationPlan generations = objective->generations();
  const std::int64_t together =
      std::max(rows_at_once(*objective, training),
               generations ? generations.prompts(step_size(training, generations).batch_size) : 0);
  const std::vector<RowShape> rows = most_together(measured, recipe, together);
  BatchShape shape;
  shape.batch_size =
      std::min(rows_at_once(*objective, training), static_cast<std::int64_t>(rows.size()));
  if (generations) shape = sampled_shape(rows, generations, recipe);
  const std::int64_t most = training.max_length > 0 ? training.max_length : rows[0].tokens;
  for (std::size_t i = 0; !generations && i < static_cast<std::size_t>(shape.batch_size); ++i) {
    std::int64_t tokens = 0;
    for (std::size_t j = 0; j < rows[i].lengths.size(); ++j) {
      // What an encoder reads is never cut.
      const std::int64_t read = rows[i].source_lengths.empty() ? 0 : rows[i].source_lengths.at(j);
      if (read > 0) shape.source_lengths.push_back(read);
      shape.lengths.push_back(
          std::min(rows[i].lengths[j], read > 0 ? std::max<std::int64_t>(1, most - read) : most));
      tokens += read + shape.lengths.back();
    }
    shape.beginnings.push_back({std::min(rows[i].beginning, most), std::ssize(rows[i].lengths)});
    shape.tokens += tokens;
    shape.labels += std::min(rows[i].labels, tokens);
    shape.pictures += rows[i].pictures;
  }
  // What a fixed tower gives is kept where rows come again, and then all have come.
  std::int64_t rows_in_all = 0;
  PictureLoad all;
  for (const RowShape& row : measured) {
    rows_in_all += row.stands_for;
    for (std::int64_t i = 0; i < row.stands_for; ++i) all += row.pictures;
  }
  LUTHIER_TRY(const StepPlan plan, plan_steps(rows_in_all, training, generations));
  shape.micro_batches = std::min(plan.accumulation, plan.batches_per_epoch);
  if (plan.total_steps <= plan.steps_per_epoch && !order_repeats(recipe)) return shape;
  shape.visited_rows = rows_in_all;
  shape.visited = all;
  return shape;
}

}  // namespace

Result<BatchShape> batch_shape(const std::vector<RowShape>& rows, const Recipe& recipe) {
  if (rows.empty())
    return input_error("No row of the data can be read.", "dataset",
                       "`luthier-cli data check` says what is wrong with each.");
  LUTHIER_TRY(BatchShape shape, shape_of_first(rows, recipe));
  const bool forks =
      std::all_of(rows.begin(), rows.end(), [](const RowShape& row) { return row.beginning > 0; });
  if (!forks) {  // one of the others is enough for a batch to stay whole
    shape.beginnings.clear();
    return shape;
  }
  std::vector<RowShape> laid = rows;
  std::stable_sort(laid.begin(), laid.end(), [](const RowShape& a, const RowShape& b) {
    return laid_tokens(a) > laid_tokens(b);
  });
  if (laid.front().row == rows.front().row) return shape;
  LUTHIER_TRY(BatchShape other, shape_of_first(laid, recipe));
  shape.others.push_back(std::move(other));
  return shape;
}

}  // namespace luthier
