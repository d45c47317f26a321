// SPDX-License-Identifier: GPL-3.0-or-later
// The recipe, the model, adapters and the forecast; what concerns runs stands in workspace_run.cpp.
#include "ui/workspace.h"

#include <QDir>
#include <QFileInfo>
#include <QSaveFile>
#include <QSettings>
#include <algorithm>
#include <utility>

#include "engine/compare/comparison.h"
#include "engine/compare/result_folder.h"
#include "engine/config/chosen_field.h"
#include "engine/forecast/forecast.h"
#include "ui/desk/recipe_history.h"
#include "ui/format.h"
#include "ui/messages.h"
#include "ui/run_queue.h"
#include "ui/sample_source.h"
#include "ui/train/form_order.h"

namespace luthier {

namespace {

constexpr int kForecastDelayMilliseconds = 150;
constexpr int kRecentModels = 8, kRecentRecipes = 8;
const QString kRecipeFiles = QStringLiteral("recent_recipes");
/// The settings that choose a kind.
constexpr const char* kKindKeys[] = {"strategy", "objective", "training.optim"};

bool is_place(const std::string& key) {
  return key == "model" || key == "dataset" || key == "eval_dataset" || key == "image_folder" ||
         key == "output_dir";
}

/// Where a field stands in the form.
std::size_t place_of(const std::string& key) {
  const std::vector<FieldDescription>& fields = form_fields();
  const auto is = [&](const FieldDescription& field) { return field.key == key; };
  return static_cast<std::size_t>(std::find_if(fields.begin(), fields.end(), is) - fields.begin());
}

bool means_something(const std::string& key, const Recipe& recipe) {
  const std::vector<FieldDescription>& fields = form_fields();
  const std::size_t place = place_of(key);
  return place >= fields.size() || applies(fields[place], recipe);
}

}  // namespace

Recipe default_recipe(const Recipe& kinds) {
  const std::string yaml = "strategy: " + kinds.strategy + "\nobjective: " + kinds.objective +
                           "\ntraining:\n  optim: " + kinds.training.optim + "\n";
  auto parsed = parse_recipe(yaml, "defaults");
  return parsed ? parsed.take() : Recipe();
}

Workspace::Workspace(QObject* parent)
    : QObject(parent), recipe_(default_recipe(Recipe())), samples_(new SampleSource(this)) {
  connect(this, &Workspace::recipe_changed, this, [this] {
    if (const auto columns = column_map(recipe_)) samples_->set_columns(*columns);
  });
  recipe_.output_dir = "runs/first";
  forecast_timer_.setSingleShot(true);
  forecast_timer_.setInterval(kForecastDelayMilliseconds);
  connect(&forecast_timer_, &QTimer::timeout, this, &Workspace::ask_forecast);
  connect(this, &Workspace::recipe_changed, this, [this] { forecast_timer_.start(); });
  connect(this, &Workspace::model_changed, this, [this] { forecast_timer_.start(); });
  connect_bridge();
  connect_elsewhere();
  connect_run();
  queue_ = new RunQueue(*this);
  history_ = new RecipeHistory(*this);
}

void Workspace::connect_bridge() {
  connect(&bridge_, &SessionBridge::state_changed, this, [this](SessionState state) {
    if (state != SessionState::Empty || !model_) return;
    model_.reset();
    adapters_.clear();
    emit adapters_changed();
    emit model_changed();
  });
  connect(&bridge_, &SessionBridge::device_lost, this, [this] { device_lost_ = true; });
  connect(&bridge_, &SessionBridge::model_loaded, this, [this](const ModelLoaded& event) {
    last_model_ = path_text(event.summary.folder);
    model_ = event;
    adapters_.clear();
    const QString folder = path_text(event.summary.folder);
    QStringList recent = recent_models();
    recent.removeAll(folder);
    recent.prepend(folder);
    QSettings().setValue(QStringLiteral("recent_models"),
                         QStringList(recent.mid(0, kRecentModels)));
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
  connect(&bridge_, &SessionBridge::base_merged, this, [this](const BaseMerged& event) {
    merged_ = event;
    emit merged_changed();
  });
  connect(&bridge_, &SessionBridge::merge_undone, this, [this] {
    merged_.reset();
    emit merged_changed();
  });
  connect(&bridge_, &SessionBridge::forecast_made, this, [this](const ForecastMade& event) {
    if (event.request != forecast_request_) return;
    forecast_ = event;
    forecast_of_ = forecast_asked_;
    forecast_error_.reset();
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
  forecast_error_ = error;
  emit forecast_changed();
}

QString Workspace::forecast_error() const {
  return forecast_error_ ? error_text(*forecast_error_) : QString();
}

void Workspace::ask_forecast() {
  if (recipe_.model.empty() || recipe_.dataset.empty()) {
    forecast_.reset();
    forecast_error_.reset();
    emit forecast_changed();
    return;
  }
  if (forecast_request_) session().cancel(forecast_request_);
  forecast_asked_ = recipe_to_yaml(recipe_);
  forecast_request_ = session().forecast(recipe_);
}

bool Workspace::forecast_is_current() const {
  return forecast_ && forecast_of_ == recipe_to_yaml(recipe_);
}

Status Workspace::set_field(const std::string& key, const std::string& value) {
  Recipe changed = recipe_;
  LUTHIER_CHECK(luthier::set_field(changed, key, value));
  const bool differs = recipe_to_yaml(changed) != recipe_to_yaml(recipe_);
  const Recipe before = std::exchange(recipe_, std::move(changed));
  // A fault in a field of another kind is nowhere to be seen, and nothing reads it. Under another
  // kind a field may take what it has refused.
  drop_faults([&](const FieldFault& fault) {
    return fault.key == key || !means_something(fault.key, recipe_) ||
           as_chosen(fault.key, before) != as_chosen(fault.key, recipe_);
  });
  if (differs) emit recipe_changed();
  return {};
}

Status Workspace::edit_field(const std::string& key, const std::string& value) {
  const Status status = set_field(key, value);
  if (status) return status;
  const QString text = value == "null" ? QString() : QString::fromStdString(value);
  const auto place = std::find_if(faults_.begin(), faults_.end(), [&](const FieldFault& fault) {
    return place_of(fault.key) >= place_of(key);
  });
  if (place != faults_.end() && place->key == key)
    *place = {key, text, status.error()};
  else
    faults_.insert(place, {key, text, status.error()});
  emit faults_changed();
  return status;
}

const FieldFault* Workspace::fault_of(const std::string& key) const {
  for (const FieldFault& fault : faults_)
    if (fault.key == key) return &fault;
  return nullptr;
}

void Workspace::drop_faults(const std::function<bool(const FieldFault&)>& which) {
  if (std::erase_if(faults_, which) > 0) emit faults_changed();
}

bool Workspace::refuse_faults() {
  if (faults_.empty()) return false;
  const FieldFault first = faults_.front();
  emit field_refused(fault_error(first.error, first.text));
  emit field_wanted(first.key);
  return true;
}

void Workspace::replace_recipe(const Recipe& recipe, const QString& file) {
  staged_.reset();
  show_recipe(recipe, file);
  emit stages_changed();
}

void Workspace::show_recipe(const Recipe& recipe, const QString& file) {
  recipe_ = recipe;
  recipe_file_ = file;
  drop_faults([](const FieldFault&) { return true; });
  emit recipe_changed();
}

Status Workspace::open_recipe(const QString& file) {
  LUTHIER_TRY(const auto staged, read_staged_recipe(to_path(file)));
  if (staged) {
    set_staged(*staged, file);
  } else {
    LUTHIER_TRY(Recipe recipe, read_recipe(to_path(file)));
    replace_recipe(recipe, file);
  }
  remember_recipe(file);
  return {};
}

void Workspace::remember_recipe(const QString& file) {
  const QString whole = QDir::cleanPath(QFileInfo(file).absoluteFilePath());
  QStringList recent = QSettings().value(kRecipeFiles).toStringList();
  recent.removeAll(whole);
  recent.prepend(whole);
  QSettings().setValue(kRecipeFiles, QStringList(recent.mid(0, kRecentRecipes)));
}

QStringList Workspace::recent_recipes() const {
  return QSettings().value(kRecipeFiles).toStringList();
}

RecipeSnapshot Workspace::snapshot() const {
  return {recipe_, recipe_file_, staged(), stage_shown_};
}

void Workspace::go_back_to(const RecipeSnapshot& then) {
  staged_ = then.staged;
  stage_shown_ = then.stage_shown;
  show_recipe(then.recipe, then.file);
  emit stages_changed();
}

Status Workspace::save_recipe(const QString& file) {
  QSaveFile out(file);
  staged_ = staged();
  const QByteArray yaml = QByteArray::fromStdString(staged_ ? staged_recipe_to_yaml(*staged_)
                                                            : recipe_to_yaml(recipe_));
  if (!out.open(QIODevice::WriteOnly) || out.write(yaml) != yaml.size() || !out.commit())
    return machine_error(
        "The recipe could not be written: " + out.errorString().toStdString() + ".",
        file.toStdString(), "Choose another folder.");
  recipe_file_ = file;
  remember_recipe(file);
  emit recipe_changed();
  return {};
}

void Workspace::reset_recipe() {
  Recipe fresh = default_recipe(Recipe());
  fresh.model = recipe_.model;
  fresh.dataset = recipe_.dataset;
  fresh.eval_dataset = recipe_.eval_dataset;
  fresh.image_folder = recipe_.image_folder;
  fresh.output_dir = recipe_.output_dir;
  show_recipe(fresh, recipe_file_);
}

std::vector<FieldDifference> Workspace::changed_fields() const {
  std::vector<FieldDifference> all = recipe_differences(default_recipe(recipe_), recipe_);
  std::erase_if(all, [&](const FieldDifference& difference) {
    return is_place(difference.key) || !means_something(difference.key, recipe_);
  });
  // What was chosen comes first: it decides the defaults of the rest.
  std::size_t place = 0;
  for (const char* key : kKindKeys) {
    const auto usual = get_field(Recipe(), key), chosen = get_field(recipe_, key);
    if (usual && chosen && *usual != *chosen)
      all.insert(all.begin() + static_cast<std::ptrdiff_t>(place++), {key, *usual, *chosen});
  }
  return all;
}

bool Workspace::model_has(const std::string& key) const {
  if (!model_ || path_text(model_->summary.folder).toStdString() != recipe_.model) return true;
  const ModelSummary& summary = model_->summary;
  if (key == "image_folder" || key.starts_with("image.")) return summary.pictures.has_value();
  if (key.starts_with("film.")) return summary.pictures && summary.pictures->films;
  constexpr std::string_view kFreeze = "freeze.";
  if (!key.starts_with(kFreeze)) return true;
  const std::string rest = key.substr(kFreeze.size());
  for (const char* part : {"vision_tower", "projector", "language_model"}) {
    if (!rest.starts_with(part)) continue;
    return std::any_of(summary.parts.begin(), summary.parts.end(),
                       [&](const auto& has) { return has.first == part; });
  }
  return true;
}

QString Workspace::default_of(const std::string& key) const {
  const auto is_kind = [&](const char* kind) { return key == kind; };
  const bool kind = std::any_of(std::begin(kKindKeys), std::end(kKindKeys), is_kind);
  const auto value = get_field(kind ? Recipe() : default_recipe(recipe_), key);
  return value ? QString::fromStdString(*value) : QString();
}

void Workspace::load_model(const QString& folder) {
  const QString whole = QDir::cleanPath(QFileInfo(folder).absoluteFilePath());
  if (recipe_.model != whole.toStdString()) {
    recipe_.model = whole.toStdString();
    emit recipe_changed();
  }
  session().load_model(to_path(whole), recipe_.training.device, recipe_.training.dtype);
}

QStringList Workspace::recent_models() const {
  return QSettings().value(QStringLiteral("recent_models")).toStringList();
}

QStringList Workspace::added_models() const {
  return QSettings().value(QStringLiteral("added_models")).toStringList();
}

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

}  // namespace luthier
