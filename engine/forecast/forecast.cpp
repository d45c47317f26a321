// SPDX-License-Identifier: GPL-3.0-or-later
// The parts put together, the decision about checkpointing, and what the data's rows come to.
#include "engine/forecast/forecast.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/batches/parts.h"
#include "engine/batches/row_cache.h"
#include "engine/config/kinds.h"
#include "engine/config/quantization_fields.h"
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
#include "engine/models/sharded_layers.h"
#include "engine/nn/flash_attention.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/tile_loops.h"
#include "engine/objectives/carried_tensors.h"
#include "engine/objectives/objective.h"
#include "engine/ranks/owners.h"
#include "engine/train/sharded_base.h"

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

/// What a rank has of gradients: a micro-batch's in its own type, beside them in float32 the sums
/// of what it owns, then what is on its way, and where nothing is sharded the whole sums. The part
/// of the optimizer's state that it keeps comes back.
double share_gradients(const std::vector<TrainedModule>& trained, const RankPlan& ranks,
                       std::int64_t reached, std::int64_t element, GradientBytes& gradients,
                       MemoryParts& parts) {
  std::vector<std::int64_t> numbers;
  for (const TrainedModule& each : trained) {
    for (const std::vector<std::int64_t>& shape : each.shapes) {
      std::int64_t count = 1;
      for (const std::int64_t size : shape) count *= size;
      numbers.push_back(count);
    }
  }
  std::int64_t all = 0;
  for (const std::int64_t each : numbers) all += each;
  const std::int64_t owned = numbers.empty() ? 0 : most_owned(numbers, ranks.ranks),
                     bucket = 4 * kExchangeBucket;
  // Out to all owners and in from all ranks; then the owners' to all.
  const std::int64_t moving = std::min(ranks.ranks * bucket, element * reached) +
                              ranks.ranks * std::min(bucket, element * owned),
                     spreading = (ranks.ranks + 1) * std::min(bucket, 4 * owned);
  gradients.apart = true;
  gradients.all = parts.gradients = reached * element;
  gradients.standing = 4 * owned;
  gradients.adding = 0;
  const std::int64_t whole = ranks.shards.optimizer ? 0 : 4 * reached - gradients.all;
  gradients.stepping = std::max({moving, whole + spreading, gradients.stepping});
  return ranks.shards.optimizer && all > 0 ? static_cast<double>(owned) / static_cast<double>(all)
                                           : 1.0;
}

/// Of the decoder's weights that do not train a rank has its part, in the machine's memory, and
/// room for the layer that is at work and, on the CPU, for the one that comes.
Status share_base(const ModelSummary& model, const std::vector<TrainedModule>& trained, bool plugs,
                  const RankPlan& ranks, const StepTerms& terms, Estimate& made) {
  LUTHIER_TRY(const std::vector<std::string> layers, decoder_layer_names(model.folder));
  std::int64_t kept = 0, room = 0;
  std::map<std::string, std::int64_t> away;
  for (const std::string& layer : layers) {
    std::vector<std::int64_t> bytes;
    for (const ModuleSummary& module : model.modules) {
      if (!module.name.starts_with(layer + ".") || !is_sharded_shape(module.shape)) continue;
      const bool trains = std::any_of(trained.begin(), trained.end(), [&](const auto& each) {
        return each.module->name == module.name;
      });
      if (trains && !plugs) continue;
      bytes.push_back((module.parameters - module.bias) * terms.element);
      away[module.part] += bytes.back();
    }
    const LayerSizes sizes = layer_sizes(bytes, ranks.ranks);
    kept += sizes.piece;
    room = std::max(room, sizes.whole);
  }
  for (auto& [part, bytes] : made.weights_by_part) {
    if (const auto found = away.find(part); found != away.end()) {
      bytes -= found->second;
      made.parts.weights -= found->second;
    }
  }
  const std::int64_t here = terms.cpu ? kept + 2 * room : room;
  made.weights_by_part.emplace_back("layers of all ranks", here);
  made.parts.weights += here;
  return {};
}

Result<Estimate> estimate_of(const ModelSummary& given, const Recipe& recipe,
                             const BatchShape& batch, const StepTerms& asked, const CardFacts* card,
                             const RankPlan& ranks) {
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
  const bool shared = ranks.ranks > 1;
  terms.gradient_element =
      plugs || (accumulates && !shared) ? 4 : terms.element;  // sums are float32
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
  if (ranks.shards.base) LUTHIER_CHECK(share_base(model, trained, plugs, ranks, terms, result));
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
  if (const auto* carrier = dynamic_cast<const CarriedTensors*>(objective.get())) {
    const std::int64_t carried = carrier->carried_bytes(cost.head);
    if (carried > 0) result.weights_by_part.emplace_back("queue", carried);
    parts.weights += carried;
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
  if (accumulates && !shared) {
    gradients.standing = gradients.all;
    // The CPU adds two types by widening one first, a device on the way.
    gradients.adding = terms.cpu ? largest_master(all_trained, terms.element) : 0;
    // Widened already, but for a window at an epoch's end that has one micro-batch alone.
    const std::int64_t narrower = reached * std::max<std::int64_t>(0, 4 - terms.element);
    gradients.stepping = std::max<std::int64_t>(0, gradients.stepping - narrower);
  }
  gradients.stepping += std::min(paged, kPagedBytes);
  if (shared) {
    const double kept =
        share_gradients(all_trained, ranks, reached, terms.gradient_element, gradients, parts);
    parts.optimizer = std::llround(static_cast<double>(parts.optimizer) * kept);
    parts.paged = std::llround(static_cast<double>(parts.paged) * kept);
  }
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
  if (judges.weights > 0)
    result.weights_by_part.emplace_back(objective->reads_pixels() ? "teacher" : "reward_model",
                                        judges.weights);
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
                          const StepTerms& terms, const CardFacts* card, const RankPlan& ranks) {
  LUTHIER_TRY(Estimate most, estimate_of(model, recipe, batch, terms, card, ranks));
  for (const BatchShape& other : batch.others) {
    LUTHIER_TRY(Estimate found, estimate_of(model, recipe, other, terms, card, ranks));
    if (found.parts.total() > most.parts.total()) most = std::move(found);
  }
  return most;
}

Result<MemoryForecast> forecast_memory(const ModelSummary& model, const Recipe& asked,
                                       const BatchShape& batch, const RankPlan& ranks) {
  Recipe recipe = asked;
  LUTHIER_TRY(recipe.adapter, settings_to_train(asked));
  LUTHIER_TRY(const torch::Device device, choose_device(recipe.training.device));
  LUTHIER_TRY(const torch::ScalarType dtype, choose_dtype(recipe.training.dtype, device));
  if (ranks.shards.base) LUTHIER_CHECK(can_shard_base(model, recipe));
  MemoryForecast forecast;
  forecast.ranks = ranks;
  forecast.device = device.str();
  forecast.device_note = device_note(recipe.training.device, recipe.training.dtype).text;
  forecast.dtype = dtype == torch::kBFloat16 ? "bfloat16" : "float32";
  forecast.batch_tokens = batch.tokens;
  // What this process's tensors hold is taken over by the run (a loaded model) or given back before
  // it.
  const std::optional<CardFacts> card = card_now(device);
  forecast.available =
      card ? available_on(*card)
           : (available_memory(device) + memory_use(device).allocated) / ranks.on_machine;
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
  LUTHIER_TRY(Estimate made, estimate(model, recipe, batch, terms, on, ranks));
  if (recipe.training.gradient_checkpointing == "auto" && made.parts.total() > there / 10 * 8) {
    terms.checkpointing = true;
    LUTHIER_TRY(made, estimate(model, recipe, batch, terms, on, ranks));
  }
  forecast.parts = made.parts;
  forecast.weights_by_part = std::move(made.weights_by_part);
  forecast.gradient_checkpointing = terms.checkpointing;
  if (!forecast.fits())
    forecast.advice = advise(model, recipe, batch, terms, on, forecast.parts.total(), ranks);
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
  if (forecast.ranks.ranks > 1) {
    document["ranks"] = forecast.ranks.ranks;
    document["shard"] = word_of(forecast.ranks.shards);
  }
  return document;
}

}  // namespace luthier
