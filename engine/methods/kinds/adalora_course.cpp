// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/kinds/adalora_course.h"

#include <cmath>

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kImportance = ".exp_avg_ipt", *kUncertainty = ".exp_avg_unc",
                     *kKept = ".kept";

/// Key of a singular value's tensor, as rank_pattern has it.
std::string pattern_key(const std::string& key) {
  constexpr std::string_view kBefore = "base_model.model.";
  return key.starts_with(kBefore) ? key.substr(kBefore.size()) : key;
}

}  // namespace

AdaloraCourse::AdaloraCourse(const Named& trained, const AdapterSettings& settings)
    : init_r_(settings.r),
      tinit_(settings.more.integer("adapter.tinit")),
      tfinal_(settings.more.integer("adapter.tfinal")),
      interval_(settings.more.integer("adapter.deltaT")),
      total_(settings.more.optional_integer("adapter.total_step").value_or(0)),
      beta1_(settings.more.number("adapter.beta1")),
      beta2_(settings.more.number("adapter.beta2")),
      orthogonality_(settings.more.number("adapter.orth_reg_weight")) {
  const auto watched = [&](std::size_t i) {
    return Watched{trained[i].first, trained[i].second, {}, {}};
  };
  for (std::size_t i = 0; i + 2 < trained.size(); i += 3) {
    modules_.push_back({watched(i), watched(i + 1), watched(i + 2), {}});
    all_ += trained[i].second.size(0);
  }
  target_ = settings.more.integer("adapter.target_r") * static_cast<std::int64_t>(modules_.size());
}

Status AdaloraCourse::begin(std::int64_t total_steps) {
  if (total_ == 0) total_ = total_steps;
  if (tinit_ < total_ - tfinal_) return {};
  return input_error("adapter.tinit and adapter.tfinal leave none of " + std::to_string(total_) +
                         " steps to prune in.",
                     "adapter.tfinal", "Lower one of them, or train for more steps.");
}

Tensor AdaloraCourse::loss_term() const {
  Tensor sum;
  const auto add = [&](const Tensor& square) {
    const Tensor one = torch::eye(square.size(0), square.options().requires_grad(false));
    const Tensor norm = at::linalg_vector_norm(square - one);
    sum = sum.defined() ? sum + norm : norm;
  };
  for (const Module& module : modules_) {
    const Tensor &a = module.a.tensor, &b = module.b.tensor;
    add(at::mm(a, a.t()));  // [r, r]
    add(at::mm(b.t(), b));
  }
  return sum / static_cast<double>(2 * modules_.size()) * orthogonality_;
}

std::int64_t AdaloraCourse::budget(std::int64_t step, std::int64_t total) const {
  if (step <= tinit_) return all_;
  if (step > total - tfinal_) return target_;
  const double left =
      1 - static_cast<double>(step - tinit_) / static_cast<double>(total - tfinal_ - tinit_);
  return static_cast<std::int64_t>(static_cast<double>(all_ - target_) * std::pow(left, 3) +
                                   static_cast<double>(target_));
}

template <class Do>
void AdaloraCourse::each(Do&& act) {
  for (Module& module : modules_)
    for (Watched* watched : {&module.a, &module.b, &module.e}) act(*watched);
}

/// A number matters as much as the loss would change without it, by its slope.
void AdaloraCourse::weigh() {
  each([&](Watched& watched) {
    const Tensor& tensor = watched.tensor;
    if (!watched.importance.defined()) {
      watched.importance = torch::zeros_like(tensor, torch::TensorOptions().requires_grad(false));
      watched.uncertainty = torch::zeros_like(watched.importance);
    }
    // One that no gradient reaches does not matter.
    const Tensor now = tensor.grad().defined() ? at::mul(tensor, tensor.grad()).abs_()
                                               : torch::zeros_like(watched.importance);
    watched.importance.mul_(beta1_).add_(now, 1 - beta1_);
    watched.uncertainty.mul_(beta2_).add_(at::sub(now, watched.importance).abs_(), 1 - beta2_);
  });
}

/// Of all modules' triplets the least important are set to zero, down to the budget.
void AdaloraCourse::prune(std::int64_t budget) {
  const std::int64_t out = all_ - budget;
  if (out < 1) return;
  std::vector<Tensor> scores;
  for (const Module& module : modules_) {
    const auto score = [](const Watched& watched) {
      return at::mul(watched.importance, watched.uncertainty);
    };
    scores.push_back(score(module.e).flatten() +
                     (score(module.a).mean(1) + score(module.b).mean(0)));  // [r]
  }
  const Tensor threshold = std::get<0>(at::kthvalue(at::cat(scores), out));
  for (std::size_t i = 0; i < modules_.size(); ++i) {
    modules_[i].kept = scores[i] > threshold;
    modules_[i].e.tensor.masked_fill_(modules_[i].kept.logical_not().unsqueeze(1), 0);
  }
}

void AdaloraCourse::keep_pruned() {
  for (Module& module : modules_) {
    if (module.kept.defined())
      module.e.tensor.masked_fill_(module.kept.logical_not().unsqueeze(1), 0);
  }
}

void AdaloraCourse::after_step(std::int64_t step) {
  const torch::NoGradGuard no_grad;
  const std::int64_t last = total_ - tfinal_;
  if (step > last) return keep_pruned();
  if (step == last) {
    prune(budget(step, total_));
    each([](Watched& watched) { watched.importance = watched.uncertainty = Tensor(); });
    return;
  }
  weigh();
  if (step > tinit_ && step % interval_ == 0) prune(budget(step, total_));
}

std::map<std::string, Tensor> AdaloraCourse::state() const {
  std::map<std::string, Tensor> state;
  for (const Module& module : modules_) {
    for (const Watched* watched : {&module.a, &module.b, &module.e}) {
      if (!watched->importance.defined()) continue;
      state[watched->key + kImportance] = watched->importance;
      state[watched->key + kUncertainty] = watched->uncertainty;
    }
    if (module.kept.defined()) state[module.e.key + kKept] = module.kept.to(torch::kFloat32);
  }
  return state;
}

Status AdaloraCourse::load_state(const std::map<std::string, Tensor>& state,
                                 const std::string& where) {
  std::size_t used = 0;
  Status fault;
  const auto take = [&](const std::string& key, at::IntArrayRef sizes) {
    const auto found = state.find(key);
    if (found == state.end()) return Tensor();
    ++used;
    if (found->second.sizes() == sizes) return found->second.clone();
    fault = input_error("The checkpoint's tensor has another shape.", where + ": " + key);
    return Tensor();
  };
  each([&](Watched& watched) {
    const Tensor& tensor = watched.tensor;
    const auto here = [&](const Tensor& read) {
      return read.defined() ? read.to(tensor.device()) : read;
    };
    watched.importance = here(take(watched.key + kImportance, tensor.sizes()));
    watched.uncertainty = here(take(watched.key + kUncertainty, tensor.sizes()));
  });
  for (Module& module : modules_) {
    const Tensor kept = take(module.e.key + kKept, {module.e.tensor.size(0)});
    module.kept = kept.defined() ? kept.to(module.e.tensor.device()) > 0 : Tensor();
  }
  if (fault && used != state.size())
    return input_error("The checkpoint holds tensors of another run.", where);
  return fault;
}

AdapterCourse::Named AdaloraCourse::finished(Named trained) const {
  std::map<std::string, Tensor> cut;
  for (const Module& module : modules_) {
    if (!module.kept.defined()) continue;
    const Tensor left = at::nonzero(module.kept).flatten();
    cut[module.a.key] = module.a.tensor.index_select(0, left);
    cut[module.b.key] = module.b.tensor.index_select(1, left);
    cut[module.e.key] = module.e.tensor.index_select(0, left);
  }
  for (auto& [key, tensor] : trained)
    if (const auto found = cut.find(key); found != cut.end()) tensor = found->second;
  return trained;
}

Json AdaloraCourse::facts(bool finished) const {
  Json pattern = Json::object();
  for (const Module& module : modules_) {
    if (!module.kept.defined()) continue;
    const Tensor kept = module.kept.to(torch::kCPU);
    Json flags = Json::array();
    for (std::int64_t i = 0; i < kept.numel(); ++i) flags.push_back(kept[i].item<bool>());
    pattern[pattern_key(module.e.key)] = std::move(flags);
  }
  // PEFT reads none without a schedule that leaves room to prune.
  const std::int64_t total = total_ > tinit_ + tfinal_ ? total_ : tinit_ + tfinal_ + 1;
  return {{"rank_pattern", finished && !pattern.empty() ? pattern : Json(nullptr)},
          {"total_step", total}};
}

}  // namespace luthier
