// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/asking.h"

namespace luthier {

namespace {
constexpr std::int64_t kLongestAnswer = 256;  // tokens
}

Sample sample_of(const AnnotationItem& item) {
  Sample sample;
  sample.where = item.picture.filename().string();
  sample.conversation.messages.push_back(
      {"user", {ContentPart::of_image(item.picture), ContentPart::of_text(item.question)}});
  return sample;
}

AnswerMaker maker_of(Workspace& workspace, const QString& adapter) {
  AnswerMaker maker;
  maker.model = workspace.model()->summary.folder.string();
  for (const AttachedAdapter& each : workspace.adapters())
    if (QString::fromStdString(each.name) == adapter) maker.adapter = each.folder.string();
  return maker;
}

AnswerRequest request_to(const QString& adapter, double temperature) {
  AnswerRequest request;
  request.columns.push_back(adapter.isEmpty() ? std::optional<std::string>()
                                              : adapter.toStdString());
  request.options.max_new_tokens = kLongestAnswer;
  request.options.temperature = temperature;
  request.options.alternatives = 0;
  return request;
}

}  // namespace luthier
