// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/sweep_dialog.h"

#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QVBoxLayout>

#include "engine/io/named_place.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/run_queue.h"
#include "ui/runs/setting_rows.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

SweepDialog::SweepDialog(Workspace& workspace, const Recipe& recipe, QWidget* parent)
    : QDialog(parent), workspace_(workspace), recipe_(recipe) {
  setObjectName(QStringLiteral("sweepDialog"));
  setAttribute(Qt::WA_DeleteOnClose);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  title_ = text_label(this, true);
  title_->setFont(scaled_font(1.2, true));
  layout->addWidget(title_);
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* form = new QFormLayout;
  name_label_ = new QLabel(this);
  name_ = new QLineEdit(this);
  name_->setObjectName(QStringLiteral("sweepName"));
  name_->setMinimumWidth(320);
  name_->setText(path_text(named_place(recipe_.output_dir).filename()));
  name_label_->setBuddy(name_);
  form->addRow(name_label_, name_);
  layout->addLayout(form);
  settings_label_ = new QLabel(this);
  settings_label_->setWordWrap(true);
  layout->addWidget(settings_label_);
  auto* area = new QScrollArea(this);
  area->setFrameShape(QFrame::NoFrame);
  area->setWidgetResizable(true);
  area->setMinimumHeight(160);
  auto* canvas = new QWidget(area);
  auto* column = new QVBoxLayout(canvas);
  column->setContentsMargins(0, 0, 0, 0);
  settings_ = new SettingRows(
      QStringLiteral("sweep"), recipe_,
      [](const FieldDescription& field) { return field.key != "output_dir"; }, canvas);
  column->addWidget(settings_);
  column->addStretch(1);
  area->setWidget(canvas);
  layout->addWidget(area, 1);
  note_ = muted_label(this, 0.9);
  note_->setObjectName(QStringLiteral("sweepNote"));
  note_->setWordWrap(true);
  layout->addWidget(note_);
  auto* row = new QHBoxLayout;
  cancel_ = new QPushButton(this);
  cancel_->setObjectName(QStringLiteral("sweepCancel"));
  cancel_->setAutoDefault(false);
  queue_ = new QPushButton(this);
  queue_->setObjectName(QStringLiteral("sweepQueue"));
  queue_->setDefault(true);
  row->addWidget(cancel_);
  row->addStretch(1);
  row->addWidget(queue_);
  layout->addLayout(row);
  settings_->add("training.learning_rate");
  connect(cancel_, &QPushButton::clicked, this, &QDialog::close);
  connect(queue_, &QPushButton::clicked, this, &SweepDialog::queue);
  connect(name_, &QLineEdit::textChanged, this, &SweepDialog::refresh);
  connect(settings_, &SettingRows::changed, this, &SweepDialog::refresh);
  on_language(this, [this] {
    setWindowTitle(tr("Sweep"));
    title_->setText(tr("Runs with a few values of a few settings"));
    name_label_->setText(tr("&Name of the sweep"));
    name_->setAccessibleName(tr("Name of the sweep"));
    settings_label_->setText(
        tr("The values to try, with commas between them; with semicolons where a value holds "
           "commas. Every combination is a run of its own."));
    cancel_->setText(tr("&Cancel"));
    refresh();
  });
}

Result<std::vector<SweptRecipe>> SweepDialog::runs() const {
  std::vector<SweptField> fields;
  for (const auto& [key, text] : settings_->values()) {
    LUTHIER_TRY(SweptField field, parse_swept_field(key + "=" + text));
    fields.push_back(std::move(field));
  }
  Recipe base = recipe_;
  base.output_dir =
      (named_place(recipe_.output_dir).parent_path() / name_->text().trimmed().toStdString())
          .string();
  return sweep_recipes(base, fields);
}

void SweepDialog::refresh() {
  const auto all = runs();
  const QString name = name_->text().trimmed();
  const bool named = !name.isEmpty() && !name.contains(QLatin1Char('/')) &&
                     !name.contains(QLatin1Char(',')) && !name.startsWith(QLatin1Char('.'));
  const int count = all ? static_cast<int>(all->size()) : 0;
  if (!all) {
    note_->setText(error_text(all.error()));
  } else {
    QStringList labels;
    for (const SweptRecipe& run : *all) {
      if (labels.size() == 6) break;
      labels << QString::fromStdString(run.label);
    }
    note_->setText(labels.join(QStringLiteral(" · ")) +
                   (count > labels.size() ? QStringLiteral(" · …") : QString()));
  }
  queue_->setText(all ? tr("&Queue %n runs", nullptr, count) : tr("&Queue"));
  queue_->setEnabled(all && named);
}

void SweepDialog::queue() {
  const auto all = runs();
  if (!all) return;
  std::vector<RunToQueue> wanted;
  for (const SweptRecipe& run : *all)
    wanted.push_back({run.recipe, QString::fromStdString(run.label)});
  const QString tag = tag_of(name_->text().trimmed());
  const auto added = workspace_.queue().add(std::move(wanted), tag);
  if (!added) {
    banner_->show_error(added.error());
    return;
  }
  emit queued(tag, static_cast<int>(added->size()));
  close();
}

}  // namespace luthier
