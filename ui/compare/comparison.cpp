// SPDX-License-Identifier: GPL-3.0-or-later
// Following adapters and answers.
#include "ui/compare/comparison.h"

#include <algorithm>
#include <cmath>

#include "ui/format.h"

namespace luthier {

namespace {

QString text_of(const Message& message) {
  QString text;
  for (const ContentPart& part : message.content)
    if (part.kind == ContentPart::Kind::Text) text += QString::fromStdString(part.text);
  return text.trimmed();
}

}  // namespace

double Answer::confidence() const {
  if (tokens.empty()) return 0;
  double sum = 0;
  for (const AnswerToken& token : tokens) sum += token.logprob;
  return std::exp(sum / static_cast<double>(tokens.size()));
}

Comparison::Comparison(Workspace& workspace, QObject* parent) : QObject(parent), workspace_(workspace) {
  connect(&workspace_, &Workspace::adapters_changed, this, &Comparison::follow_adapters);
  connect(&workspace_, &Workspace::model_changed, this, &Comparison::forget_all);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::answer_updated, this, &Comparison::take);
  connect(&bridge, &SessionBridge::request_done, this, [this](const RequestDone& event) {
    if (requests_.erase(event.request) == 0) return;
    if (event.error) emit failed(*event.error);
    emit running_changed();
  });
}

void Comparison::follow_adapters() {
  std::vector<Column> columns;
  columns.push_back(std::move(columns_.front()));
  const std::optional<std::string> reference = reference_ > 0 && reference_ < columns_.size() ? columns_[reference_].name : std::nullopt;
  for (const AttachedAdapter& adapter : workspace_.adapters()) {
    const auto kept = std::find_if(columns_.begin() + 1, columns_.end(), [&](const Column& c) { return c.name == adapter.name; });
    columns.push_back(kept != columns_.end() ? std::move(*kept) : Column{adapter.name, std::vector<Answer>(samples_.size())});
  }
  columns_ = std::move(columns);
  reference_ = 0;
  for (std::size_t i = 1; i < columns_.size(); ++i)
    if (reference && columns_[i].name == reference) reference_ = i;
  emit columns_changed();
}

void Comparison::set_samples(std::vector<Sample> samples, const QString& source) {
  cancel();
  samples_ = std::move(samples);
  source_ = source;
  for (Column& column : columns_) column.answers.assign(samples_.size(), {});
  emit samples_changed();
}

void Comparison::set_reference(std::size_t column) {
  if (column >= columns_.size()) return;
  reference_ = column;
  emit columns_changed();
}

void Comparison::forget(const std::string& name) {
  for (Column& column : columns_)
    if (column.name == name) column.answers.assign(samples_.size(), {});
  emit columns_changed();
}

void Comparison::forget_all() {
  cancel();
  for (Column& column : columns_) column.answers.assign(samples_.size(), {});
  emit columns_changed();
}

void Comparison::run() {
  // Columns that lack the same samples are asked together.
  std::map<std::vector<std::size_t>, std::vector<std::optional<std::string>>> groups;
  for (const Column& column : columns_) {
    std::vector<std::size_t> missing;
    for (std::size_t s = 0; s < samples_.size(); ++s)
      if (!column.answers[s].final) missing.push_back(s);
    if (!missing.empty()) groups[missing].push_back(column.name);
  }
  for (const auto& [indices, names] : groups) {
    AnswerRequest request;
    request.options = options_;
    request.columns = names;
    for (const std::size_t s : indices) request.samples.push_back(samples_[s]);
    const RequestId id = workspace_.session().answer(std::move(request));
    requests_[id] = {indices, names};
  }
  emit running_changed();
}

void Comparison::cancel() {
  for (const auto& [id, asked] : requests_) workspace_.session().cancel(id);
}

void Comparison::take(const AnswerUpdate& event) {
  const auto found = requests_.find(event.request);
  if (found == requests_.end() || event.sample >= found->second.samples.size() || event.column >= found->second.columns.size()) return;
  const std::size_t sample = found->second.samples[event.sample];
  const auto& name = found->second.columns[event.column];
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c].name != name || sample >= columns_[c].answers.size()) continue;
    Answer& answer = columns_[c].answers[sample];
    answer = {QString::fromStdString(event.text), event.tokens, event.seconds, event.finish, true, event.final};
    emit answer_changed(sample, c);
  }
}

QString Comparison::expected(std::size_t sample) const {
  const auto& messages = samples_[sample].conversation.messages;
  return !messages.empty() && messages.back().role == "assistant" ? text_of(messages.back()) : QString();
}

QString Comparison::question(std::size_t sample) const {
  const auto& messages = samples_[sample].conversation.messages;
  for (auto it = messages.rbegin(); it != messages.rend(); ++it)
    if (it->role == "user") return text_of(*it);
  return {};
}

QString Comparison::picture(std::size_t sample) const {
  for (const Message& message : samples_[sample].conversation.messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Image) return path_text(part.image);
  return {};
}

std::pair<int, int> Comparison::exact_matches(std::size_t column) const {
  int right = 0, counted = 0;
  for (std::size_t s = 0; s < samples_.size(); ++s) {
    const Answer& answer = columns_[column].answers[s];
    const QString wanted = expected(s);
    if (!answer.final || wanted.isEmpty()) continue;
    ++counted;
    right += answer.text.trimmed() == wanted ? 1 : 0;
  }
  return {right, counted};
}

}  // namespace luthier
