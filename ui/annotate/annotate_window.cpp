// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/annotate_window.h"

#include <QCloseEvent>
#include <QMessageBox>
#include <QPushButton>
#include <QScreen>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "ui/annotate/annotation_desk.h"
#include "ui/annotate/annotation_setup.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"

namespace luthier {

AnnotateWindow::AnnotateWindow(Workspace& workspace, QWidget* parent)
    : QDialog(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("annotateWindow"));
  setAttribute(Qt::WA_DeleteOnClose);
  setWindowFlag(Qt::WindowMaximizeButtonHint);
  resize(QSize(1040, 660).boundedTo(screen()->availableSize()));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  stack_ = new QStackedWidget(this);
  setup_ = new AnnotationSetup(stack_);
  desk_ = new AnnotationDesk(workspace_, stack_);
  stack_->addWidget(setup_);
  stack_->addWidget(desk_);
  layout->addWidget(stack_);
  // A folder may hold a million pictures.
  const auto show_made = [this](auto make) {
    setup_->setEnabled(false);
    in_background_of(this, std::move(make), [this](Result<Annotation> made) {
      setup_->setEnabled(true);
      if (!made) return setup_->show_error(error_text(made.error()));
      stack_->setCurrentWidget(desk_);
      desk_->show_annotation(made.take());
    });
  };
  connect(setup_, &AnnotationSetup::begin_asked, this,
          [show_made](const AnnotationPlan& plan, const QString& file) {
            show_made([plan, file] { return Annotation::begin(plan, to_path(file)); });
          });
  connect(setup_, &AnnotationSetup::open_asked, this, [show_made](const QString& file) {
    show_made([file] { return Annotation::open(to_path(file)); });
  });
  connect(desk_, &AnnotationDesk::use_asked, this, [this](const QString& file) {
    if (const Status status = workspace_.edit_field("dataset", file.toStdString()); status)
      emit used(file);
  });
  on_language(this, [this] { setWindowTitle(tr("A dataset from pictures")); });
}

void AnnotateWindow::open_file(const QString& file) { emit setup_->open_asked(file); }

void AnnotateWindow::take_folder(const QString& folder) { setup_->take_folder(folder); }

bool AnnotateWindow::may_close() {
  if (!desk_->has_unsaved()) return true;
  QMessageBox box(QMessageBox::Question, tr("An answer is not accepted"),
                  tr("The answer that stands there is in no row. Close all the same?"),
                  QMessageBox::Yes | QMessageBox::No, this);
  box.button(QMessageBox::Yes)->setText(tr("&Close all the same"));
  box.button(QMessageBox::No)->setText(tr("&Stay here"));
  return box.exec() == QMessageBox::Yes;
}

void AnnotateWindow::reject() {
  if (may_close()) close_now();
}

void AnnotateWindow::close_now() {
  desk_->stop();
  QDialog::reject();
}

void AnnotateWindow::closeEvent(QCloseEvent* event) {
  if (!may_close()) return event->ignore();
  desk_->stop();
  QWidget::closeEvent(event);
}

}  // namespace luthier
