// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_actions.h"

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QToolButton>
#include <utility>

#include "ui/exporting/export_dialog.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/merge/live_merge.h"
#include "ui/merge/weight_list.h"
#include "ui/messages.h"
#include "ui/theme.h"

namespace luthier {

namespace {
QString figure(double value) { return QString::number(value, 'e', 1); }
}  // namespace

MergeActions::MergeActions(Workspace& workspace, LiveMerge& merge, Adapters adapters,
                           std::function<MergeRecipe()> recipe, QWidget* parent)
    : Card(parent),
      workspace_(workspace),
      merge_(merge),
      adapters_(std::move(adapters)),
      recipe_(std::move(recipe)) {
  make_body();
  connect(into_base_, &QPushButton::clicked, this, &MergeActions::merge_or_undo);
  connect(save_, &QPushButton::clicked, this, [this] { write(false); });
  connect(write_, &QPushButton::clicked, this, [this] {
    if (writing_ != 0)
      workspace_.session().cancel(writing_);
    else
      write(true);
  });
  connect(export_, &QPushButton::clicked, this, [this] {
    QStringList names;
    for (const WeightedAdapter& adapter : adapters_()) names << adapter.name;
    ExportDialog::of(workspace_, this)->show_merge(recipe_(), names.join(QLatin1Char('+')));
  });
  connect(folder_, &QLineEdit::textEdited, this, [this] {
    folder_typed_ = true;
    emit folder_edited();
    refresh();
  });
  connect(&workspace_.bridge(), &SessionBridge::request_done, this, &MergeActions::end);
  connect(&workspace_.bridge(), &SessionBridge::merge_written, this, &MergeActions::tell_written);
  on_language(this, [this] { name_all(); });
  suggest_folder();
}

void MergeActions::make_body() {
  proof_ = text_label(this, true);
  proof_->setObjectName(QStringLiteral("mergeProof"));
  standing_ = text_label(this, true);
  standing_->setObjectName(QStringLiteral("mergeStanding"));
  into_base_ = new QPushButton(this);
  into_base_->setObjectName(QStringLiteral("mergeIntoBase"));
  auto* where = new QHBoxLayout;
  folder_label_ = new QLabel(this);
  folder_ = new QLineEdit(this);
  folder_->setObjectName(QStringLiteral("mergeFolder"));
  folder_label_->setBuddy(folder_);
  auto* browse = new QToolButton(this);
  browse->setObjectName(QStringLiteral("browseMergeFolder"));
  set_themed_icon(browse, QStringLiteral("folder"));
  connect(browse, &QToolButton::clicked, this, &MergeActions::choose_folder);
  where->addWidget(folder_label_);
  where->addWidget(folder_, 1);
  where->addWidget(browse);
  auto* row = new QHBoxLayout;
  save_ = new QPushButton(this);
  save_->setObjectName(QStringLiteral("saveCombined"));
  write_ = new QPushButton(this);
  write_->setObjectName(QStringLiteral("writeMerged"));
  export_ = new QPushButton(this);
  export_->setObjectName(QStringLiteral("exportMerge"));
  row->addWidget(save_, 1);
  row->addWidget(write_, 1);
  auto* first = new QHBoxLayout;
  first->addWidget(into_base_, 1);
  first->addWidget(export_);
  body()->addWidget(proof_);
  body()->addWidget(standing_);
  body()->addLayout(first);
  body()->addLayout(where);
  body()->addLayout(row);
}

void MergeActions::name_all() {
  auto* browse = findChild<QToolButton*>(QStringLiteral("browseMergeFolder"));
  set_title(tr("The merge"));
  folder_label_->setText(tr("Fo&lder"));
  folder_->setAccessibleName(tr("The folder to write"));
  browse->setToolTip(tr("Choose the folder"));
  browse->setAccessibleName(tr("Choose the folder"));
  export_->setText(tr("E&xport…"));
  export_->setToolTip(tr("As GGUF for llama.cpp and Ollama, as a checkpoint or as a PEFT folder"));
  save_->setText(tr("Save the adapter"));
  save_->setToolTip(tr("The combined adapter as a PEFT folder"));
}

void MergeActions::choose_folder() {
  const QString chosen =
      QFileDialog::getExistingDirectory(this, tr("A new or empty folder"), folder_->text());
  if (chosen.isEmpty()) return;
  folder_typed_ = true;
  folder_->setText(chosen);
  refresh();
}

void MergeActions::suggest_folder() {
  if (folder_typed_) return;
  const QString run = QString::fromStdString(workspace_.recipe().output_dir);
  const QString runs = run.isEmpty() ? QStringLiteral("runs") : QFileInfo(run).path();
  QStringList names;
  for (const WeightedAdapter& adapter : adapters_()) names << adapter.name;
  const QString name =
      names.isEmpty() || names.size() > 3 ? QStringLiteral("merged") : names.join(QLatin1Char('+'));
  folder_->setText(workspace_.free_run_folder(
      QDir(runs).filePath(names.size() == 1 ? name + QStringLiteral("-merged") : name)));
}

void MergeActions::write(bool checkpoint) {
  emit begun();
  const std::filesystem::path out = to_path(folder_->text().trimmed());
  writing_ = checkpoint ? workspace_.session().write_merged(recipe_(), out)
                        : workspace_.session().save_combined(recipe_(), out);
  refresh();
}

void MergeActions::merge_or_undo() {
  emit begun();
  if (workspace_.merged()) {
    workspace_.session().undo_merge();
    return;
  }
  merge_.cancel();
  merging_ = workspace_.session().merge_into_base(recipe_());
  refresh();
}

void MergeActions::end(const RequestDone& event) {
  if (event.request != writing_ && event.request != merging_) return;
  const bool wrote = event.request == writing_;
  (wrote ? writing_ : merging_) = 0;
  if (event.error) emit failed(*event.error);
  // Told, since a double click on the button asks for it and for its end.
  if (event.cancelled && wrote) emit written(tr("Writing was cancelled: nothing was written."));
  refresh();
}

void MergeActions::tell_written(const MergeWritten& event) {
  if (event.request != writing_) return;
  const QString folder = path_text(event.folder);
  QStringList said{event.checkpoint ? tr("The merged model was written to %1.").arg(folder)
                                    : tr("The combined adapter was written to %1.").arg(folder)};
  if (!event.sentence.empty()) said << said_text(event.sentence);
  for (const std::string& note : event.notes) said << said_text(note);
  folder_typed_ = false;
  suggest_folder();
  emit written(said.join(QLatin1Char(' ')));
}

QString MergeActions::why_not_merge() const {
  if (!workspace_.model()) return tr("A model must be loaded first");
  if (adapters_().empty()) return tr("Choose an adapter first");
  if (merging_ != 0 || writing_ != 0) return tr("It is being written");
  if (workspace_.state() != SessionState::Ready)
    return tr("Not now: %1").arg(state_text(state_name(workspace_.state())));
  return {};
}

QString MergeActions::proof_text() const {
  const auto& proof = merge_.proof();
  if (!proof) return merge_.running() ? tr("The proof follows the answers…") : QString();
  if (proof->refused) return error_text(*proof->refused);
  return tr("Merged = unmerged: the logits on probe inputs are off by %1 of the largest; %2 is "
            "allowed.")
      .arg(figure(proof->difference), figure(proof->limit));
}

void MergeActions::refresh() {
  const auto& merged = workspace_.merged();
  const QString proof = proof_text();
  proof_->setText(proof);
  proof_->setVisible(!proof.isEmpty() && !merged);
  const bool refused = merge_.proof() && merge_.proof()->refused;
  set_ink(proof_, refused ? Ink::Warning : Ink::Text);
  standing_->setVisible(merged.has_value());
  if (merged)
    standing_->setText(
        tr("The loaded base holds this merge: off by %1 of the largest logit, %2 is allowed. %3 of "
           "its own weights are kept for undoing, which leaves its bytes as they were.")
            .arg(figure(merged->difference), figure(merged->limit),
                 bytes_text(merged->kept_bytes)));
  refresh_buttons();
}

void MergeActions::refresh_buttons() {
  const bool merged = workspace_.merged().has_value();
  const QString why_not = why_not_merge();
  into_base_->setText(merged ? tr("Undo the merge") : tr("Merge into the loaded base"));
  into_base_->setEnabled(merged ? workspace_.state() == SessionState::Ready : why_not.isEmpty());
  into_base_->setToolTip(
      merged || why_not.isEmpty()
          ? tr("In memory: Compare and questions then see the merged model, until it is undone, "
               "another model is loaded or a run is launched")
          : why_not);
  const bool folder = !folder_->text().trimmed().isEmpty();
  export_->setEnabled(!adapters_().empty());
  save_->setEnabled(!adapters_().empty() && folder && writing_ == 0);
  write_->setText(writing_ != 0 ? tr("Cancel writing") : tr("Write the merged model"));
  write_->setEnabled(writing_ != 0 || (folder && why_not.isEmpty()));
  write_->setToolTip(why_not.isEmpty() || writing_ != 0
                         ? tr("The base's checkpoint with the merge in it, as a folder by itself")
                         : why_not);
}

}  // namespace luthier
