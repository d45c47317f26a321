// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/notes_panel.h"

#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSignalBlocker>
#include <QThreadPool>
#include <QVBoxLayout>

#include "engine/base/log.h"
#include "ui/background.h"
#include "ui/language.h"

namespace luthier {

namespace {

constexpr int kSaveMilliseconds = 600;
}

QThreadPool& note_writer() {
  struct Writer : QThreadPool {
    Writer() { setMaxThreadCount(1); }
  };
  static Writer pool;
  return pool;
}

NotesPanel::NotesPanel(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 4, 0, 0);
  layout->setSpacing(6);
  tags_label_ = new QLabel(this);
  tags_ = new QLineEdit(this);
  tags_->setObjectName(QStringLiteral("runTags"));
  tags_label_->setBuddy(tags_);
  note_label_ = new QLabel(this);
  note_ = new QPlainTextEdit(this);
  note_->setObjectName(QStringLiteral("runNote"));
  note_->setTabChangesFocus(true);
  note_label_->setBuddy(note_);
  layout->addWidget(tags_label_);
  layout->addWidget(tags_);
  layout->addWidget(note_label_);
  layout->addWidget(note_, 1);
  save_.setSingleShot(true);
  save_.setInterval(kSaveMilliseconds);
  connect(&save_, &QTimer::timeout, this, &NotesPanel::save);
  const auto soon = [this] { save_.start(); };
  connect(tags_, &QLineEdit::textEdited, this, soon);
  connect(tags_, &QLineEdit::editingFinished, this, &NotesPanel::save);
  connect(note_, &QPlainTextEdit::textChanged, this, soon);
  on_language(this, [this] {
    tags_label_->setText(tr("T&ags"));
    tags_->setAccessibleName(tr("Tags of the selected run"));
    tags_->setPlaceholderText(tr("baseline, good: with commas between them"));
    note_label_->setText(tr("N&ote"));
    note_->setAccessibleName(tr("Note about the selected run"));
    note_->setPlaceholderText(tr("What you tried, what came of it. Kept in the run's folder."));
  });
  setEnabled(false);
}

NotesPanel::~NotesPanel() {
  note_writer().waitForDone();  // the program may end now
  const RunNotes notes = typed();
  if (!run_ || notes == saved_) return;
  if (const Status written = write_run_notes(*run_, notes); !written)
    log_warning(written.error().sentence());
}

RunNotes NotesPanel::typed() const {
  return {tags_from_text(tags_->text().toStdString()), note_->toPlainText().toStdString()};
}

void NotesPanel::show_run(const std::optional<std::filesystem::path>& run, const RunNotes& notes) {
  // The list is read again while somebody types: what stands here is newer.
  if (run == run_ && (typed() != saved_ || notes == saved_)) return;
  save();
  run_ = run;
  saved_ = notes;
  const QSignalBlocker quiet(note_);
  tags_->setText(QString::fromStdString(tags_text(notes.tags)));
  note_->setPlainText(QString::fromStdString(notes.note));
  setEnabled(run.has_value());
}

void NotesPanel::let_go(const std::filesystem::path& run) {
  if (run_ != run) return;
  save();
  note_writer().waitForDone();
  run_.reset();
  saved_ = {};
  const QSignalBlocker quiet(note_);
  tags_->clear();
  note_->clear();
  setEnabled(false);
}

void NotesPanel::save() {
  save_.stop();
  const RunNotes notes = typed();
  if (!run_ || notes == saved_) return;
  saved_ = notes;
  ++saves_;
  emit noted(*run_, notes);
  in_background_of(
      this, [run = *run_, notes] { return write_run_notes(run, notes); },
      [this](const Status& written) {
        if (!written) emit failed(written.error());
      },
      note_writer());
}

}  // namespace luthier
