// SPDX-License-Identifier: GPL-3.0-or-later
// Finding model folders: a listing of few known places, never a search of the disk.
#include "ui/model/model_list.h"

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QListWidget>
#include <QPushButton>

#include "engine/teaching/teaching.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

QString hub_cache() {
  if (const QString named = qEnvironmentVariable("HF_HUB_CACHE"); !named.isEmpty()) return named;
  if (const QString home = qEnvironmentVariable("HF_HOME"); !home.isEmpty()) return home + QStringLiteral("/hub");
  return QDir::homePath() + QStringLiteral("/.cache/huggingface/hub");
}

/// models--org--name/snapshots/<revision> of the hub's cache that hold a config.json.
QStringList hub_models() {
  QStringList found;
  const QDir cache(hub_cache());
  for (const QString& model : cache.entryList({QStringLiteral("models--*")}, QDir::Dirs)) {
    const QDir snapshots(cache.filePath(model + QStringLiteral("/snapshots")));
    for (const QString& revision : snapshots.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Time)) {
      const QString folder = snapshots.filePath(revision);
      if (!QFileInfo::exists(folder + QStringLiteral("/config.json"))) continue;
      found << folder;
      break;
    }
  }
  return found;
}

}  // namespace

ModelList::ModelList(Workspace& workspace, QWidget* parent) : Card(parent), workspace_(workspace) {
  list_ = new QListWidget(this);
  list_->setObjectName(QStringLiteral("modelList"));
  make_quiet(list_);
  list_->setWordWrap(false);
  list_->setTextElideMode(Qt::ElideMiddle);
  list_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  body()->addWidget(list_, 1);
  load_ = new QPushButton(this);
  load_->setObjectName(QStringLiteral("loadModel"));
  open_ = new QPushButton(this);
  open_->setObjectName(QStringLiteral("openModel"));
  for (QPushButton* button : {load_, open_}) {
    button->setMinimumHeight(32);
    body()->addWidget(button);
  }
  const auto load_item = [this](const QListWidgetItem* item) {
    if (item && can_load(workspace_.state())) workspace_.load_model(item->data(Qt::UserRole).toString());
  };
  connect(list_, &QListWidget::itemActivated, this, load_item);
  connect(load_, &QPushButton::clicked, this, [this, load_item] { load_item(list_->currentItem()); });
  connect(open_, &QPushButton::clicked, this, &ModelList::open_folder);
  const auto enable = [this] {
    const bool can = can_load(workspace_.state());
    open_->setEnabled(can);
    load_->setEnabled(can && list_->currentItem());
  };
  connect(list_, &QListWidget::currentItemChanged, this, enable);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, enable);
  connect(&workspace_, &Workspace::model_changed, this, &ModelList::refresh);
  on_language(this, [this] {
    set_title(tr("On this machine"));
    list_->setAccessibleName(tr("Models on this machine"));
    load_->setText(tr("&Load the chosen model"));
    open_->setText(tr("&Open a folder…"));
    open_->setToolTip(tr("A folder as transformers writes it: config.json, safetensors, tokenizer (Ctrl+O)"));
    refresh();
  });
  enable();
}

void ModelList::refresh() {
  const QString current = list_->currentItem() ? list_->currentItem()->data(Qt::UserRole).toString() : QString();
  list_->clear();
  if (const auto base = teaching_base()) add(path_text(*base), tr("teaching model, ships with Luthier"));
  for (const QString& folder : workspace_.recent_models())
    if (QFileInfo::exists(folder)) add(folder, tr("opened before"));
  for (const QString& folder : hub_models()) add(folder, tr("in the hub's cache"));
  for (int i = 0; i < list_->count(); ++i)
    if (list_->item(i)->data(Qt::UserRole).toString() == current) list_->setCurrentRow(i);
  if (!list_->currentItem() && list_->count() > 0) list_->setCurrentRow(0);
}

void ModelList::add(const QString& folder, const QString& note) {
  const QString clean = QDir::cleanPath(folder);
  for (int i = 0; i < list_->count(); ++i)
    if (list_->item(i)->data(Qt::UserRole).toString() == clean) return;
  auto* item = new QListWidgetItem(model_name(to_path(clean)) + QLatin1Char('\n') + note, list_);
  item->setData(Qt::UserRole, clean);
  item->setToolTip(clean);
  item->setSizeHint({0, 44});
}

void ModelList::open_folder() {
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a model folder"));
  if (!folder.isEmpty()) workspace_.load_model(folder);
}

}  // namespace luthier
