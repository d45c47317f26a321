// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/synthesis_panel.h"

#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>

#include "ui/language.h"
#include "ui/widgets/card.h"

namespace luthier {

SynthesisPanel::SynthesisPanel(Synthesis& synthesis, QWidget* parent)
    : QWidget(parent), synthesis_(synthesis) {
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(0, 8, 0, 0);
  note_ = muted_label(this, 0.85);
  note_->setObjectName(QStringLiteral("annotateSynthesis"));
  grid->addWidget(note_, 0, 0, 1, 4);
  samples_ = new QSpinBox(this);
  samples_->setObjectName(QStringLiteral("annotateSamples"));
  samples_->setRange(2, 32);
  samples_->setValue(5);
  agreement_ = new QDoubleSpinBox(this);
  agreement_->setObjectName(QStringLiteral("annotateAgreement"));
  agreement_->setRange(0.1, 1);
  agreement_->setSingleStep(0.1);
  agreement_->setValue(0.6);
  pattern_ = new QLineEdit(this);
  pattern_->setObjectName(QStringLiteral("annotatePattern"));
  start_ = new QPushButton(this);
  start_->setObjectName(QStringLiteral("annotateStart"));
  start_->setAutoDefault(false);
  const auto label = [this](QWidget* buddy) {
    auto* made = new QLabel(this);
    made->setBuddy(buddy);
    return made;
  };
  samples_label_ = label(samples_), agreement_label_ = label(agreement_);
  pattern_label_ = label(pattern_);
  grid->addWidget(samples_label_, 1, 0);
  grid->addWidget(samples_, 1, 1);
  grid->addWidget(agreement_label_, 1, 2);
  grid->addWidget(agreement_, 1, 3);
  grid->addWidget(pattern_label_, 2, 0);
  grid->addWidget(pattern_, 2, 1, 1, 2);
  grid->addWidget(start_, 2, 3);
  connect(start_, &QPushButton::clicked, this, &SynthesisPanel::start);
  on_language(this, [this] { retranslate(); });
}

void SynthesisPanel::retranslate() {
  samples_label_->setText(tr("Samples"));
  samples_->setAccessibleName(tr("Samples an item"));
  agreement_label_->setText(tr("Agreement"));
  agreement_->setAccessibleName(tr("Agreement that is asked for"));
  agreement_->setToolTip(tr("The share of the samples that must be the same answer"));
  pattern_label_->setText(tr("Must hold"));
  pattern_->setAccessibleName(tr("Regular expression that an answer must hold"));
  pattern_->setPlaceholderText(tr("regular expression; empty: anything"));
  refresh(can_start_);
}

void SynthesisPanel::refresh(bool can_start) {
  can_start_ = can_start;
  const bool running = synthesis_.running();
  start_->setText(running ? tr("Stop") : tr("&Fill the open ones"));
  start_->setEnabled(running || can_start);
  note_->setText(running ? tr("%1 of %2 looked at, %3 kept")
                               .arg(synthesis_.done())
                               .arg(synthesis_.total())
                               .arg(synthesis_.kept())
                         : tr("Or let the model answer all that is open, and keep what its samples "
                              "agree on. Each row says so."));
}

void SynthesisPanel::start() {
  if (synthesis_.running()) return synthesis_.cancel();
  SynthesisRules rules;
  rules.samples = samples_->value();
  rules.agreement = agreement_->value();
  rules.pattern = QRegularExpression(pattern_->text());
  if (!rules.pattern.isValid())
    emit refused(tr("\"%1\" is no regular expression: %2.")
                     .arg(pattern_->text(), rules.pattern.errorString()));
  else
    emit start_asked(rules);
}

}  // namespace luthier
