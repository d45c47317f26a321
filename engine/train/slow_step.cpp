// SPDX-License-Identifier: GPL-3.0-or-later
// With the pieces of a run (row_loss.cpp): its rows, its batch, its objective, its optimizer.
#include "engine/train/slow_step.h"

#include <algorithm>
#include <map>
#include <optional>

#include "engine/config/order_fields.h"
#include "engine/data/columns.h"
#include "engine/device/exact_math.h"
#include "engine/device/memory.h"
#include "engine/methods/lora_variants.h"
#include "engine/optim/gradients.h"
#include "engine/optim/optimizers.h"
#include "engine/train/eva_rows.h"
#include "engine/train/step_runner.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::int64_t kMostCellRows = 64, kMostCellColumns = 96;
constexpr const char* kBeforeName = "base_model.model.";

ShownMatrix shown_matrix(const Tensor& given) {
  const Tensor matrix = given.detach().to(torch::kCPU, torch::kFloat32).flatten(1);
  ShownMatrix shown;
  shown.rows = matrix.size(0), shown.columns = matrix.size(1);
  shown.cell_rows = std::min(shown.rows, kMostCellRows);
  shown.cell_columns = std::min(shown.columns, kMostCellColumns);
  if (matrix.numel() == 0) return shown;
  shown.norm = matrix.norm().item<double>();
  shown.largest = matrix.abs().max().item<double>();
  for (std::int64_t row = 0; row < shown.cell_rows; ++row) {
    const Tensor strip = matrix.slice(0, row * shown.rows / shown.cell_rows,
                                      (row + 1) * shown.rows / shown.cell_rows);
    const Tensor low = strip.amin(0).contiguous(), high = strip.amax(0).contiguous();
    const auto *lows = low.data_ptr<float>(), *highs = high.data_ptr<float>();
    for (std::int64_t column = 0; column < shown.cell_columns; ++column) {
      float least = 0, most = 0;
      const std::int64_t end = (column + 1) * shown.columns / shown.cell_columns;
      for (std::int64_t at = column * shown.columns / shown.cell_columns; at < end; ++at)
        least = std::min(least, lows[at]), most = std::max(most, highs[at]);
      shown.cells.push_back(-least > most ? least : most);
    }
  }
  return shown;
}

/// A module's two matrices among what trains.
struct Pair {
  const TrainedTensor *a = nullptr, *b = nullptr;
};

std::map<std::string, Pair> pairs_of(const Trainables& trainables) {
  std::map<std::string, Pair> pairs;
  for (const TrainedTensor& trained : trainables.tensors) {
    for (const auto& [end, member] :
         {std::pair{".lora_A.weight", &Pair::a}, std::pair{".lora_B.weight", &Pair::b}}) {
      const std::string_view name = trained.name, suffix = end;
      if (!name.ends_with(suffix)) continue;
      std::string module(name.substr(0, name.size() - suffix.size()));
      if (module.starts_with(kBeforeName)) module.erase(0, std::string_view(kBeforeName).size());
      pairs[module].*member = &trained;
    }
  }
  std::erase_if(pairs, [](const auto& each) { return !each.second.a || !each.second.b; });
  return pairs;
}

Result<Window> window_of_row(const RowReader& reader, std::size_t row) {
  LUTHIER_TRY(EncodedRow encoded, reader.read(static_cast<std::int64_t>(row)));
  Window window;
  window.batches.emplace_back();
  MicroBatch& batch = window.batches.front();
  batch.rows.push_back(static_cast<std::int64_t>(row));
  batch.encoded.push_back(std::move(encoded));
  batch.cached.emplace_back();
  return window;
}

/// What the base is left without, however this ends.
class BaseAsItWas {
 public:
  explicit BaseAsItWas(LoadedModel& base) : base_(base) {}
  ~BaseAsItWas() {
    if (adapter) adapter->deactivate();
    for (Tensor& tensor : base_.model->parameters()) {
      tensor.mutable_grad().reset();
      tensor.requires_grad_(false);
    }
    base_.model->eval();
    release_cached_memory(base_.model->device());
  }
  std::shared_ptr<Adapter> adapter;

 private:
  LoadedModel& base_;
};

/// What a pair adds to its module's weight, by the plug itself: patterns and rsLoRA have a say in
/// the scale, and a start that was taken out of the weight is no change.
struct PairChange {
  double scale = 1;
  bool from_weight = false;
  std::function<Tensor()> now;  ///< ΔW [out, in], float32
};

/// None: the plug does more to the weight.
std::optional<PairChange> change_at(const Adapter& adapter, const std::string& module) {
  for (const Adapter::Hung& hung : adapter.hung()) {
    if (hung.module != module) continue;
    if (const auto pair = std::dynamic_pointer_cast<const LoraLinear>(hung.plug))
      return PairChange{pair->scale, false, [pair] { return pair->delta(); }};
    const auto variant = std::dynamic_pointer_cast<const LoraVariant>(hung.plug);
    if (variant && variant->delta().defined())
      return PairChange{variant->scale(), true, [variant] { return variant->delta(); }};
  }
  return std::nullopt;
}

class SlowStepWork {
 public:
  SlowStepWork(LoadedModel& base, const Recipe& recipe, const SlowStepRequest& request,
               const std::function<bool()>& go_on)
      : base_(base), recipe_(recipe), request_(request), go_on_(go_on), left_(base) {}

  Result<SlowStep> run();

 private:
  Status prepare();
  Status take(bool shown);
  void note(const char* moment);
  Tensor change_now() const {
    const torch::NoGradGuard no_grad;
    return change_.now();
  }

  LoadedModel& base_;
  const Recipe& recipe_;
  const SlowStepRequest& request_;
  const std::function<bool()>& go_on_;
  BaseAsItWas left_;
  std::unique_ptr<Objective> objective_;
  std::shared_ptr<const Dataset> dataset_;
  Window window_;
  Trainables trainables_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<StepRunner> runner_;
  Pair pair_;
  PairChange change_;
  SlowStep step_;
};

/// What tensors hold now, part by part; the rest of it is activations.
void SlowStepWork::note(const char* moment) {
  MemoryParts parts;
  parts.weights = weight_bytes(base_, trainables_);
  parts.adapter = trainables_.adapter_bytes();
  parts.gradients = optimizer_->gradient_bytes();
  parts.optimizer = optimizer_->state_bytes();
  const MemoryUse use = memory_use(base_.model->device());
  const bool peak = std::string_view(moment) == "backward";
  parts.activations =
      std::max<std::int64_t>(0, (peak ? use.peak : use.allocated) - parts.weights - parts.adapter -
                                    parts.gradients - parts.optimizer);
  step_.moments.push_back({moment, parts});
}

Status SlowStepWork::prepare() {
  LUTHIER_TRY(objective_, make_objective(recipe_));
  if (objective_->generations() || objective_->score_numbers() > 0)
    return input_error("This objective learns from answers that it draws or scores.", "objective",
                       "A step is shown of objectives that learn the rows' tokens.");
  LUTHIER_CHECK(objective_->fits(base_));
  RowReader reader = row_reader(recipe_, base_, *objective_);
  reader.skip_broken = false;
  const std::vector<std::string> files = training_files(recipe_);
  LUTHIER_TRY(dataset_, open_rows(recipe_, files));
  reader.dataset = dataset_;
  if (request_.row >= dataset_->size())
    return input_error("The dataset has " + std::to_string(dataset_->size()) + " rows.",
                       "row " + std::to_string(request_.row + 1), "Name one of them.");
  LUTHIER_TRY(window_, window_of_row(reader, request_.row));
  LUTHIER_TRY(trainables_, apply_strategy(base_, recipe_));
  left_.adapter = trainables_.adapter;
  const auto pairs = pairs_of(trainables_);
  if (pairs.empty() || !trainables_.adapter)
    return input_error("This method has no pair of matrices A and B.", "method",
                       "Choose lora to see a step taken apart.");
  for (const auto& [module, pair] : pairs) step_.modules.push_back(module);
  step_.module = request_.module.empty() ? step_.modules.front() : request_.module;
  const auto found = pairs.find(step_.module);
  if (found == pairs.end())
    return input_error("Nothing hangs on the module " + step_.module + ".", "module",
                       "Choose one of those that the adapter targets.");
  pair_ = found->second;
  step_.rank = pair_.a->tensor.size(0);
  auto change = change_at(*trainables_.adapter, step_.module);
  if (!change)
    return input_error("This variant of LoRA is more than a pair of matrices A and B.", "adapter",
                       "Choose plain lora to see a step taken apart.");
  change_ = std::move(*change);
  step_.scale = change_.scale;
  step_.from_weight = change_.from_weight;
  optimizer_ = make_optimizer(trainables_.tensors, recipe_);
  LUTHIER_TRY(auto reference, make_reference(base_, recipe_, *objective_, true));
  runner_ =
      std::make_unique<StepRunner>(base_, *objective_, trainables_, nullptr, std::move(reference));
  runner_->keep_rows();
  for (const auto& item : base_.model->named_parameters())
    if (item.key() == step_.module + ".weight") step_.weight = shown_matrix(item.value());
  return {};
}

Status SlowStepWork::take(bool shown) {
  if (go_on_ && !go_on_()) return interrupted_error();
  const auto measured = [&]() -> Result<TokenLosses> {
    trainables_.set_training(false, 0);
    return token_losses(base_, recipe_, *dataset_, request_.row);
  };
  const Tensor before = shown ? change_now() : Tensor();
  if (shown) {
    LUTHIER_TRY(step_.before, measured());
    step_.a = shown_matrix(pair_.a->tensor), step_.b = shown_matrix(pair_.b->tensor);
    step_.change_before = shown_matrix(before);
    note("start");
  }
  base_.model->train();
  reset_memory_peak(base_.model->device());
  Window own = window_;
  LUTHIER_TRY(const WindowOutcome outcome,
              runner_->accumulate(own, static_cast<std::uint64_t>(recipe_.training.seed),
                                  step_.step, go_on_));
  if (outcome.abandoned) return interrupted_error();
  if (!outcome.finite || !std::isfinite(outcome.norm))
    return input_error("The loss or its gradient is not finite on this row.", "training",
                       "A run would change no weight in such a step.");
  if (shown) {
    note("backward");
    const auto gradient = [](const TrainedTensor& of) {
      const Tensor& own_gradient = of.tensor.grad();
      return own_gradient.defined() ? own_gradient : torch::zeros_like(of.tensor);
    };
    step_.gradient_a = shown_matrix(gradient(*pair_.a));
    step_.gradient_b = shown_matrix(gradient(*pair_.b));
    step_.gradient_norm = outcome.norm;
    const double most = recipe_.training.max_grad_norm;
    if (most > 0 && outcome.norm > most) step_.clipped_to = most;
  }
  const Tensor a = pair_.a->tensor.detach().clone(), b = pair_.b->tensor.detach().clone();
  clip_gradients(trainables_.tensors, outcome.norm, recipe_.training.max_grad_norm);
  optimizer_->step(recipe_.training.learning_rate);
  ++step_.step;
  if (!shown) {
    optimizer_->clear_gradients();
    return {};
  }
  note("step");
  optimizer_->clear_gradients();
  const Tensor after = change_now();
  step_.moved_a = shown_matrix(pair_.a->tensor.detach() - a);
  step_.moved_b = shown_matrix(pair_.b->tensor.detach() - b);
  step_.change_after = shown_matrix(after);
  step_.change_of_step = shown_matrix(after - before);
  LUTHIER_TRY(step_.after, measured());
  note("end");
  return {};
}

Result<SlowStep> SlowStepWork::run() {
  const ExactMath exact(base_.model->device());  // as a run would
  LUTHIER_CHECK(prepare());
  step_.learning_rate = recipe_.training.learning_rate;
  step_.optimizer = recipe_.training.optim;
  for (std::int64_t i = 0; i < request_.steps_before; ++i) LUTHIER_CHECK(take(false));
  LUTHIER_CHECK(take(true));
  return std::move(step_);
}

Json matrix_json(const ShownMatrix& matrix) {
  Json document = Json::object();
  document["shape"] = Json::array({matrix.rows, matrix.columns});
  document["norm"] = matrix.norm;
  document["largest"] = matrix.largest;
  return document;
}

}  // namespace

Result<SlowStep> take_slow_step(LoadedModel& base, const Recipe& recipe,
                                const SlowStepRequest& request,
                                const std::function<bool()>& go_on) {
  return SlowStepWork(base, recipe, request, go_on).run();
}

Json to_json(const SlowStep& step) {
  Json document = Json::object();
  document["module"] = step.module;
  document["modules"] = step.modules;
  document["rank"] = step.rank;
  document["scale"] = step.scale;
  document["from_weight"] = step.from_weight;
  document["step"] = step.step;
  document["learning_rate"] = step.learning_rate;
  document["optimizer"] = step.optimizer;
  document["gradient_norm"] = step.gradient_norm;
  document["clipped_to"] = step.clipped_to;
  document["loss_before"] = step.before.mean;
  document["loss_after"] = step.after.mean;
  for (const auto& [name, matrix] : {std::pair{"a", &step.a},
                                     {"b", &step.b},
                                     {"gradient_a", &step.gradient_a},
                                     {"gradient_b", &step.gradient_b},
                                     {"moved_a", &step.moved_a},
                                     {"moved_b", &step.moved_b},
                                     {"change_before", &step.change_before},
                                     {"change_after", &step.change_after},
                                     {"change_of_step", &step.change_of_step},
                                     {"weight", &step.weight}})
    document[name] = matrix_json(*matrix);
  Json moments = Json::array();
  for (const StepMoment& moment : step.moments) {
    moments.push_back({{"moment", moment.name},
                       {"weights", moment.memory.weights},
                       {"adapter", moment.memory.adapter},
                       {"gradients", moment.memory.gradients},
                       {"optimizer", moment.memory.optimizer},
                       {"activations", moment.memory.activations}});
  }
  document["moments"] = std::move(moments);
  return document;
}

}  // namespace luthier
