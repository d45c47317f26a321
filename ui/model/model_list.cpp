// SPDX-License-Identifier: GPL-3.0-or-later
// The list shows at once what is known by name; what each model is comes from the session a moment
// later.
#include "ui/model/model_list.h"

#include <QAction>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QScrollArea>

#include "engine/teaching/teaching.h"
#include "ui/desk/shortcuts.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/model/fetch_dialog.h"
#include "ui/theme.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

constexpr int kDetailLines = 5;

QString clean(const QString& folder) { return QDir::cleanPath(folder); }

QString dtype_text(const std::string& dtype) {
  if (dtype == "F16") return QStringLiteral("float16");
  if (dtype == "BF16") return QStringLiteral("bfloat16");
  if (dtype == "F32") return QStringLiteral("float32");
  return QString::fromStdString(dtype);
}

}  // namespace

ModelList::ModelList(Workspace& workspace, QWidget* parent) : Card(parent), workspace_(workspace) {
  list_ = new QListWidget(this);
  list_->setObjectName(QStringLiteral("modelList"));
  make_quiet(list_);
  list_->setWordWrap(false);
  list_->setTextElideMode(Qt::ElideRight);
  list_->setIconSize({16, 16});
  list_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  body()->addWidget(list_, 1);
  detail_ = muted_label(this, 0.85);
  detail_->setObjectName(QStringLiteral("modelDetail"));
  // Its height is fixed: a longer text would move the rows under the mouse, between the clicks of a
  // double click.
  auto* area = new QScrollArea(this);
  area->setObjectName(QStringLiteral("modelDetailArea"));
  area->setWidgetResizable(true);
  area->setFrameShape(QFrame::NoFrame);
  area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  area->viewport()->setAutoFillBackground(false);
  detail_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
  area->setWidget(detail_);
  detail_->setAutoFillBackground(false);
  area->setFixedHeight(kDetailLines * detail_->fontMetrics().lineSpacing() + 4);
  area->setFocusPolicy(Qt::NoFocus);
  body()->addWidget(area);
  const auto button = [this](const char* name) {
    auto* made = new QPushButton(this);
    made->setObjectName(QLatin1String(name));
    made->setMinimumHeight(32);
    body()->addWidget(made);
    return made;
  };
  load_ = button("loadModel");
  open_ = button("openModel");
  add_ = button("addModels");
  fetch_ = button("fetchModel");
  make_actions();
  connect(list_, &QListWidget::itemActivated, this, &ModelList::load_chosen);
  connect(list_, &QListWidget::currentItemChanged, this, &ModelList::show_chosen);
  connect(load_, &QPushButton::clicked, this, &ModelList::load_chosen);
  connect(open_, &QPushButton::clicked, this, &ModelList::open_folder);
  connect(add_, &QPushButton::clicked, this, &ModelList::add_folder);
  connect(fetch_, &QPushButton::clicked, this, &ModelList::open_fetch);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &ModelList::show_chosen);
  connect(&workspace_.bridge(), &SessionBridge::models_found, this,
          [this](const ModelsFound& event) {
            if (event.request != request_) return;
            found_ = event.models;
            looking_ = false;
            show_rows();
          });
  connect(&workspace_, &Workspace::model_changed, this, [this] {
    // Wherever it was opened from, what is loaded is what the list shows as chosen.
    if (workspace_.model()) wanted_ = clean(path_text(workspace_.model()->summary.folder));
    look();
  });
  connect(&Theme::instance(), &Theme::changed, this, &ModelList::show_rows);
  on_language(this, [this] { retranslate(); });
}

void ModelList::make_actions() {
  forget_ = new QAction(list_);
  forget_->setObjectName(QStringLiteral("forgetModel"));
  forget_->setShortcut(shortcut_keys("forget_model"));
  forget_->setShortcutContext(Qt::WidgetShortcut);
  list_->addAction(forget_);
  list_->setContextMenuPolicy(Qt::ActionsContextMenu);
  connect(forget_, &QAction::triggered, this, [this] {
    const QString folder = chosen();
    workspace_.forget_models(folder);
    // Of a folder of checkpoints the whole folder goes.
    for (const QString& added : workspace_.added_models())
      if (folder.startsWith(added + QLatin1Char('/'))) workspace_.forget_models(added);
    std::erase_if(found_,
                  [&](const FoundModel& model) { return path_text(model.folder) == folder; });
    look();
  });
}

void ModelList::retranslate() {
  set_title(tr("On this machine"));
  list_->setAccessibleName(tr("Models on this machine"));
  load_->setText(tr("&Load the chosen model"));
  open_->setText(tr("&Open a folder…"));
  open_->setToolTip(
      tr("A folder as transformers writes it: config.json, safetensors, tokenizer (Ctrl+O)"));
  add_->setText(tr("&Add a folder to the list…"));
  add_->setToolTip(tr("A checkpoint, or a folder that holds checkpoints; it stays in this list"));
  forget_->setText(tr("Remove from the list"));
  fetch_->setToolTip(
      tr("Fetches a repository into the Hugging Face cache, where other tools find it too"));
  look();
}

void ModelList::look() {
  std::vector<std::filesystem::path> folders;
  if (const auto base = teaching_base()) folders.push_back(*base);
  for (const QString& folder : workspace_.recent_models() + workspace_.added_models())
    folders.push_back(to_path(folder));
  if (request_) workspace_.session().cancel(request_);
  request_ = workspace_.session().find_models(std::move(folders));
  looking_ = true;
  show_rows();
}

QString ModelList::chosen() const {
  return list_->currentItem() ? list_->currentItem()->data(Qt::UserRole).toString() : QString();
}

const FoundModel* ModelList::found_at(const QString& folder) const {
  for (const FoundModel& model : found_)
    if (clean(path_text(model.folder)) == folder) return &model;
  return nullptr;
}

std::vector<std::pair<QString, const FoundModel*>> ModelList::wanted_rows() const {
  std::vector<std::pair<QString, const FoundModel*>> rows;
  const auto add = [&rows](const QString& folder, const FoundModel* found) {
    for (const auto& row : rows)
      if (row.first == folder) return;
    rows.emplace_back(folder, found);
  };
  // First what is known without looking, so that nothing waits for a slow disk; then what was
  // found, the loadable ones first.
  if (const auto base = teaching_base())
    add(clean(path_text(*base)), found_at(clean(path_text(*base))));
  for (const QString& folder : workspace_.recent_models()) {
    const FoundModel* found = found_at(clean(folder));
    if (found ? found->loadable : looking_ && QFileInfo::exists(folder)) add(clean(folder), found);
  }
  for (const FoundModel& model : found_) add(clean(path_text(model.folder)), &model);
  return rows;
}

void ModelList::show_rows() {
  const QString current = chosen();
  const QSignalBlocker quiet(list_);
  const auto rows = wanted_rows();
  // Rows that stay are only written anew: a list made anew would forget the first click of a double
  // click.
  for (int i = 0; i < list_->count(); ++i) {
    const QString folder = list_->item(i)->data(Qt::UserRole).toString();
    const auto stays = [&folder](const auto& row) { return row.first == folder; };
    if (std::none_of(rows.begin(), rows.end(), stays)) delete list_->takeItem(i--);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int at = static_cast<int>(i);
    QListWidgetItem* item = list_->item(at);
    for (int k = at; k < list_->count(); ++k) {
      if (list_->item(k)->data(Qt::UserRole).toString() != rows[i].first) continue;
      item = list_->item(k);
      if (k != at) list_->insertItem(at, item = list_->takeItem(k));
      break;
    }
    if (!item || item->data(Qt::UserRole).toString() != rows[i].first)
      list_->insertItem(at, item = new QListWidgetItem);
    fill_row(item, rows[i].first, rows[i].second);
  }
  if (!wanted_.isEmpty() && found_at(wanted_))
    choose(std::exchange(wanted_, QString()));
  else
    choose(current);
  show_chosen();
}

void ModelList::choose(const QString& folder) {
  for (int i = 0; i < list_->count(); ++i)
    if (list_->item(i)->data(Qt::UserRole).toString() == folder) list_->setCurrentRow(i);
  if (!list_->currentItem() && list_->count() > 0) list_->setCurrentRow(0);
}

void ModelList::fill_row(QListWidgetItem* item, const QString& folder, const FoundModel* found) {
  QStringList facts;
  if (found) {
    if (!found->loadable) facts << (found->unfinished ? tr("not finished") : tr("not loadable"));
    if (!found->model_type.empty()) facts << QString::fromStdString(found->model_type);
    facts << bytes_text(
        static_cast<std::int64_t>(std::min<std::uint64_t>(found->bytes, INT64_MAX)));
    if (!found->dtype.empty()) facts << dtype_text(found->dtype);
  } else {
    facts << tr("looking…");
  }
  item->setText(model_name(to_path(folder)) + QLatin1Char('\n') +
                facts.join(QStringLiteral(" · ")));
  item->setData(Qt::UserRole, folder);
  item->setToolTip(folder);
  item->setSizeHint({0, scaled_length(44)});
  const bool refused = found && !found->loadable;
  item->setData(Qt::ForegroundRole, refused ? QVariant(QBrush(colours().muted)) : QVariant());
  item->setIcon(refused ? themed_icon(QStringLiteral("warning"), colours().warning) : QIcon());
  if (refused) item->setToolTip(folder + QLatin1Char('\n') + said_text(found->why_not));
}

QString ModelList::origin_text(const QString& folder, const FoundModel* found) const {
  if (const auto base = teaching_base(); base && clean(path_text(*base)) == folder)
    return tr("teaching model, ships with Luthier");
  if (found && found->place == FoundIn::HubCache)
    return tr("in the hub's cache") + QStringLiteral(" · ") +
           QString::fromStdString(found->revision);
  if (workspace_.recent_models().contains(folder)) return tr("opened before");
  return tr("in a folder that you added");
}

void ModelList::show_chosen() {
  const QString folder = chosen();
  const FoundModel* found = found_at(folder);
  const bool loadable = !found || found->loadable;
  detail_->setText(folder.isEmpty() ? QString()
                   : loadable       ? origin_text(folder, found)
                                    : said_text(found->why_not));
  const bool can = can_load(workspace_.state());
  open_->setEnabled(can);
  load_->setEnabled(can && !folder.isEmpty() && loadable);
  bool ours = false;
  for (const QString& added : workspace_.added_models())
    ours = ours || folder == added || folder.startsWith(added + QLatin1Char('/'));
  forget_->setEnabled(ours || workspace_.recent_models().contains(folder));
  const QString busy = dialog_ ? dialog_->percent() : QString();
  fetch_->setText(!busy.isEmpty()              ? tr("&Downloading… %1").arg(busy)
                  : found && found->unfinished ? tr("&Finish its download…")
                                               : tr("&Download from a hub…"));
}

void ModelList::load_chosen() {
  // Enter also tries what was found wanting: the page then says what stands in the way.
  if (!chosen().isEmpty() && can_load(workspace_.state())) workspace_.load_model(chosen());
}

void ModelList::open_folder() {
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a model folder"));
  if (!folder.isEmpty()) workspace_.load_model(folder);
}

void ModelList::add_folder() {
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Add a folder of models"));
  if (folder.isEmpty()) return;
  const QString whole = clean(QFileInfo(folder).absoluteFilePath());
  workspace_.add_models(whole);
  wanted_ = whole;
  look();
}

void ModelList::make_dialog() {
  dialog_ = new FetchDialog(workspace_, this);
  connect(dialog_, &FetchDialog::changed, this, &ModelList::show_chosen);
  connect(dialog_, &FetchDialog::ended, this, [this](const QString& folder) {
    wanted_ = folder.isEmpty() ? QString() : clean(folder);
    look();
  });
  connect(dialog_, &FetchDialog::load_asked, this, [this](const QString& folder) {
    if (can_load(workspace_.state())) workspace_.load_model(folder);
  });
}

void ModelList::open_fetch() {
  if (!dialog_) make_dialog();
  const FoundModel* found = found_at(chosen());
  if (found && found->unfinished && dialog_->percent().isEmpty())
    dialog_->propose(QString::fromStdString(found->repository));
  dialog_->show();
  dialog_->raise();
  dialog_->activateWindow();
}

}  // namespace luthier
