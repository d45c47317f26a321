// SPDX-License-Identifier: GPL-3.0-or-later
// Three buttons that say what happens.
#include "ui/stop_question.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

StopQuestion::StopQuestion(QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("stopQuestion"));
  setAttribute(Qt::WA_DeleteOnClose);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  auto* title = text_label(this);
  title->setFont(scaled_font(1.25, true));
  layout->addWidget(title);
  auto* text = text_label(this, true);
  text->setMinimumWidth(440);
  layout->addWidget(text);
  auto* row = new QHBoxLayout;
  auto* discard = new QPushButton(this);
  discard->setObjectName(QStringLiteral("stopDiscard"));
  auto* go_on = new QPushButton(this);
  go_on->setObjectName(QStringLiteral("stopContinue"));
  auto* save = new QPushButton(this);
  save->setObjectName(QStringLiteral("stopSave"));
  save->setDefault(true);
  row->addWidget(discard);
  row->addStretch();
  row->addWidget(go_on);
  row->addWidget(save);
  layout->addLayout(row);
  on_language(this, [this, title, text, discard, go_on, save] {
    setWindowTitle(tr("Stop the run"));
    title->setText(tr("Stop this run?"));
    text->setText(tr("Stop and save writes the adapter and a checkpoint, so that the run can be resumed. Cancel the run throws its "
                     "result away; the log stays. Training goes on until you choose."));
    discard->setText(tr("Cancel the &run"));
    go_on->setText(tr("&Continue training"));
    save->setText(tr("&Stop and save"));
  });
  connect(discard, &QPushButton::clicked, this, [this] { emit decided(StopKind::Discard); accept(); });
  connect(save, &QPushButton::clicked, this, [this] { emit decided(StopKind::Save); accept(); });
  connect(go_on, &QPushButton::clicked, this, &QDialog::reject);
}

}  // namespace luthier
