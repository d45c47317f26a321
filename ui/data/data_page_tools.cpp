// SPDX-License-Identifier: GPL-3.0-or-later
// How data comes to the Data page, and what is done with findings: rows are left out or put right
// in a copy, one or all of their kind, and the copy takes the data's place where a person wants it.
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QGridLayout>
#include <QLabel>
#include <QMimeData>
#include <QPushButton>
#include <QTableWidget>
#include <algorithm>

#include "engine/data/columns.h"
#include "engine/data/tools/row_fixes.h"
#include "engine/io/file_kind.h"
#include "ui/data/data_page.h"
#include "ui/data/row_model.h"
#include "ui/data/row_tools.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

void DataPage::open_folder() {
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a folder of rows"));
  if (!folder.isEmpty()) set_data({folder});
}

void DataPage::take_files(const QStringList& files) {
  const bool pictures = std::all_of(files.begin(), files.end(), [](const QString& file) {
    return QFileInfo(file).isFile() &&
           file_kind_by_name(to_path(file)).family == FileFamily::Picture;
  });
  if (files.isEmpty()) return;
  if (!pictures) return set_data(files);
  const auto rows = RowTools::pictures_file(files);
  if (!rows) return banner_->show_error(rows.error());
  set_data({path_text(*rows)});
}

void DataPage::dragEnterEvent(QDragEnterEvent* event) {
  const QList<QUrl> urls = event->mimeData()->urls();
  if (std::any_of(urls.begin(), urls.end(), [](const QUrl& url) { return url.isLocalFile(); }))
    event->acceptProposedAction();
}

void DataPage::dropEvent(QDropEvent* event) {
  QStringList files;
  for (const QUrl& url : event->mimeData()->urls())
    if (url.isLocalFile()) files << url.toLocalFile();
  event->acceptProposedAction();
  take_files(files);
}

QWidget* DataPage::make_finding_buttons(QWidget* parent) {
  auto* bar = new QWidget(parent);
  auto* grid = new QGridLayout(bar);  // two lines, so that a narrow window has room for them
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setSpacing(8);
  grid->setColumnStretch(2, 1);
  const auto button = [&](const char* name, int row, int column) {
    auto* made = new QPushButton(bar);
    made->setObjectName(QLatin1String(name));
    grid->addWidget(made, row, column);
    return made;
  };
  drop_ = button("dropRow", 0, 0);
  drop_kind_ = button("dropKind", 0, 1);
  fix_ = button("fixRow", 1, 0);
  fix_kind_ = button("fixKind", 1, 1);
  edits_ = muted_label(bar, 0.85);
  edits_->setObjectName(QStringLiteral("editsMade"));
  edits_->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
  grid->addWidget(edits_, 0, 2);
  copy_ = button("writeCopy", 1, 2);
  grid->setAlignment(copy_, Qt::AlignRight);
  connect(drop_, &QPushButton::clicked, this, [this] {
    if (const Finding* finding = current_finding())
      tools_->drop(finding->row, !tools_->edits().dropped.contains(finding->row));
  });
  connect(drop_kind_, &QPushButton::clicked, this, [this] {
    if (const Finding* finding = current_finding()) tools_->drop_kind(finding->kind);
  });
  connect(fix_, &QPushButton::clicked, this, [this] {
    if (const Finding* finding = current_finding()) tools_->fix(*finding);
  });
  connect(fix_kind_, &QPushButton::clicked, this, [this] {
    if (const Finding* finding = current_finding()) tools_->fix_kind(finding->kind);
  });
  connect(copy_, &QPushButton::clicked, this, [this] { tools_->open_copy(); });
  on_language(bar, [this] {
    drop_kind_->setText(tr("Leave out all like it"));
    fix_->setText(tr("Put it right"));
    fix_kind_->setText(tr("Put all like it right"));
    copy_->setText(tr("Write a copy…"));
    refresh_edits();
  });
  return bar;
}

void DataPage::refresh_edits() {
  const Finding* const finding = current_finding();
  const RowEdits& edits = tools_->edits();
  const bool dropped = finding && edits.dropped.contains(finding->row);
  const bool fixable = finding && is_fixable(finding->kind);
  drop_->setText(dropped ? tr("Take it back") : tr("Leave it out"));
  drop_->setEnabled(finding != nullptr);
  drop_kind_->setEnabled(finding != nullptr);
  fix_->setEnabled(fixable);
  fix_kind_->setEnabled(fixable);
  for (QWidget* each : std::initializer_list<QWidget*>{drop_, drop_kind_, fix_, fix_kind_})
    each->setVisible(!tools_->findings().empty());
  copy_->setVisible(!tools_->findings().empty() || !edits.empty());
  const auto number = [](std::size_t count) {
    return grouped_text(static_cast<std::int64_t>(count));
  };
  edits_->setText(edits.empty()
                      ? QString()
                      : tr("%1 left out, %2 put right")
                            .arg(number(edits.dropped.size()), number(edits.replaced.size())));
  size_findings();
}

void DataPage::use_recipe(const Recipe& recipe) {
  RecipeSnapshot now = workspace().snapshot();
  now.recipe = recipe;
  workspace().go_back_to(now);
}

void DataPage::connect_tools() {
  connect(tools_, &RowTools::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  connect(tools_, &RowTools::said, this,
          [this](const QString& text) { banner_->show_text(Banner::Kind::Info, text); });
  connect(tools_, &RowTools::near_found, this, [this] {
    list_findings();
    refresh();
  });
  connect(tools_, &RowTools::filter_changed, this, [this] {
    if (rows_->rowCount() > 0 && table_row() < 0) select_row(0);
    refresh();
  });
  connect(tools_, &RowTools::edits_changed, this, [this] {
    rows_->set_edits(tools_->edits());
    refresh_edits();
  });
  connect(tools_, &RowTools::columns_wanted, this, [this] {
    banner_->show_text(
        Banner::Kind::Info,
        tr("The rows have columns that are called otherwise than rows are read by."));
    banner_->offer(tr("Choose columns…"), [this] { tools_->open_columns(); });
  });
  connect(tools_, &RowTools::columns_chosen, this, [this](const ColumnMap& map) {
    Recipe recipe = workspace().recipe();
    set_columns(recipe, map);
    use_recipe(recipe);
  });
  connect(tools_, &RowTools::dataset_fetched, this,
          [this](const QString& folder) { set_data({folder}); });
  connect(tools_, &RowTools::copy_written, this,
          [this](const QString& file, const QString& validation, bool use) {
            if (use) {
              Recipe recipe = workspace().recipe();
              // The copy's columns are those that rows are read by. Rows beside it may not be: they
              // need the map, which leaves the copy as it is.
              const auto& beside = which_data() == 1 ? recipe.dataset : recipe.eval_dataset;
              const bool alone = beside.empty() || !validation.isEmpty();
              if (alone && recipe.more.names("replay.dataset").empty()) set_columns(recipe, {});
              if (validation.isEmpty() && which_data() == 1)
                recipe.eval_dataset = {file.toStdString()};
              else
                recipe.dataset = {file.toStdString()};
              if (!validation.isEmpty()) recipe.eval_dataset = {validation.toStdString()};
              use_recipe(recipe);
            }
            banner_->show_text(Banner::Kind::Info,
                               validation.isEmpty()
                                   ? tr("Written: %1").arg(file)
                                   : tr("Written: %1 and %2").arg(file, validation));
          });
}

}  // namespace luthier
