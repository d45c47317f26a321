// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/annotate_window.h"

#include <QCloseEvent>
#include <QMessageBox>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "ui/annotate/annotation_desk.h"
#include "ui/annotate/annotation_setup.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"

namespace luthier {

AnnotateWindow::AnnotateWindow(Workspace& workspace, QWidget* parent)
    : QDialog(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("annotateWindow"));
  setAttribute(Qt::WA_DeleteOnClose);
  setWindowFlag(Qt::WindowMaximizeButtonHint);
  resize(1040, 660);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  stack_ = new QStackedWidget(this);
  setup_ = new AnnotationSetup(stack_);
  desk_ = new AnnotationDesk(workspace_, stack_);
  stack_->addWidget(setup_);
  stack_->addWidget(desk_);
  layout->addWidget(stack_);
  const auto show = [this](Result<Annotation> made) {
    if (!made) return setup_->show_error(error_text(made.error()));
    stack_->setCurrentWidget(desk_);
    desk_->show_annotation(made.take());
  };
  connect(setup_, &AnnotationSetup::begin_asked, this,
          [show](const AnnotationPlan& plan, const QString& file) {
            show(Annotation::begin(plan, to_path(file)));
          });
  connect(setup_, &AnnotationSetup::open_asked, this,
          [show](const QString& file) { show(Annotation::open(to_path(file))); });
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
  return QMessageBox::question(
             this, tr("An answer is not accepted"),
             tr("The answer that stands there is in no row. Close all the same?")) ==
         QMessageBox::Yes;
}

void AnnotateWindow::reject() {
  if (may_close()) QDialog::reject();
}

void AnnotateWindow::closeEvent(QCloseEvent* event) {
  if (may_close())
    QWidget::closeEvent(event);
  else
    event->ignore();
}

}  // namespace luthier
