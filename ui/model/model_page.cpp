// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Model page.
#include "ui/model/model_page.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/model/model_list.h"
#include "ui/model/module_tree.h"
#include "ui/model/parts_view.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/splitter.h"

namespace luthier {

ModelPage::ModelPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* splitter = new Splitter(Qt::Horizontal, this);
  list_ = new ModelList(workspace, splitter);
  list_->setMinimumWidth(220);
  splitter->addWidget(list_);
  stack_ = new QStackedWidget(splitter);
  empty_ = new EmptyState(QStringLiteral("model"), QStringLiteral("emptyOpenModel"), stack_);
  stack_->addWidget(empty_);
  auto* loaded = new QWidget(stack_);
  QWidget* read = readable_column(loaded);
  auto* column = new QVBoxLayout(read);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(8);
  about_ = muted_label(read);
  about_->setObjectName(QStringLiteral("modelAbout"));
  column->addWidget(about_);
  parts_ = new PartsView(read);
  column->addWidget(parts_);
  column->addWidget(new ModuleTree(workspace, read), 1);
  stack_->addWidget(loaded);
  splitter->addWidget(stack_);
  splitter->setStretchFactor(1, 1);
  splitter->setSizes({264, 900});

  auto* loading_row = new QHBoxLayout;
  loading_ = new QLabel(this);
  progress_ = new QProgressBar(this);
  progress_->setObjectName(QStringLiteral("loadProgress"));
  progress_->setTextVisible(false);
  progress_->setFixedHeight(8);
  loading_row->addWidget(loading_);
  loading_row->addWidget(progress_, 1);
  layout->addLayout(loading_row);
  layout->addWidget(splitter, 1);

  connect(empty_->button(), &QPushButton::clicked, list_, &ModelList::open_folder);
  connect(&workspace, &Workspace::model_changed, this, &ModelPage::refresh);
  connect(&workspace, &Workspace::recipe_changed, this, &ModelPage::refresh);
  connect(&bridge(), &SessionBridge::state_changed, this, &ModelPage::refresh);
  connect(&bridge(), &SessionBridge::progressed, this, [this](const Progress& event) {
    if (this->workspace().state() != SessionState::Loading) return;
    progress_->setRange(0, event.total > 0 ? 1000 : 0);
    if (event.total > 0) progress_->setValue(static_cast<int>(1000 * event.done / event.total));
    loading_->setText(progress_text(event.what));
  });
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command != "load_model") return;
    banner_->show_error(event.error);
    offer_anew(banner_);
    emit waits();
  });
  connect(&bridge(), &SessionBridge::model_loaded, this, [this] { banner_->dismiss(); });
  on_language(this, [this] {
    empty_->set_texts(tr("No model is loaded"),
                      tr("Open the folder of a checkpoint as transformers writes it, for pictures "
                         "and text or for text alone, or load the teaching model from the list on "
                         "the left."),
                      tr("Open a folder…"));
    refresh();
  });
}

/// Other tools may have fetched or removed something meanwhile.
void ModelPage::entered() { list_->look(); }

void ModelPage::refresh() {
  const bool loading = workspace().state() == SessionState::Loading;
  loading_->setVisible(loading);
  progress_->setVisible(loading);
  if (!loading) {
    progress_->setRange(0, 0);
    loading_->setText(tr("Loading…"));
  }
  const auto& model = workspace().model();
  stack_->setCurrentIndex(model ? 1 : 0);
  if (!model) return;
  const ModelSummary& s = model->summary;
  about_->setText(
      tr("%1 · %2 on disk in %n files · loaded on %3 as %4 in %5 s", nullptr,
         static_cast<int>(s.files.size()))
          .arg(shown_path(path_text(s.folder)), bytes_text(static_cast<std::int64_t>(s.file_bytes)),
               QString::fromStdString(model->device), QString::fromStdString(model->dtype),
               QString::number(model->seconds, 'f', 1)));
  const auto& image = workspace().recipe().image;
  parts_->show_summary(s, {image.min_pixels, image.max_pixels});
}

}  // namespace luthier
