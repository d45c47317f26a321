// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/annotation_setup.h"

#include <QComboBox>
#include <QDir>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

QString dropped_folder(const QMimeData* data) {
  if (!data->hasUrls() || data->urls().size() != 1) return {};
  const QString path = data->urls().front().toLocalFile();
  return QFileInfo(path).isDir() ? path : QString();
}

}  // namespace

AnnotationSetup::AnnotationSetup(QWidget* parent) : QWidget(parent) {
  setAcceptDrops(true);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  title_ = text_label(this);
  title_->setFont(scaled_font(1.25, true));
  layout->addWidget(title_);
  note_ = muted_label(this);
  layout->addWidget(note_);
  auto* form = new QFormLayout;
  form->setSpacing(8);
  const auto line = [this](const char* name) {
    auto* made = new QLineEdit(this);
    made->setObjectName(QLatin1String(name));
    return made;
  };
  const auto with_button = [this](QLineEdit* edit, QPushButton*& button, const char* name) {
    auto* row = new QHBoxLayout;
    row->addWidget(edit, 1);
    button = new QPushButton(this);
    button->setObjectName(QLatin1String(name));
    button->setAutoDefault(false);
    row->addWidget(button);
    return row;
  };
  const auto label = [this](QWidget* buddy) {
    auto* made = new QLabel(this);
    made->setBuddy(buddy);
    return made;
  };
  folder_ = line("annotateFolder");
  folder_label_ = label(folder_);
  form->addRow(folder_label_, with_button(folder_, browse_folder_, "annotateBrowseFolder"));
  kind_ = new QComboBox(this);
  kind_->setObjectName(QStringLiteral("annotateKind"));
  kind_->addItems({QString(), QString(), QString()});
  kind_label_ = label(kind_);
  form->addRow(kind_label_, kind_);
  questions_ = new QPlainTextEdit(this);
  questions_->setObjectName(QStringLiteral("annotateQuestions"));
  questions_->setTabChangesFocus(true);
  questions_->setFixedHeight(96);
  questions_label_ = label(questions_);
  form->addRow(questions_label_, questions_);
  file_ = line("annotateFile");
  file_label_ = label(file_);
  form->addRow(file_label_, with_button(file_, browse_file_, "annotateBrowseFile"));
  layout->addLayout(form);
  error_ = text_label(this, true);
  error_->setObjectName(QStringLiteral("annotateSetupError"));
  set_ink(error_, Ink::Error);
  error_->hide();
  layout->addWidget(error_);
  layout->addStretch();
  auto* row = new QHBoxLayout;
  open_ = new QPushButton(this);
  open_->setObjectName(QStringLiteral("annotateOpen"));
  open_->setAutoDefault(false);
  begin_ = new QPushButton(this);
  begin_->setObjectName(QStringLiteral("annotateBegin"));
  begin_->setDefault(true);
  row->addWidget(open_);
  row->addStretch();
  row->addWidget(begin_);
  layout->addLayout(row);

  connect(browse_folder_, &QPushButton::clicked, this, [this] {
    const QString folder =
        QFileDialog::getExistingDirectory(this, tr("Folder of pictures"), folder_->text());
    if (!folder.isEmpty()) take_folder(folder);
  });
  connect(browse_file_, &QPushButton::clicked, this, [this] {
    const QString file =
        QFileDialog::getSaveFileName(this, tr("File of rows"), file_->text(), tr("Rows (*.jsonl)"));
    if (!file.isEmpty()) file_->setText(file), file_typed_ = true;
  });
  connect(open_, &QPushButton::clicked, this, [this] {
    const QString file = QFileDialog::getOpenFileName(this, tr("Go on with"), file_->text(),
                                                      tr("Annotations (*.annotation.json)"));
    if (file.isEmpty()) return;
    QString rows = file;
    rows.replace(QLatin1String(".annotation.json"), QLatin1String(".jsonl"));
    emit open_asked(rows);
  });
  connect(folder_, &QLineEdit::textEdited, this, &AnnotationSetup::take_folder);
  connect(file_, &QLineEdit::textEdited, this, [this] { file_typed_ = true; });
  for (QLineEdit* edit : {folder_, file_})
    connect(edit, &QLineEdit::textChanged, this, &AnnotationSetup::refresh);
  connect(questions_, &QPlainTextEdit::textChanged, this, &AnnotationSetup::refresh);
  connect(begin_, &QPushButton::clicked, this, [this] {
    AnnotationPlan plan;
    plan.pictures = to_path(folder_->text().trimmed());
    plan.kind = static_cast<AnnotationKind>(kind_->currentIndex());
    for (const QString& each : questions_->toPlainText().split(QLatin1Char('\n')))
      plan.questions.push_back(each.toStdString());
    emit begin_asked(plan, file_->text().trimmed());
  });
  on_language(this, [this] { retranslate(); });
}

void AnnotationSetup::retranslate() {
  title_->setText(tr("A dataset from pictures"));
  note_->setText(
      tr("Each picture is asked your questions, one after another. You type the answers, or take "
         "over, mend or pass what a loaded model proposes. Every answer is in the file at once, "
         "and the pictures stay as they are."));
  folder_label_->setText(tr("&Pictures"));
  folder_->setAccessibleName(tr("Folder of pictures"));
  folder_->setPlaceholderText(tr("A folder; drop one here"));
  browse_folder_->setText(tr("Choose…"));
  browse_folder_->setAccessibleName(tr("Choose the folder of pictures"));
  kind_label_->setText(tr("&Rows"));
  kind_->setAccessibleName(tr("What the rows are"));
  kind_->setItemText(0, tr("Questions and answers"));
  kind_->setItemText(1, tr("Pairs: the better of two answers"));
  kind_->setItemText(2, tr("Thumbs: is the answer good?"));
  kind_->setItemData(0, tr("For supervised tuning"), Qt::ToolTipRole);
  kind_->setItemData(1, tr("For dpo and others that learn from preferences"), Qt::ToolTipRole);
  kind_->setItemData(2, tr("For kto and bco"), Qt::ToolTipRole);
  questions_label_->setText(tr("&Questions"));
  questions_->setAccessibleName(tr("Questions, one a line"));
  questions_->setPlaceholderText(
      tr("One a line. {file} stands for the picture's name, {folder} for its folder's."));
  file_label_->setText(tr("&File"));
  file_->setAccessibleName(tr("File of rows"));
  browse_file_->setText(tr("Choose…"));
  browse_file_->setAccessibleName(tr("Choose the file of rows"));
  open_->setText(tr("&Go on with one…"));
  begin_->setText(tr("&Begin"));
  refresh();
}

void AnnotationSetup::refresh() {
  error_->hide();
  begin_->setEnabled(!folder_->text().trimmed().isEmpty() && !file_->text().trimmed().isEmpty() &&
                     !questions_->toPlainText().trimmed().isEmpty());
}

void AnnotationSetup::take_folder(const QString& folder) {
  if (folder_->text() != folder) folder_->setText(folder);
  const QString clean = QDir::cleanPath(folder.trimmed());
  if (!file_typed_ && !folder.trimmed().isEmpty()) file_->setText(clean + QStringLiteral(".jsonl"));
}

void AnnotationSetup::show_error(const QString& sentence) {
  error_->setText(sentence);
  error_->show();
}

void AnnotationSetup::dragEnterEvent(QDragEnterEvent* event) {
  if (!dropped_folder(event->mimeData()).isEmpty()) event->acceptProposedAction();
}

void AnnotationSetup::dropEvent(QDropEvent* event) {
  const QString folder = dropped_folder(event->mimeData());
  if (folder.isEmpty()) return;
  take_folder(folder);
  event->acceptProposedAction();
}

}  // namespace luthier
