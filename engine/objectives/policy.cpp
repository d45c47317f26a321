// SPDX-License-Identifier: GPL-3.0-or-later
// Whoever answers as the reference takes the policy's place for that time only.
#include "engine/objectives/policy.h"

#include <algorithm>
#include <numeric>

namespace luthier {

namespace {

/// Puts the reference on the base, and the policy's adapter back at its end.
class Standing {
 public:
  Standing(Adapter* policy, Adapter* reference) : policy_(policy), reference_(reference) {
    if (policy_) policy_->deactivate();
    if (reference_) {
      reference_->set_training(false, 0);
      reference_->activate();
    }
  }
  ~Standing() {
    if (reference_) reference_->deactivate();
    if (policy_) policy_->activate();
  }
  Standing(const Standing&) = delete;
  Standing& operator=(const Standing&) = delete;

 private:
  Adapter *policy_, *reference_;
};

}  // namespace

torch::Tensor LogProbs::summed(const torch::Tensor& each) const {
  std::vector<torch::Tensor> sums;
  std::int64_t begin = 0;
  for (const std::int64_t count : counts) {
    sums.push_back(each.slice(0, begin, begin + count).sum());
    begin += count;
  }
  return at::stack(sums);
}

torch::Tensor LogProbs::lengths() const {
  return torch::tensor(counts, torch::kInt64).to(values.log_probs.device(), torch::kFloat32);
}

std::int64_t LogProbs::labels_of(std::size_t sequences) const {
  return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(sequences),
                         std::int64_t{0});
}

Policy::Policy(LoadedModel& base, std::shared_ptr<Adapter> adapter, bool tower_fixed,
               std::shared_ptr<RowCache> cache, std::shared_ptr<Reference> reference)
    : base_(base),
      adapter_(std::move(adapter)),
      tower_fixed_(tower_fixed),
      maker_(base, tower_fixed, std::move(cache)),
      reference_(std::move(reference)) {
  if (!reference_) return;
  const LoadedModel& other = reference_->model ? *reference_->model : base_;
  reference_maker_ = std::make_unique<BatchMaker>(other, true, nullptr);
}

Batch Policy::batch(const MicroBatch& rows, SequenceOrder order, BatchMaker::Pass pass) {
  pass_ = pass;
  return maker_.make(rows, order, pass);
}

LogProbs Policy::of(Model& model, const ModelInput& input, const Batch& batch, double temperature,
                    const std::shared_ptr<RouterNotes>& routers, bool learns_entropy) {
  const LabelledStates states = labelled_states(model, input, routers);
  LogProbs result;
  result.target = states.target;
  result.values =
      token_values(states.hidden, model.head(), states.target, temperature, learns_entropy);
  std::vector<std::int64_t> places, sequences;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const std::vector<std::int64_t>& labels = batch.example(i).labels;
    const std::size_t before = places.size();
    for (std::size_t at = 1; at < labels.size(); ++at)  // a row's first token is never predicted
      if (labels[at] != kIgnoreLabel) places.push_back(static_cast<std::int64_t>(at));
    result.counts.push_back(static_cast<std::int64_t>(places.size() - before));
    sequences.insert(sequences.end(), places.size() - before, static_cast<std::int64_t>(i));
  }
  const torch::Device device = states.places.device();
  result.sequence = torch::tensor(sequences, torch::kInt64).to(device);
  result.places = torch::tensor(places, torch::kInt64).to(device);
  return result;
}

LogProbs Policy::log_probs(const Batch& batch, double temperature,
                           const std::shared_ptr<RouterNotes>& routers, bool learns_entropy) {
  return of(*base_.model, batch.input, batch, temperature, routers, learns_entropy);
}

void Policy::ask_reference(const Batch& batch,
                           const std::function<void(Model& model, const Batch& own)>& ask) {
  TORCH_CHECK(reference_, "the objective asks for a reference that it did not announce");
  const torch::NoGradGuard no_grad;
  if (reference_->model) {
    // Its tower is its own.
    const Batch own = reference_maker_->make(*batch.rows, batch.order, pass_);
    return ask(*reference_->model->model, own);
  }
  const Standing standing(adapter_.get(), reference_->adapter.get());
  // Features of a tower that trains are the policy's alone.
  if (tower_fixed_ || !batch.input.tower_features.defined()) return ask(*base_.model, batch);
  const Batch own = reference_maker_->make(*batch.rows, batch.order, pass_);
  ask(*base_.model, own);
}

LogProbs Policy::by_reference(const Batch& batch, double temperature, const Batch* beside,
                              LogProbs* of_beside) {
  LogProbs found;
  ask_reference(batch, [&](Model& model, const Batch& own) {
    found = of(model, own.input, batch, temperature);
    if (beside && &own == &batch) {
      *of_beside = of(model, beside->input, *beside, temperature);
    } else if (beside) {
      const Batch other = reference_maker_->beside(*beside->rows, own, pass_);
      *of_beside = of(model, other.input, *beside, temperature);
    }
  });
  return found;
}

Status Policy::as_reference(const std::function<Status(const LoadedModel& reference)>& work) {
  TORCH_CHECK(reference_, "the objective asks for a reference that it did not announce");
  if (reference_->model) return work(*reference_->model);
  const Standing standing(adapter_.get(), reference_->adapter.get());
  return work(base_);
}

TeacherStates Policy::reference_states(const Batch& batch) {
  std::optional<TeacherStates> states;
  ask_reference(batch, [&](Model& model, const Batch& own) {
    const torch::Tensor hidden = labelled_states(model, own.input).hidden;
    states = TeacherStates{hidden, BareHead(*model.head())};
  });
  return std::move(*states);
}

void Policy::let_go_of_reference() {
  reference_.reset();
  reference_maker_.reset();
}

LogProbs Policy::reference_log_probs(const Batch& batch, double temperature) {
  return by_reference(batch, temperature, nullptr, nullptr);
}

std::pair<LogProbs, LogProbs> Policy::reference_log_probs_of_both(const Batch& batch,
                                                                  const Batch& beside) {
  std::pair<LogProbs, LogProbs> both;
  both.first = by_reference(batch, /*temperature=*/1, &beside, &both.second);
  return both;
}

std::vector<std::pair<std::string, torch::Tensor>> padded_tokens(const Batch& batch) {
  const auto rows = static_cast<std::int64_t>(batch.sequences.size());
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < rows; ++i)
    longest = std::max(longest, std::ssize(batch.example(static_cast<std::size_t>(i)).input_ids));
  const TokenId pad = batch.padding;
  torch::Tensor ids = torch::full({rows, longest}, pad, torch::kInt64);
  torch::Tensor attention = torch::zeros({rows, longest}, torch::kInt64);
  torch::Tensor completion = torch::zeros({rows, longest}, torch::kInt64);
  for (std::int64_t i = 0; i < rows; ++i) {
    const Example& example = batch.example(static_cast<std::size_t>(i));
    for (std::size_t at = 0; at < example.input_ids.size(); ++at) {
      const auto place = static_cast<std::int64_t>(at);
      ids[i][place] = example.input_ids[at];
      attention[i][place] = 1;
      completion[i][place] = example.labels[at] != kIgnoreLabel ? 1 : 0;
    }
  }
  return {{"input_ids", ids}, {"attention_mask", attention}, {"completion_mask", completion}};
}

std::vector<std::pair<std::string, torch::Tensor>> padded(const LogProbs& probs,
                                                          const Batch& batch) {
  std::vector<std::pair<std::string, torch::Tensor>> tensors = padded_tokens(batch);
  torch::Tensor logps = torch::zeros(tensors.front().second.sizes(), torch::kFloat32);
  logps.index_put_({probs.sequence.cpu(), probs.places.cpu()},
                   probs.values.log_probs.detach().cpu());
  tensors.emplace_back("token_logps", logps);
  tensors.emplace_back("logps", probs.summed(probs.values.log_probs).detach().cpu());
  return tensors;
}

}  // namespace luthier
