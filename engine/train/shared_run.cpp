// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/shared_run.h"

#include <algorithm>
#include <set>
#include <span>

#include "engine/device/product_library.h"
#include "engine/device/threads.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/methods/method.h"
#include "engine/objectives/objective.h"
#include "engine/ranks/owners.h"
#include "engine/runs/changed_settings.h"
#include "engine/train/step_move.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char *kStep = "step", *kEvaluation = "evaluation", *kBegin = "begin",
                     *kState = "state", *kSend = "send", *kOver = "over";

/// The run as rank 0 began it.
Result<BegunRun> begun_as(const Json& order, const Recipe& mine, int rank, const Shards& shards) {
  const std::string where = "rank 0's recipe", theirs = order.at("shards").get<std::string>();
  if (word_of(shards) != theirs)
    return input_error("Rank " + std::to_string(rank) + " has another --shard than rank 0: " +
                           word_of(shards) + " beside " + theirs + ".",
                       "--shard", "Give all ranks the same.");
  LUTHIER_TRY(const Recipe given, parse_recipe(order.at("given").get<std::string>(), where));
  const auto changed = changed_settings(given, mine);
  if (!changed.empty())
    return input_error("Rank " + std::to_string(rank) +
                           " has another recipe than rank 0: " + changes_text(changed) + ".",
                       "", "Give all ranks the same recipe and --set.");
  LUTHIER_TRY(Recipe recipe, parse_recipe(order.at("recipe").get<std::string>(), where));
  // Places are this machine's.
  recipe.model = mine.model;
  recipe.dataset = mine.dataset;
  recipe.eval_dataset = mine.eval_dataset;
  recipe.image_folder = mine.image_folder;
  recipe.adapter.init_from = mine.adapter.init_from;
  recipe.training.device = mine.training.device;
  BegunRun begun{std::move(recipe), {}};
  const std::string checkpoint = order.at("checkpoint").get<std::string>();
  if (checkpoint.empty()) return begun;
  const fs::path folder = order.at("folder").get<std::string>();
  auto opened = RunFolder::open(folder);
  if (!opened)
    return machine_error("Rank " + std::to_string(rank) + " cannot read the run's folder. " +
                             opened.error().sentence(),
                         folder.string(),
                         "A resume needs it under the same path on every machine.");
  LUTHIER_TRY(RunManifest recorded, opened->read_manifest());
  begun.run = PreparedRun{PreparedRun::Kind::Resume, opened.take(),
                          Checkpoint{order.at("step").get<std::int64_t>(), checkpoint},
                          std::move(recorded)};
  return begun;
}

/// The optimizer's tensors of a rank: names, types, shapes.
std::string listed(const std::map<std::string, torch::Tensor>& state) {
  Json list = Json::array();
  for (const auto& [name, tensor] : state)
    list.push_back({name, static_cast<int>(tensor.scalar_type()), tensor.sizes().vec()});
  return list.dump();
}

/// A tensor's bytes on their way from `rank` to rank 0, which is told how many come. All ranks call
/// it.
Result<torch::Tensor> sent_from(const RunParts& run, int rank, const std::string& name,
                                std::int64_t bytes) {
  const auto ranks = static_cast<std::size_t>(run.ranks->size());
  std::vector<std::int64_t> to(ranks), from(ranks);
  torch::Tensor leaving = torch::empty({0}, torch::kUInt8);
  if (run.ranks->rank() == rank) {
    const auto state = run.optimizer->state();
    const auto found = state.find(name);
    if (found == state.end()) return order_not_known(name);
    leaving = found->second.cpu().contiguous().view({-1}).view(torch::kUInt8);
    to.front() = leaving.numel();
  }
  from[static_cast<std::size_t>(rank)] = bytes;
  return run.ranks->exchange(leaving, std::move(to), std::move(from));
}

TensorToMake there(const std::string& name, const torch::Tensor& tensor) {
  return {name, tensor.scalar_type(), tensor.sizes().vec(),
          [tensor]() -> Result<torch::Tensor> { return tensor; }};
}

}  // namespace

Error order_not_known(const std::string& order) {
  return machine_error("Rank 0 said something that this rank does not know: " + order.substr(0, 80),
                       "", "Start all ranks from one build.");
}

Result<std::vector<TensorToMake>> optimizer_state(RunParts& run) {
  std::vector<TensorToMake> all;
  for (const auto& [name, tensor] : run.optimizer->state()) all.push_back(there(name, tensor));
  if (!run.shards) return all;
  LUTHIER_CHECK(run.ranks->order(Json{{"do", kState}}.dump()));
  LUTHIER_TRY(const std::vector<std::string> lists, run.ranks->gather(std::string("[]")));
  for (std::size_t rank = 1; rank < lists.size(); ++rank) {
    const Json list = Json::parse(lists[rank], nullptr, false);
    if (!list.is_array()) return order_not_known(lists[rank]);
    for (const Json& each : list) {
      const auto name = each.at(0).get<std::string>();
      const auto type = static_cast<torch::ScalarType>(each.at(1).get<int>());
      const auto shape = each.at(2).get<std::vector<std::int64_t>>();
      const auto pull = [&run, name, type, shape,
                         rank = static_cast<int>(rank)]() -> Result<torch::Tensor> {
        std::int64_t bytes = static_cast<std::int64_t>(c10::elementSize(type));
        for (const std::int64_t size : shape) bytes *= size;
        LUTHIER_CHECK(run.ranks->order(Json{{"do", kSend}, {"rank", rank}, {"name", name}}.dump()));
        LUTHIER_TRY(const torch::Tensor came, sent_from(run, rank, name, bytes));
        return came.view(type).view(shape);
      };
      all.push_back({name, type, shape, pull});
    }
  }
  std::sort(all.begin(), all.end(),
            [](const TensorToMake& a, const TensorToMake& b) { return a.name < b.name; });
  return all;
}

Result<std::map<std::string, torch::Tensor>> all_masters(RunParts& run) {
  std::map<std::string, torch::Tensor> masters = run.optimizer->masters();
  constexpr std::string_view kEnd = ".master";
  if (!run.masters_from.empty()) {
    masters.clear();
    LUTHIER_TRY(const auto kept,
                read_tensor_file(run.masters_from, torch::kCPU,
                                 [&](const std::string& name) { return name.ends_with(kEnd); }));
    for (const auto& [name, tensor] : kept)
      masters[name.substr(0, name.size() - kEnd.size())] = tensor;
    return masters;
  }
  // A bfloat16 weight is its master's rounding already.
  if (!run.shards || result_dtype(run.base, run.recipe) == torch::kBFloat16) return masters;
  LUTHIER_TRY(const std::vector<TensorToMake> state, optimizer_state(run));
  for (const TensorToMake& each : state) {
    const std::string name = each.name.substr(0, each.name.size() - kEnd.size());
    if (!each.name.ends_with(kEnd) || masters.contains(name)) continue;
    LUTHIER_TRY(masters[name], each.make());
  }
  return masters;
}

std::function<bool(const std::string&)> own_state(const RunParts& run) {
  if (!run.shards) return {};
  std::vector<std::int64_t> numbers;
  for (const TrainedTensor& each : run.trainables.tensors) numbers.push_back(each.tensor.numel());
  const std::vector<int> owners = tensor_owners(numbers, run.ranks->size());
  std::set<std::string> others;
  for (std::size_t i = 0; i < owners.size(); ++i)
    if (owners[i] != run.ranks->rank()) others.insert(run.trainables.tensors[i].name);
  // "TENSOR.what", and what may have points of its own.
  return [others = std::move(others)](const std::string& name) {
    for (std::size_t end = name.rfind('.'); end != std::string::npos && end > 0;
         end = name.rfind('.', end - 1))
      if (others.contains(name.substr(0, end))) return false;
    return true;
  };
}

Status can_shard(const Recipe& recipe, const Objective* objective) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (!method->hangs_adapter() && !(objective && objective->companion())) return {};
  return input_error("What an adapter trains is too little to be worth sharding.", "--shard",
                     "Leave it out, or tune with strategy: full or freeze.");
}

Status prepare_shards(RunParts& run) {
  if (!run.shards) return {};
  LUTHIER_CHECK(can_shard(run.recipe, run.objective.get()));
  const auto own = own_state(run);
  for (TrainedTensor& trained : run.trainables.tensors)
    if (!own(trained.name + ".master")) trained.master.reset();
  return {};
}

Result<BegunRun> begin_shared_run(const Recipe& recipe, const std::optional<fs::path>& resume_run,
                                  Ranks& ranks, const Shards& shards, bool stage) {
  if (ranks.leads()) {
    LUTHIER_TRY(BegunRun begun, begin_run(recipe, resume_run, stage ? 1 : ranks.size()));
    Json order = {{"do", kBegin},
                  {"given", recipe_to_yaml(recipe)},
                  {"recipe", recipe_to_yaml(begun.recipe)},
                  {"products", product_library_name()},
                  {"shards", word_of(shards)},
                  {"checkpoint", ""},
                  {"folder", ""},
                  {"step", 0}};
    if (begun.ended_before()) {
      if (stage) LUTHIER_CHECK(ranks.order(over_order()));
      return begun;
    }
    if (begun.run && begun.run->checkpoint) {
      order["checkpoint"] = fs::absolute(begun.run->checkpoint->path).string();
      order["folder"] = fs::absolute(begun.run->folder.path()).string();
      order["step"] = begun.run->checkpoint->step;
    }
    LUTHIER_CHECK(ranks.order(order.dump()));
    return begun;
  }
  LUTHIER_TRY(const std::string text, ranks.next_order());
  if (text == "end" || text == over_order()) {
    BegunRun ended{recipe, {}};
    ended.nothing_left = true;
    return ended;
  }
  const Json order = Json::parse(text, nullptr, false);
  if (!order.is_object() || order.value("do", "") != kBegin) return order_not_known(text);
  auto begun = begun_as(order, recipe, ranks.rank(), shards);
  if (!begun) return begun.error();
  keep_products(order.at("products").get<std::string>());
  take_all_cores();  // MKL's threads go by who makes the products
  return begun;
}

namespace {

std::string digest_of(const std::vector<std::int64_t>& rows) {
  return sha256_bytes(std::as_bytes(std::span(rows))).substr(0, 16);
}

/// Of all bytes that training begins with.
std::string start_of(const std::vector<TrainedTensor>& tensors) {
  std::string digests;
  for (const TrainedTensor& each : tensors) {
    if (each.tensor.numel() == 0) continue;
    const torch::Tensor bytes =
        each.tensor.detach().cpu().contiguous().view({-1}).view(torch::kUInt8);
    digests += sha256_bytes(std::as_bytes(
        std::span(bytes.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(bytes.numel()))));
  }
  return sha256_bytes(std::as_bytes(std::span(digests))).substr(0, 16);
}

}  // namespace

Result<std::string> from_leader(Ranks& ranks, const std::string& mine) {
  LUTHIER_TRY(const std::vector<std::string> all, ranks.gather(mine));
  return all.front();
}

Status agree_on_inputs(RunParts& run, const RunManifest& mine) {
  const auto joined = [](const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
    return text;
  };
  std::vector<std::string> beside;
  for (const auto& [setting, print] : run.models_beside) {
    beside.push_back(setting);
    beside.back() += " " + print;
  }
  return run.ranks->agree(
      {{"model", mine.model_fingerprint},
       {"model beside it", joined(beside)},
       {"dataset", joined(mine.dataset_fingerprints)},
       {"eval_dataset", joined(mine.eval_dataset_fingerprints)},
       {"training.dtype", mine.dtype},
       {"kind of device", run.device.is_cpu() ? "cpu" : "cuda"},
       {"card", mine.card},
       {"number of threads", std::to_string(mine.threads)},
       {"maker of products", mine.products},
       {"choice of usable rows", digest_of(run.rows.rows)},
       {"choice of evaluation rows", digest_of(run.eval_rows.rows)},
       {"number of steps", std::to_string(mine.total_steps)},
       {"number of trained parameters", std::to_string(mine.trainable_parameters)},
       {"start of what trains", start_of(run.trainables.tensors)}});
}

std::string step_order(const StepOrder& order) {
  return Json{{"do", kStep}, {"rate", order.rate}, {"max_norm", order.max_norm}}.dump();
}

std::string evaluation_order() { return Json{{"do", kEvaluation}}.dump(); }

std::string over_order() { return Json{{"do", kOver}}.dump(); }

Result<RunResult> follow(RunParts& run, const std::function<bool()>& stopping) {
  const auto seed = static_cast<std::uint64_t>(run.recipe.training.seed);
  const auto go_on = [&] { return !stopping(); };
  Status fault;  // of this rank's data: rank 0 may still want its state, and then ends all
  for (;;) {
    auto heard = run.ranks->next_order();
    if (!heard) return fault ? heard.error() : fault.error();
    const std::string text = heard.take();
    if (text == "end" || text == over_order()) {
      LUTHIER_CHECK(fault);
      break;
    }
    const Json order = Json::parse(text, nullptr, false);
    const std::string what = order.is_object() ? order.value("do", "") : "";
    if (what == kEvaluation) {
      const AveragesShown shown(*run.optimizer);
      auto evaluated =
          run.runner->evaluate(run.eval_reader, run.eval_rows.rows,
                               rows_evaluated(*run.objective, run.recipe.training), seed);
      if (!evaluated && evaluated.error().code != ErrorCode::Interrupted) fault = evaluated.error();
      continue;
    }
    if (what == kState) {
      LUTHIER_CHECK(run.ranks->gather(listed(run.optimizer->state())));
      continue;
    }
    if (what == kSend) {
      LUTHIER_CHECK(
          sent_from(run, order.at("rank").get<int>(), order.at("name").get<std::string>(), 0));
      continue;
    }
    if (what != kStep) return order_not_known(text);
    auto window = run.source->next();
    if (!window) {
      fault = run.runner->cannot_take_part(window.error());
      continue;
    }
    run.trainables.begin_step(run.state.step);
    auto accumulated =
        run.runner->accumulate(*window, seed, run.plan.batches_before(run.state.step), go_on);
    if (!accumulated) {
      run.optimizer->clear_gradients();
      fault = accumulated.error();
      continue;
    }
    const WindowOutcome outcome = accumulated.take();
    if (outcome.abandoned) {
      run.optimizer->clear_gradients();
      continue;
    }
    LUTHIER_CHECK(
        move_by(run, outcome, order.at("rate").get<double>(), order.at("max_norm").get<double>()));
  }
  RunResult result;
  result.folder = run.recipe.output_dir;
  result.step = run.state.step;
  return result;
}

}  // namespace luthier
