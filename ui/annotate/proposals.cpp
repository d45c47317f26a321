// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/proposals.h"

#include <algorithm>

#include "ui/annotate/asking.h"
#include "ui/messages.h"

namespace luthier {

namespace {
constexpr double kDrawnTemperature = 0.8;
}  // namespace

Proposals::Proposals(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::answer_updated, this, &Proposals::take);
  connect(&bridge, &SessionBridge::request_done, this, &Proposals::end);
  connect(&bridge, &SessionBridge::state_changed, this, &Proposals::changed);
  connect(&workspace_, &Workspace::model_changed, this, [this] {
    adapter_.clear();
    forget_all();
    emit changed();
  });
  connect(&workspace_, &Workspace::adapters_changed, this, [this] {
    const auto& adapters = workspace_.adapters();
    const bool there = std::any_of(adapters.begin(), adapters.end(), [this](const auto& each) {
      return QString::fromStdString(each.name) == adapter_;
    });
    if (!there) adapter_.clear();
    emit changed();
  });
}

void Proposals::choose(const QString& adapter) {
  if (adapter_ == adapter) return;
  cancel();
  adapter_ = adapter;
  forget_all();
}

void Proposals::forget_all() {
  known_.clear();
  rounds_.clear();
}

bool Proposals::can_ask() const {
  return workspace_.model().has_value() && can_answer(workspace_.state());
}

void Proposals::ask(std::size_t index, const AnnotationItem& item, std::size_t answers) {
  if (!can_ask()) return;
  cancel();
  const std::uint64_t round = rounds_[index]++;
  AnswerRequest request = request_to(adapter_, answers > 1 || round > 0 ? kDrawnTemperature : 0);
  for (std::size_t i = 0; i < answers; ++i) {
    request.samples.push_back(sample_of(item));
    // By item, round and place, so that asking again draws others.
    request.draws.push_back((index * 1000 + round) * 1000 + i);
  }
  Proposal& proposal = known_[index];
  proposal = {};
  proposal.answers.resize(answers);
  proposal.maker = maker_of(workspace_, adapter_);
  ended_.assign(answers, false);
  item_ = index;
  request_ = workspace_.session().answer(std::move(request));
  emit changed();
}

void Proposals::cancel() {
  if (request_ == 0) return;
  workspace_.session().cancel(request_);
  request_ = 0;
  known_.erase(item_);
  emit changed();
}

const Proposal* Proposals::of(std::size_t index) const {
  const auto found = known_.find(index);
  return found == known_.end() ? nullptr : &found->second;
}

void Proposals::take(const AnswerUpdate& event) {
  if (request_ == 0 || event.request != request_) return;
  Proposal& proposal = known_[item_];
  if (event.sample >= proposal.answers.size()) return;
  proposal.answers[event.sample] = event.text;
  if (event.final) ended_[event.sample] = event.finish == "eos";
  emit grew(item_);
}

void Proposals::end(const RequestDone& event) {
  if (request_ == 0 || event.request != request_) return;
  request_ = 0;
  const std::size_t index = item_;
  known_[index].whole = std::all_of(ended_.begin(), ended_.end(), [](bool each) { return each; });
  QString error;
  if (event.error) {
    error = error_text(*event.error);
    known_.erase(index);
  }
  emit changed();
  emit ended(index, error);
}

}  // namespace luthier
