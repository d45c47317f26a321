// SPDX-License-Identifier: GPL-3.0-or-later
// The shared state and its one way of changing; see the header.
#include "ui/workspace.h"

#include <QDir>
#include <QFileInfo>
#include <QSaveFile>
#include <QSettings>
#include <algorithm>
#include <utility>

#include "engine/compare/comparison.h"
#include "engine/compare/result_folder.h"
#include "engine/forecast/forecast.h"
#include "ui/format.h"

namespace luthier {

namespace {

constexpr int kForecastDelayMilliseconds = 150;
constexpr int kRecentModels = 8;

bool is_place(const std::string& key) {
  return key == "model" || key == "dataset" || key == "eval_dataset" || key == "output_dir" || key == "strategy";
}

}  // namespace

Recipe default_recipe(const std::string& strategy) {
  auto parsed = parse_recipe("strategy: " + strategy + "\n", "defaults");
  if (parsed) return parsed.take();
  Recipe recipe;
  recipe.strategy = strategy;
  return recipe;
}

Workspace::Workspace(QObject* parent) : QObject(parent), recipe_(default_recipe("lora")) {
  recipe_.output_dir = "runs/first";
  forecast_timer_.setSingleShot(true);
  forecast_timer_.setInterval(kForecastDelayMilliseconds);
  connect(&forecast_timer_, &QTimer::timeout, this, &Workspace::ask_forecast);
  connect(this, &Workspace::recipe_changed, this, [this] { forecast_timer_.start(); });
  connect(this, &Workspace::model_changed, this, [this] { forecast_timer_.start(); });
  connect_bridge();
}

void Workspace::connect_bridge() {
  // A drain hands on many steps at once: what follows the run hears of them once.
  auto* grew = new QTimer(this);
  grew->setSingleShot(true);
  grew->setInterval(0);
  connect(grew, &QTimer::timeout, this, &Workspace::run_grew);
  connect(&bridge_, &SessionBridge::state_changed, this, [this](SessionState state) {
    if (state != SessionState::Empty || !model_) return;
    model_.reset();
    adapters_.clear();
    emit adapters_changed();
    emit model_changed();
  });
  connect(&bridge_, &SessionBridge::model_loaded, this, [this](const ModelLoaded& event) {
    model_ = event;
    adapters_.clear();
    const QString folder = path_text(event.summary.folder);
    QStringList recent = recent_models();
    recent.removeAll(folder);
    recent.prepend(folder);
    QSettings().setValue(QStringLiteral("recent_models"), QStringList(recent.mid(0, kRecentModels)));
    emit adapters_changed();
    emit model_changed();
  });
  connect(&bridge_, &SessionBridge::adapter_attached, this, [this](const AdapterAttached& event) {
    std::erase_if(adapters_, [&](const AttachedAdapter& a) { return a.name == event.name; });
    attaching_.removeAll(QString::fromStdString(event.name));
    adapters_.push_back({event.name, event.folder, event.bytes, event.parameters, event.summary,
                         event.whole, 1, event.pixels});
    emit adapters_changed();
  });
  connect(&bridge_, &SessionBridge::adapter_dropped, this, [this](const AdapterDropped& event) {
    std::erase_if(adapters_, [&](const AttachedAdapter& a) { return a.name == event.name; });
    emit adapters_changed();
  });
  connect(&bridge_, &SessionBridge::run_started, this, [this](const RunStarted& event) {
    run_ = std::make_unique<LiveRun>();
    run_->started = event;
    launching_ = false;
    emit run_started();
  });
  connect(&bridge_, &SessionBridge::step_done, this, [this, grew](const StepDone& event) {
    if (!run_) return;
    run_->lines.push_back(event.line);
    run_->eta_seconds = event.eta_seconds;
    grew->start();
  });
  connect(&bridge_, &SessionBridge::evaluation_done, this, [this, grew](const EvaluationDone& event) {
    if (!run_) return;
    run_->evaluations.emplace_back(event.step, event.eval_loss);
    grew->start();
  });
  connect(&bridge_, &SessionBridge::run_event, this, [this, grew](const RunEvent& event) {
    if (!run_) return;
    run_->events.push_back(event);
    grew->start();
  });
  connect(&bridge_, &SessionBridge::run_ended, this, [this](const RunEnded& event) {
    if (std::exchange(launching_, false) && event.error) {
      emit launch_refused(*event.error);
      return;
    }
    if (run_) {
      run_->ended = true;
      run_->end_state = event.state;
    }
    emit run_ended(event);
  });
  connect(&bridge_, &SessionBridge::forecast_made, this, [this](const ForecastMade& event) {
    if (event.request != forecast_request_) return;
    forecast_ = event;
    forecast_error_.clear();
    emit forecast_changed();
  });
  connect(&bridge_, &SessionBridge::request_done, this, [this](const RequestDone& event) {
    if (event.request == forecast_request_ && event.error) forecast_failed(*event.error);
  });
  connect(&bridge_, &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command == "attach_adapter") attaching_.clear();
    if (event.command != "launch") return;
    launching_ = false;
    emit launch_refused(event.error);
  });
}

void Workspace::forecast_failed(const Error& error) {
  forecast_.reset();
  forecast_error_ = QString::fromStdString(error.sentence());
  emit forecast_changed();
}

void Workspace::ask_forecast() {
  if (recipe_.model.empty() || recipe_.dataset.empty()) {
    forecast_.reset();
    forecast_error_.clear();
    emit forecast_changed();
    return;
  }
  if (forecast_request_) session().cancel(forecast_request_);
  forecast_request_ = session().forecast(recipe_);
}

Status Workspace::set_field(const std::string& key, const std::string& value) {
  Recipe changed = recipe_;
  LUTHIER_CHECK(luthier::set_field(changed, key, value));
  if (recipe_to_yaml(changed) == recipe_to_yaml(recipe_)) return {};
  recipe_ = changed;
  emit recipe_changed();
  return {};
}

void Workspace::replace_recipe(const Recipe& recipe, const QString& file) {
  recipe_ = recipe;
  recipe_file_ = file;
  emit recipe_changed();
}

Status Workspace::open_recipe(const QString& file) {
  LUTHIER_TRY(Recipe recipe, read_recipe(to_path(file)));
  replace_recipe(recipe, file);
  return {};
}

Status Workspace::save_recipe(const QString& file) {
  QSaveFile out(file);
  const QByteArray yaml = QByteArray::fromStdString(recipe_to_yaml(recipe_));
  if (!out.open(QIODevice::WriteOnly) || out.write(yaml) != yaml.size() || !out.commit())
    return machine_error("The recipe could not be written: " + out.errorString().toStdString() + ".", file.toStdString(), "Choose another folder.");
  recipe_file_ = file;
  emit recipe_changed();
  return {};
}

void Workspace::reset_recipe() {
  Recipe fresh = default_recipe(recipe_.strategy);
  fresh.model = recipe_.model;
  fresh.dataset = recipe_.dataset;
  fresh.eval_dataset = recipe_.eval_dataset;
  fresh.output_dir = recipe_.output_dir;
  replace_recipe(fresh, recipe_file_);
}

std::vector<FieldDifference> Workspace::changed_fields() const {
  std::vector<FieldDifference> all = recipe_differences(default_recipe(recipe_.strategy), recipe_);
  std::erase_if(all, [](const FieldDifference& difference) { return is_place(difference.key); });
  return all;
}

void Workspace::load_model(const QString& folder) {
  const QString whole = QDir::cleanPath(QFileInfo(folder).absoluteFilePath());
  if (recipe_.model != whole.toStdString()) {
    recipe_.model = whole.toStdString();
    emit recipe_changed();
  }
  session().load_model(to_path(whole), recipe_.training.device, recipe_.training.dtype);
}

QStringList Workspace::recent_models() const { return QSettings().value(QStringLiteral("recent_models")).toStringList(); }

QStringList Workspace::added_models() const { return QSettings().value(QStringLiteral("added_models")).toStringList(); }

void Workspace::add_models(const QString& folder) {
  QStringList added = added_models();
  added.removeAll(folder);
  added.append(folder);
  QSettings().setValue(QStringLiteral("added_models"), added);
}

void Workspace::forget_models(const QString& folder) {
  for (const char* list : {"recent_models", "added_models"}) {
    QStringList folders = QSettings().value(QLatin1String(list)).toStringList();
    folders.removeAll(folder);
    QSettings().setValue(QLatin1String(list), folders);
  }
}

void Workspace::attach_adapter(const QString& folder) {
  const QString name = QString::fromStdString(result_name(to_path(folder)));
  QString free = name;
  const auto taken = [this](const QString& n) {
    const std::string plain = n.toStdString();
    return plain == kBaseColumn || plain == kTrainingColumn || attaching_.contains(n) ||
           std::any_of(adapters_.begin(), adapters_.end(),
                       [&](const AttachedAdapter& a) { return a.name == plain; });
  };
  for (int i = 2; taken(free); ++i) free = QStringLiteral("%1-%2").arg(name).arg(i);
  attaching_ << free;
  session().attach_adapter(free.toStdString(), to_path(folder));
}

void Workspace::set_strength(const std::string& name, double strength) {
  for (AttachedAdapter& adapter : adapters_)
    if (adapter.name == name) adapter.strength = strength;
  session().set_adapter_strength(name, strength);
}

std::vector<std::string> Workspace::columns_to_ask() const {
  if (run_ && !run_->ended && can_stop(state())) {
    if (run_->started.recipe.strategy == "lora") return {kTrainingColumn};
    return {};
  }
  std::vector<std::string> names;
  for (const AttachedAdapter& adapter : adapters_) names.push_back(adapter.name);
  return names;
}

void Workspace::launch() {
  if (const Status fine = check_recipe(recipe_); !fine) {
    emit launch_refused(fine.error());
    return;
  }
  launching_ = true;
  session().launch(recipe_);
}

void Workspace::resume_run(const QString& folder) {
  const QString file = QDir(folder).filePath(QStringLiteral("recipe.yaml"));
  if (const Status opened = open_recipe(file); !opened) {
    emit launch_refused(opened.error());
    return;
  }
  launching_ = true;
  session().launch(recipe_, to_path(folder));
}

QString Workspace::free_run_folder(const QString& wanted) const {
  if (!QFileInfo::exists(wanted)) return wanted;
  for (int i = 2;; ++i) {
    const QString next = QStringLiteral("%1-%2").arg(wanted).arg(i);
    if (!QFileInfo::exists(next)) return next;
  }
}

}  // namespace luthier
