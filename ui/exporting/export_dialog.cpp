// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/exporting/export_dialog.h"

#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QRadioButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/compare/result_folder.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/wrapped_text.h"

namespace luthier {

namespace {

constexpr int kProgressParts = 1000;
constexpr int kDialogWidth = 560;

QLineEdit* named_line(const char* name, QWidget* parent) {
  auto* line = new QLineEdit(parent);
  line->setObjectName(QLatin1String(name));
  return line;
}

QToolButton* folder_button(const char* name, QWidget* parent) {
  auto* button = new QToolButton(parent);
  button->setObjectName(QLatin1String(name));
  set_themed_icon(button, QStringLiteral("folder"));
  return button;
}

}  // namespace

ExportDialog* ExportDialog::of(Workspace& workspace, QWidget* page) {
  if (auto* there = page->findChild<ExportDialog*>()) return there;
  return new ExportDialog(workspace, page);
}

ExportDialog::ExportDialog(Workspace& workspace, QWidget* page)
    : QDialog(page), workspace_(workspace) {
  setObjectName(QStringLiteral("exportDialog"));
  auto* layout = new QVBoxLayout(this);
  layout->setSpacing(12);
  what_ = text_label(this, true);
  what_->setObjectName(QStringLiteral("exportWhat"));
  layout->addWidget(what_);
  layout->addWidget(make_kinds());
  layout->addWidget(make_fields());
  progress_ = new QProgressBar(this);
  progress_->setObjectName(QStringLiteral("exportProgress"));
  progress_->setRange(0, kProgressParts);
  progress_->setTextVisible(true);
  layout->addWidget(progress_);
  said_ = new WrappedText(this);
  said_->setObjectName(QStringLiteral("exportSaid"));
  layout->addWidget(said_);
  layout->addStretch(1);
  auto* buttons = new QHBoxLayout;
  buttons->addStretch(1);
  close_ = new QPushButton(this);
  close_->setObjectName(QStringLiteral("exportClose"));
  start_ = new QPushButton(this);
  start_->setObjectName(QStringLiteral("exportStart"));
  start_->setDefault(true);
  buttons->addWidget(close_);
  buttons->addWidget(start_);
  layout->addLayout(buttons);
  connect(close_, &QPushButton::clicked, this, &QDialog::close);
  connect(start_, &QPushButton::clicked, this, &ExportDialog::start_or_cancel);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::progressed, this, &ExportDialog::show_progress);
  connect(&bridge, &SessionBridge::exported, this, &ExportDialog::tell);
  connect(&bridge, &SessionBridge::request_done, this, &ExportDialog::end);
  connect(&bridge, &SessionBridge::state_changed, this, &ExportDialog::refresh);
  on_language(this, [this] { retranslate(); });
  resize(kDialogWidth, sizeHint().height());
}

QWidget* ExportDialog::make_kinds() {
  auto* box = new QWidget(this);
  auto* down = new QVBoxLayout(box);
  down->setContentsMargins(0, 0, 0, 0);
  const auto radio = [&](const char* name) {
    auto* button = new QRadioButton(box);
    button->setObjectName(QLatin1String(name));
    down->addWidget(button);
    connect(button, &QRadioButton::toggled, this, [this](bool on) {
      if (!on) return;
      suggest_folder();
      refresh();
    });
    return button;
  };
  gguf_ = radio("exportGguf");
  checkpoint_ = radio("exportCheckpoint");
  adapter_ = radio("exportAdapter");
  return box;
}

QWidget* ExportDialog::make_fields() {
  auto* box = new QWidget(this);
  auto* grid = new QGridLayout(box);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setColumnStretch(1, 1);
  int row = 0;
  const auto add = [&](QLabel*& label, QWidget* field, QToolButton* button) {
    label = new QLabel(box);
    label->setBuddy(field);
    grid->addWidget(label, row, 0);
    grid->addWidget(field, row, 1);
    if (button) grid->addWidget(button, row, 2);
    ++row;
  };
  type_ = new QComboBox(box);
  type_->setObjectName(QStringLiteral("exportType"));
  for (const char* type : {"f16", "q8_0", "f32"}) type_->addItem(QString(), QLatin1String(type));
  add(type_label_, type_, nullptr);
  system_ = named_line("exportSystem", box);
  add(system_label_, system_, nullptr);
  base_ = named_line("exportBase", box);
  browse_base_ = folder_button("browseExportBase", box);
  add(base_label_, base_, browse_base_);
  folder_ = named_line("exportFolder", box);
  browse_ = folder_button("browseExportFolder", box);
  add(folder_label_, folder_, browse_);
  connect(type_, &QComboBox::currentIndexChanged, this, [this] { suggest_folder(); });
  connect(folder_, &QLineEdit::textEdited, this, [this] {
    folder_typed_ = true;
    refresh();
  });
  connect(browse_, &QToolButton::clicked, this, [this] { choose_folder(folder_); });
  connect(browse_base_, &QToolButton::clicked, this, [this] { choose_folder(base_); });
  return box;
}

void ExportDialog::retranslate() {
  setWindowTitle(tr("Export"));
  gguf_->setText(tr("&GGUF, for llama.cpp and Ollama"));
  gguf_->setToolTip(
      tr("The language model, its picture half (mmproj) and a Modelfile; an adapter is merged into "
         "its base first"));
  checkpoint_->setText(tr("A &checkpoint by itself (safetensors)"));
  checkpoint_->setToolTip(
      tr("As transformers and others load it; an adapter is merged into its base"));
  adapter_->setText(tr("The &adapter alone (PEFT folder)"));
  adapter_->setToolTip(tr("A few megabytes; whoever uses it needs the base, too"));
  type_label_->setText(tr("&Weights as"));
  type_->setAccessibleName(tr("Weights as"));
  type_->setItemText(0, tr("f16: half precision, nothing lost that can be seen"));
  type_->setItemText(1, tr("q8_0: eight bits, half the size"));
  type_->setItemText(2, tr("f32: twice the size, to the bit"));
  system_label_->setText(tr("&System prompt"));
  system_->setAccessibleName(tr("System prompt"));
  system_->setPlaceholderText(tr("For Ollama; else the chat template's own"));
  base_label_->setText(tr("&Base"));
  base_->setAccessibleName(tr("Base"));
  base_->setPlaceholderText(tr("The model that it was trained on"));
  folder_label_->setText(tr("Fo&lder"));
  folder_->setAccessibleName(tr("The folder to write"));
  for (QToolButton* button : {browse_, browse_base_}) {
    button->setToolTip(tr("Choose the folder"));
    button->setAccessibleName(tr("Choose the folder"));
  }
  progress_->setAccessibleName(tr("Progress of the export"));
  close_->setText(tr("Close"));
  what_->setText(tr("Export “%1”").arg(name_));
  refresh();
}

void ExportDialog::show_result(const QString& folder) {
  ExportRequest request;
  request.result = to_path(folder);
  open_for(std::move(request), QString::fromStdString(result_name(to_path(folder))));
}

void ExportDialog::show_merge(const MergeRecipe& recipe, const QString& name) {
  ExportRequest request;
  const bool as_it_is = recipe.folders.size() == 1 && recipe.how.weights.size() == 1 &&
                        recipe.how.weights.front() == 1;
  if (as_it_is)
    request.result = recipe.folders.front();
  else
    request.adapters = recipe.folders, request.how = recipe.how;
  request.name = name.toStdString();
  open_for(std::move(request), name);
}

void ExportDialog::open_for(ExportRequest request, const QString& name) {
  if (request_ == 0) {
    asked_ = std::move(request);
    name_ = name;
    folder_typed_ = false;
    whole_ = false;
    base_->clear();
    system_->clear();
    if (asked_.adapters.empty()) {
      const auto found = find_result(asked_.result);
      if (found)
        whole_ = found->whole;
      else
        say(error_text(found.error()), true);
      if (found) say({});
    } else {
      say({});
    }
    for (QWidget* widget : std::initializer_list<QWidget*>{base_label_, base_, browse_base_})
      widget->setVisible(!whole_);
    if (!gguf_->isChecked() && !checkpoint_->isChecked() && !(adapter_->isChecked() && !whole_))
      gguf_->setChecked(true);
    if (whole_ && adapter_->isChecked()) gguf_->setChecked(true);
    progress_->setValue(0);
    suggest_folder();
    retranslate();
  }
  show();
  raise();
  activateWindow();
  start_->setFocus();
}

ExportKind ExportDialog::kind() const {
  if (adapter_->isChecked()) return ExportKind::Adapter;
  return checkpoint_->isChecked() ? ExportKind::Checkpoint : ExportKind::Gguf;
}

void ExportDialog::suggest_folder() {
  if (folder_typed_ || request_ != 0) return;
  const QString run = QString::fromStdString(workspace_.recipe().output_dir);
  const QString beside = run.isEmpty() ? QStringLiteral(".") : QFileInfo(run).path();
  QString plain = name_;
  plain.replace(QLatin1Char('/'), QLatin1Char('-'));
  const QString end = kind() == ExportKind::Gguf
                          ? QStringLiteral("-gguf-") + type_->currentData().toString()
                      : kind() == ExportKind::Adapter ? QStringLiteral("-peft")
                                                      : QStringLiteral("-merged");
  folder_->setText(workspace_.free_run_folder(QDir(beside).filePath(plain + end)));
  refresh();
}

void ExportDialog::choose_folder(QLineEdit* line) {
  const QString chosen = QFileDialog::getExistingDirectory(
      this, line == folder_ ? tr("A new or empty folder") : tr("The base's folder"), line->text());
  if (chosen.isEmpty()) return;
  line->setText(chosen);
  folder_typed_ = folder_typed_ || line == folder_;
  refresh();
}

void ExportDialog::start_or_cancel() {
  if (request_ != 0) {
    workspace_.session().cancel(request_);
    return;
  }
  ExportRequest request = asked_;
  request.kind = kind();
  request.type = type_->currentData().toString().toStdString();
  request.system = system_->text().trimmed().toStdString();
  request.out = to_path(folder_->text().trimmed());
  if (!base_->text().trimmed().isEmpty()) request.base = to_path(base_->text().trimmed());
  say({});
  progress_->setValue(0);
  request_ = workspace_.session().export_result(std::move(request));
  refresh();
}

void ExportDialog::show_progress(const Progress& event) {
  if (event.request != request_ || request_ == 0) return;
  const double share = event.total > 0 ? event.done / event.total : 0;
  progress_->setValue(static_cast<int>(share * kProgressParts));
  progress_->setFormat(progress_text(event.what) + QStringLiteral("  %p%"));
}

void ExportDialog::tell(const Exported& event) {
  if (event.request != request_) return;
  const ExportOutcome& outcome = event.outcome;
  QStringList said{
      tr("Written to %1: %2.")
          .arg(path_text(outcome.folder), bytes_text(static_cast<std::int64_t>(outcome.bytes)))};
  QStringList files;
  for (const std::string& file : outcome.files) files << QString::fromStdString(file);
  if (!files.isEmpty()) said << files.join(QStringLiteral(", "));
  if (!outcome.sentence.empty()) said << said_text(outcome.sentence);
  for (const std::string& note : outcome.notes) said << said_text(note);
  progress_->setValue(kProgressParts);
  say(said.join(QLatin1Char('\n')));
}

void ExportDialog::end(const RequestDone& event) {
  if (event.request != request_ || request_ == 0) return;
  request_ = 0;
  if (event.error) say(error_text(*event.error), true);
  if (event.cancelled) say(tr("Cancelled: nothing was written."));
  if (event.error || event.cancelled) progress_->setValue(0);
  progress_->setFormat(QStringLiteral("%p%"));
  refresh();
}

void ExportDialog::say(const QString& text, bool wrong) {
  said_->set_text(text);
  said_->setVisible(!text.isEmpty());
  set_ink(said_, wrong ? Ink::Error : Ink::Text);
}

void ExportDialog::refresh() {
  const bool busy = request_ != 0;
  const bool free = can_load(workspace_.state()) && !workspace_.session().has_run();
  const bool gguf = kind() == ExportKind::Gguf;
  adapter_->setEnabled(!busy && !whole_);
  for (QWidget* widget : std::initializer_list<QWidget*>{gguf_, checkpoint_, folder_, browse_,
                                                         base_, browse_base_, type_, system_})
    widget->setEnabled(!busy);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{type_label_, type_, system_label_, system_})
    widget->setVisible(gguf);
  progress_->setVisible(busy || progress_->value() > 0);
  start_->setText(busy ? tr("Cancel the export") : tr("Export"));
  start_->setEnabled(busy || (free && !folder_->text().trimmed().isEmpty()));
  start_->setToolTip(
      busy || free ? QString() : tr("Not now: %1").arg(state_text(state_name(workspace_.state()))));
}

}  // namespace luthier
