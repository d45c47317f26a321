// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/desk/kept_queue.h"

#include <QJsonArray>
#include <QJsonObject>
#include <algorithm>

#include "engine/runs/run_folder.h"

namespace luthier {

namespace {

const QString kQueueStates[] = {QStringLiteral("waiting"), QStringLiteral("running"),
                                QStringLiteral("ended")};

QString text_of(const std::string& text) { return QString::fromStdString(text); }

QJsonObject error_json(const Error& error) {
  return {{QStringLiteral("code"), static_cast<int>(error.code)},
          {QStringLiteral("what"), text_of(error.what)},
          {QStringLiteral("where"), text_of(error.where)},
          {QStringLiteral("hint"), text_of(error.hint)}};
}

Error error_from(const QJsonObject& json) {
  const auto text = [&](const char* key) {
    return json[QLatin1String(key)].toString().toStdString();
  };
  const int code = std::clamp(json[QStringLiteral("code")].toInt(), 0, 2);
  return {static_cast<ErrorCode>(code), text("what"), text("where"), text("hint")};
}

}  // namespace

QJsonArray queue_json(const std::vector<QueuedRun>& runs) {
  QJsonArray all;
  for (const QueuedRun& run : runs) {
    if (!run.kept) continue;
    QJsonObject json{
        {QStringLiteral("label"), run.label},
        {QStringLiteral("group"), run.group},
        {QStringLiteral("state"), kQueueStates[static_cast<std::size_t>(run.state)]},
        {QStringLiteral("held_out_answers"), static_cast<qint64>(run.held_out_answers)},
        {QStringLiteral("recipe"), text_of(recipe_to_yaml(run.recipe))}};
    if (run.state == QueuedRun::State::Ended)
      json[QStringLiteral("end_state")] = text_of(run.end_state);
    if (run.error) json[QStringLiteral("error")] = error_json(*run.error);
    all << json;
  }
  return all;
}

std::vector<QueuedRun> queue_from(const QJsonArray& runs) {
  std::vector<QueuedRun> all;
  for (const QJsonValue& each : runs) {
    const QJsonObject json = each.toObject();
    const auto state = std::find(std::begin(kQueueStates), std::end(kQueueStates),
                                 json[QStringLiteral("state")].toString());
    if (state == std::end(kQueueStates)) continue;
    QueuedRun run;
    run.label = json[QStringLiteral("label")].toString();
    run.group = json[QStringLiteral("group")].toString();
    run.state = static_cast<QueuedRun::State>(state - std::begin(kQueueStates));
    run.held_out_answers = static_cast<std::size_t>(
        std::max<qint64>(0, json[QStringLiteral("held_out_answers")].toInteger()));
    run.end_state = json[QStringLiteral("end_state")].toString().toStdString();
    if (json.contains(QStringLiteral("error")))
      run.error = error_from(json[QStringLiteral("error")].toObject());
    auto recipe = parse_recipe(json[QStringLiteral("recipe")].toString().toStdString(),
                               "the queue as it was left");
    if (recipe) {
      run.recipe = recipe.take();
    } else if (run.state != QueuedRun::State::Ended) {
      run.state = QueuedRun::State::Ended;
      run.end_state = run_state_name(RunState::Failed);
      run.error = recipe.error();
    }
    all.push_back(std::move(run));
  }
  return all;
}

void settle_running(std::vector<QueuedRun>& runs) {
  for (QueuedRun& run : runs) {
    if (run.state != QueuedRun::State::Running) continue;
    run.state = QueuedRun::State::Waiting;
    const auto there = summarize_run(run.recipe.output_dir);
    if (!there || (there->manifest.state != RunState::Finished && !there->newest_checkpoint))
      continue;
    run.state = QueuedRun::State::Ended;
    run.end_state = run_state_name(there->manifest.state);
  }
}

}  // namespace luthier
