// SPDX-License-Identifier: GPL-3.0-or-later
// One JSON file a window, replaced as a whole. It is read as any other file: what is missing or odd
// in it is left out.
#include "ui/desk/kept_desk.h"

#include <QAbstractButton>
#include <QDateTime>
#include <QDesktopServices>
#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QSaveFile>
#include <QSplitter>
#include <QStandardPaths>
#include <QUrl>

#include "engine/base/crash_report.h"
#include "ui/background.h"
#include "ui/desk/kept_queue.h"
#include "ui/desk/recipe_history.h"
#include "ui/format.h"
#include "ui/main_window.h"
#include "ui/messages.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {

constexpr int kPlaces = 8, kKeepMilliseconds = 400, kFormat = 1;
constexpr qint64 kMostBytes = 16 << 20;

QJsonObject read_desk(const QString& name) {
  QFile file(name);
  if (!file.open(QIODevice::ReadOnly) || file.size() > kMostBytes) return {};
  const QJsonObject left = QJsonDocument::fromJson(file.readAll()).object();
  return left[QStringLiteral("format")].toInt() == kFormat ? left : QJsonObject();
}

bool write_whole(const QString& name, const QByteArray& bytes) {
  QSaveFile out(name);
  return out.open(QIODevice::WriteOnly) && out.write(bytes) == bytes.size() && out.commit();
}

/// A recipe as it was written down, also one that could not be launched: then field by field.
Recipe recipe_from(const QJsonObject& left) {
  const std::string yaml = left[QStringLiteral("recipe")].toString().toStdString();
  if (auto parsed = parse_recipe(yaml, "the settings as they were left")) return parsed.take();
  const QJsonObject fields = left[QStringLiteral("fields")].toObject();
  Recipe recipe = default_recipe(Recipe());
  const auto take = [&](const QString& key) {
    // A field that this version does not know, or not so, stays at its default.
    if (fields.contains(key))
      (void)set_field(recipe, key.toStdString(), fields[key].toString().toStdString()).ok();
  };
  // Kinds come first: they move the defaults of the rest.
  for (const char* kind : {"strategy", "objective", "training.optim"}) take(QLatin1String(kind));
  for (const FieldDescription& field : recipe_fields()) take(QString::fromStdString(field.key));
  return recipe;
}

/// "trainPage/0" is the page's first splitter.
QJsonObject layout_of(const MainWindow& window) {
  QJsonObject layout;
  for (int i = 0; i < kPageCount; ++i) {
    const Page* page = window.page(static_cast<PageId>(i));
    int at = 0;
    for (const QSplitter* splitter : page->findChildren<QSplitter*>())
      layout[QStringLiteral("%1/%2").arg(page->objectName()).arg(at++)] =
          QString::fromLatin1(splitter->saveState().toBase64());
  }
  if (const auto* all = window.findChild<QAbstractButton*>(QStringLiteral("advancedToggle")))
    layout[QStringLiteral("advanced")] = all->isChecked();
  return layout;
}

}  // namespace

QString KeptDesk::usual_folder() {
  return QStandardPaths::writableLocation(QStandardPaths::AppLocalDataLocation);
}
QString KeptDesk::crash_folder() { return usual_folder() + QStringLiteral("/crashes"); }

KeptDesk::KeptDesk(MainWindow& window, const QString& folder, const QString& crashes)
    : window_(window), crashes_(crashes.isEmpty() ? crash_folder() : crashes) {
  writer_.setMaxThreadCount(1);
  timer_.setSingleShot(true);
  timer_.setInterval(kKeepMilliseconds);
  if (!take_place(folder.isEmpty() ? usual_folder() : folder)) return;
  connect(&timer_, &QTimer::timeout, this, [this] { write(false); });
  const Workspace& workspace = window.workspace();
  connect(&workspace, &Workspace::recipe_changed, this, &KeptDesk::keep_soon);
  connect(&workspace, &Workspace::faults_changed, this, &KeptDesk::keep_soon);
  connect(&workspace, &Workspace::stages_changed, this, &KeptDesk::keep_soon);
  connect(&workspace, &Workspace::model_changed, this, &KeptDesk::keep_soon);
  connect(&window.workspace().queue(), &RunQueue::changed, this, &KeptDesk::keep_soon);
  connect(&window, &MainWindow::page_shown, this, [this](PageId id) {
    note_for_crash(CrashNote::Page, window_.page(id)->objectName().toStdString());
    keep_soon();
  });
  connect(&workspace, &Workspace::run_started, this, [this] {
    note_for_crash(CrashNote::Run, window_.workspace().run()->started.folder.string());
  });
  connect(&workspace, &Workspace::run_ended, this, [] { note_for_crash(CrashNote::Run, {}); });
}

KeptDesk::~KeptDesk() {
  if (place_ == 0) return;
  timer_.stop();
  write(true);
  writer_.waitForDone();
}

QString KeptDesk::file(const QString& kind) const {
  return QStringLiteral("%1/desk-%2.%3").arg(folder_).arg(place_).arg(kind);
}

/// A place whose window did not end in order comes first; else the first that is free. Another one
/// than the first begins empty.
bool KeptDesk::take_place(const QString& folder) {
  folder_ = folder;
  if (!QDir().mkpath(folder)) return false;
  std::unique_ptr<QLockFile> free;
  int free_place = 0;
  for (place_ = 1; place_ <= kPlaces; ++place_) {
    auto lock = std::make_unique<QLockFile>(file(QStringLiteral("lock")));
    lock->setStaleLockTime(0);  // a window may stay open for weeks; a dead one's lock is taken over
    if (!lock->tryLock(0)) continue;
    const QJsonObject left = read_desk(file(QStringLiteral("json")));
    if (!left.isEmpty() && !left[QStringLiteral("in_order")].toBool()) {
      lock_ = std::move(lock);
      return true;
    }
    if (!free) {
      free = std::move(lock);
      free_place = place_;
    }
  }
  lock_ = std::move(free);
  place_ = free_place;
  if (place_ > 1) QFile::remove(file(QStringLiteral("json")));
  return place_ > 0;
}

void KeptDesk::keep_soon() {
  if (!timer_.isActive()) timer_.start();
}

QJsonObject KeptDesk::state(bool in_order) const {
  const Workspace& workspace = window_.workspace();
  const RecipeSnapshot now = workspace.snapshot();
  QJsonObject fields;
  for (const FieldDescription& field : recipe_fields())
    if (const auto value = get_field(now.recipe, field.key))
      fields[QString::fromStdString(field.key)] = QString::fromStdString(*value);
  QJsonArray faults;
  for (const FieldFault& fault : workspace.faults())
    faults << QJsonObject{{QStringLiteral("key"), QString::fromStdString(fault.key)},
                          {QStringLiteral("text"), fault.text}};
  const auto& model = workspace.model();
  return {
      {QStringLiteral("format"), kFormat},
      {QStringLiteral("in_order"), in_order},
      {QStringLiteral("report"), path_text(own_crash_report().filename())},
      {QStringLiteral("page"), window_.page(window_.current())->objectName()},
      {QStringLiteral("model"), model ? path_text(model->summary.folder) : QString()},
      {QStringLiteral("recipe_file"), now.file},
      {QStringLiteral("recipe"), QString::fromStdString(recipe_to_yaml(now.recipe))},
      {QStringLiteral("stages"),
       now.staged ? QString::fromStdString(staged_recipe_to_yaml(*now.staged)) : QString()},
      {QStringLiteral("stage_shown"), static_cast<int>(now.stage_shown)},
      {QStringLiteral("fields"), fields},
      {QStringLiteral("faults"), faults},
      {QStringLiteral("layout"), layout_of(window_)},
  };
}

void KeptDesk::write(bool in_order) {
  if (place_ == 0) return;
  in_background(
      this,
      [name = file(QStringLiteral("json")), state = state(in_order),
       queue = window_.workspace().queue().runs()]() mutable {
        if (!queue.empty()) state[QStringLiteral("queue")] = queue_json(queue);
        // Where it cannot be written, the window works all the same.
        write_whole(name, QJsonDocument(state).toJson(QJsonDocument::Compact));
      },
      [] {}, writer_);
}

void KeptDesk::show_recipe(const QJsonObject& left) {
  Workspace& workspace = window_.workspace();
  RecipeSnapshot then{recipe_from(left), left[QStringLiteral("recipe_file")].toString(), {}, 0};
  const std::string stages = left[QStringLiteral("stages")].toString().toStdString();
  if (!stages.empty()) {
    auto staged = parse_staged_recipe(stages, "the stages as they were left");
    const auto shown = static_cast<std::size_t>(left[QStringLiteral("stage_shown")].toInt());
    if (staged && *staged && shown < (*staged)->stages.size()) {
      then.staged = **staged;
      then.stage_shown = shown;
    }
  }
  workspace.go_back_to(then);
  for (const QJsonValue& each : left[QStringLiteral("faults")].toArray()) {
    const std::string key = each[QStringLiteral("key")].toString().toStdString();
    if (!field_label(key).isEmpty())
      (void)workspace.edit_field(key, each[QStringLiteral("text")].toString().toStdString()).ok();
  }
  workspace.history().begin_here();
}

void KeptDesk::show_layout(const QJsonObject& layout) {
  for (int i = 0; i < kPageCount; ++i) {
    const Page* page = window_.page(static_cast<PageId>(i));
    int at = 0;
    for (QSplitter* splitter : page->findChildren<QSplitter*>()) {
      const QString name = QStringLiteral("%1/%2").arg(page->objectName()).arg(at++);
      if (layout.contains(name))
        splitter->restoreState(QByteArray::fromBase64(layout[name].toString().toLatin1()));
    }
  }
  if (auto* all = window_.findChild<QAbstractButton*>(QStringLiteral("advancedToggle")))
    all->setChecked(layout[QStringLiteral("advanced")].toBool());
}

void KeptDesk::come_back() {
  const QJsonObject left = place_ > 0 ? read_desk(file(QStringLiteral("json"))) : QJsonObject();
  if (left.isEmpty()) {
    window_.show_page(PageId::Start);
    keep_soon();
    return;
  }
  show_recipe(left);
  show_layout(left[QStringLiteral("layout")].toObject());
  show_queue(left);
  PageId shown = PageId::Start;
  for (int i = 0; i < kPageCount; ++i)
    if (window_.page(static_cast<PageId>(i))->objectName() ==
        left[QStringLiteral("page")].toString())
      shown = static_cast<PageId>(i);
  window_.show_page(shown);
  const QString model = left[QStringLiteral("model")].toString();
  const bool there = !model.isEmpty() && QFileInfo(model).isDir();
  const std::string& named = window_.workspace().recipe().model;
  const bool fits = there && (named.empty() || named == model.toStdString());
  if (!left[QStringLiteral("in_order")].toBool())
    tell_crash(fits ? model : QString(), report_of(left));
  else if (fits)
    window_.workspace().load_model(model);
  keep_soon();
}

void KeptDesk::open_other() {
  const QJsonObject left = place_ > 0 ? read_desk(file(QStringLiteral("json"))) : QJsonObject();
  if (left.isEmpty()) return;
  show_layout(left[QStringLiteral("layout")].toObject());
  if (!left[QStringLiteral("in_order")].toBool()) put_aside(left);
  show_queue(left);
  keep_soon();
}

/// Nothing of it is launched by itself, and that is said.
void KeptDesk::show_queue(const QJsonObject& left) {
  std::vector<QueuedRun> runs = queue_from(left[QStringLiteral("queue")].toArray());
  if (runs.empty()) return;
  settle_running(runs);
  RunQueue& queue = window_.workspace().queue();
  queue.put_back(std::move(runs));
  const auto waiting = static_cast<int>(queue.waiting());
  if (waiting == 0) return;
  window_.tell([this, waiting, &queue](Banner& banner) {
    if (!queue.held()) return;  // a person was faster
    banner.show_text(Banner::Kind::Info,
                     tr("%n runs waited in the queue when the window was closed. They wait still, "
                        "and none is launched until you say Go on.",
                        nullptr, waiting));
    banner.set_about(QStringLiteral("queue"));
    banner.offer(tr("Show the queue"), [this] { window_.show_queue(); });
    connect(&queue, &RunQueue::changed, &banner, [&queue, &banner] {
      if (!queue.held()) banner.dismiss_about(QStringLiteral("queue"));
    });
  });
}

void KeptDesk::put_aside(const QJsonObject& left) {
  const QString stages = left[QStringLiteral("stages")].toString();
  const QByteArray yaml =
      (stages.isEmpty() ? left[QStringLiteral("recipe")].toString() : stages).toUtf8();
  const QString name =
      QStringLiteral("%1/recipe-%2.yaml")
          .arg(folder_, QDateTime::currentDateTime().toString(QStringLiteral("yyyyMMdd-HHmmss")));
  if (!write_whole(name, yaml)) return;
  window_.tell([this, name](Banner& banner) {
    banner.show_text(Banner::Kind::Info,
                     tr("Luthier did not end as it should have last time. The settings that stood "
                        "there are in %1.")
                         .arg(name));
    banner.offer(tr("Open them"), [this, name] {
      if (!window_.workspace().open_recipe(name)) return;
      window_.show_page(PageId::Train);
    });
  });
}

/// The report of the very window that the desk is of, where it left one; each may have died.
QString KeptDesk::report_of(const QJsonObject& left) const {
  const QString name = left[QStringLiteral("report")].toString();
  for (const auto& report : crash_reports(to_path(crashes_)))
    if (path_text(report.filename()) == name) return path_text(report);
  return {};
}

void KeptDesk::tell_crash(const QString& model, const QString& report) {
  window_.tell([this, model, report](Banner& banner) {
    QString text =
        tr("Luthier did not end as it should have last time. The settings are as they "
           "stood.");
    if (!report.isEmpty())
      text += QLatin1Char(' ') + tr("What it was at is written down in %1; the file stays on this "
                                    "machine.")
                                     .arg(report);
    banner.show_text(report.isEmpty() ? Banner::Kind::Info : Banner::Kind::Warning, text);
    if (!model.isEmpty())
      banner.offer(tr("Load %1").arg(model_name(to_path(model))), [this, model] {
        if (can_load(window_.workspace().state())) window_.workspace().load_model(model);
      });
    if (!report.isEmpty())
      banner.offer(tr("Open the folder"),
                   [this] { QDesktopServices::openUrl(QUrl::fromLocalFile(crashes_)); });
  });
}

}  // namespace luthier
