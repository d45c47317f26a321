// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/synthesis.h"

#include <algorithm>

#include "engine/compare/pseudo_labels.h"
#include "ui/annotate/asking.h"
#include "ui/messages.h"

namespace luthier {

namespace {
constexpr std::size_t kItemsAtOnce = 8;
}  // namespace

Synthesis::Synthesis(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::answer_updated, this, &Synthesis::take);
  connect(&bridge, &SessionBridge::request_done, this, &Synthesis::end);
  connect(&workspace_, &Workspace::model_changed, this, &Synthesis::cancel);
}

void Synthesis::start(Annotation& annotation, const QString& adapter, const SynthesisRules& rules) {
  if (running() || !workspace_.model() || !can_answer(workspace_.state())) return;
  annotation_ = &annotation;
  adapter_ = adapter;
  rules_ = rules;
  maker_ = maker_of(workspace_, adapter_);
  items_.clear();
  for (std::size_t i = 0; i < annotation.items().size(); ++i)
    if (annotation.items()[i].state == AnnotationItem::State::Open) items_.push_back(i);
  done_ = kept_ = 0;
  ask_next();
}

void Synthesis::ask_next() {
  AnswerRequest request = request_to(adapter_, rules_.temperature);
  in_hand_.clear();
  // A picture that cannot be read stays open for a person, and holds up nothing.
  for (; done_ < items_.size() && in_hand_.size() < kItemsAtOnce; ++done_) {
    const AnnotationItem& item = annotation_->items()[items_[done_]];
    const Sample asked = sample_of(item);
    if (!check_pictures({asked})) continue;
    in_hand_.push_back(items_[done_]);
    for (int sample = 0; sample < rules_.samples; ++sample) {
      request.samples.push_back(asked);
      request.draws.push_back(items_[done_] * 1000 + static_cast<std::uint64_t>(sample));
    }
  }
  if (in_hand_.empty()) return stop({});
  answers_.assign(in_hand_.size(), {});
  request_ = workspace_.session().answer(std::move(request));
  emit grew();
}

void Synthesis::take(const AnswerUpdate& event) {
  if (!running() || event.request != request_ || !event.final) return;
  const std::size_t item = event.sample / static_cast<std::size_t>(rules_.samples);
  if (item >= answers_.size()) return;
  ComparisonAnswer answer;
  answer.text = event.text;
  answer.finish = event.finish;
  answers_[item].push_back(std::move(answer));
}

/// What came of the items in hand; a sentence where a row could not be written.
QString Synthesis::judge() {
  for (std::size_t i = 0; i < in_hand_.size(); ++i) {
    const std::size_t index = in_hand_[i];
    AnnotationItem item = annotation_->items()[index];
    // A person may have been there first.
    if (answers_[i].empty() || item.state != AnnotationItem::State::Open) continue;
    const PseudoLabel label = agreed_label(answers_[i]);
    const QString text = QString::fromStdString(label.answer);
    if (!label.kept(rules_.agreement) || !text.contains(rules_.pattern)) continue;
    item.answer = label.answer;
    item.maker = maker_;
    item.maker->how = {{"agreement", label.confidence},
                       {"samples", rules_.samples},
                       {"temperature", rules_.temperature},
                       {"pattern", rules_.pattern.pattern().isEmpty()
                                       ? Json(nullptr)
                                       : Json(rules_.pattern.pattern().toStdString())}};
    if (const Status taken_in = annotation_->accept(index, std::move(item)); !taken_in)
      return error_text(taken_in.error());
    ++kept_;
    emit taken(index);
  }
  return {};
}

void Synthesis::end(const RequestDone& event) {
  if (!running() || event.request != request_) return;
  if (event.error) return stop(error_text(*event.error));
  if (event.cancelled) return stop({});
  if (const QString error = judge(); !error.isEmpty()) return stop(error);
  ask_next();
}

void Synthesis::cancel() {
  if (!running()) return;
  workspace_.session().cancel(request_);
  stop({});
}

void Synthesis::stop(const QString& error) {
  annotation_ = nullptr;
  request_ = 0;
  in_hand_.clear();
  emit ended(error);
}

}  // namespace luthier
