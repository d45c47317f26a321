// SPDX-License-Identifier: GPL-3.0-or-later
// Buttons that say what happens. The same dialog asks the second question in the place of the
// first.
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
  title_ = text_label(this);
  title_->setFont(scaled_font(1.25, true));
  layout->addWidget(title_);
  text_ = text_label(this, true);
  text_->setMinimumWidth(440);
  layout->addWidget(text_);
  auto* row = new QHBoxLayout;
  // None but the one that keeps the work is ever pressed by Enter: the others are not "auto
  // default".
  const auto button = [this](const char* name) {
    auto* made = new QPushButton(this);
    made->setObjectName(QLatin1String(name));
    made->setAutoDefault(false);
    made->setMinimumSize(112, 32);
    return made;
  };
  discard_ = button("stopDiscard");
  really_ = button("stopReallyDiscard");
  go_on_ = button("stopContinue");
  leave_ = button("stopLeave");
  save_ = button("stopSave");
  back_ = button("stopBack");
  row->addWidget(discard_);
  row->addWidget(really_);
  row->addStretch();
  row->addWidget(go_on_);
  row->addWidget(leave_);
  row->addWidget(save_);
  row->addWidget(back_);
  layout->addLayout(row);
  on_language(this, [this] { retranslate(); });
  connect(discard_, &QPushButton::clicked, this, [this] { ask(true); });
  connect(back_, &QPushButton::clicked, this, [this] { ask(false); });
  connect(really_, &QPushButton::clicked, this, [this] {
    emit decided(StopKind::Discard);
    accept();
  });
  connect(save_, &QPushButton::clicked, this, [this] {
    emit decided(StopKind::Save);
    accept();
  });
  connect(leave_, &QPushButton::clicked, this, [this] {
    emit left();
    accept();
  });
  connect(go_on_, &QPushButton::clicked, this, &QDialog::reject);
  ask(false);
}

StopQuestion* StopQuestion::of(QWidget* window) {
  auto* asked =
      window->findChild<StopQuestion*>(QStringLiteral("stopQuestion"), Qt::FindDirectChildrenOnly);
  return asked && asked->isVisible() ? asked : new StopQuestion(window);
}

void StopQuestion::offer_leaving(bool elsewhere) {
  elsewhere_ = elsewhere;
  ask(discarding_);
}

void StopQuestion::ask(bool discarding) {
  discarding_ = discarding;
  for (QPushButton* button : {discard_, go_on_, save_}) button->setVisible(!discarding);
  for (QPushButton* button : {really_, back_}) button->setVisible(discarding);
  leave_->setVisible(elsewhere_ && !discarding);
  QPushButton* keeps = discarding ? back_ : save_;
  for (QPushButton* button : {save_, back_}) button->setDefault(button == keeps);
  keeps->setFocus();
  retranslate();
}

void StopQuestion::retranslate() {
  setWindowTitle(tr("Stop the run"));
  title_->setText(discarding_ ? tr("Throw this run away?") : tr("Stop this run?"));
  text_->setText(discarding_ ? tr("What it learned since its last checkpoint is lost, and no "
                                  "adapter is written. This cannot be undone; the log and earlier "
                                  "checkpoints stay. Training goes on until you choose.")
                             : tr("Stop and save writes the result and a checkpoint, so that the "
                                  "run can be resumed. Throwing it away saves nothing; "
                                  "the log stays. Training goes on until you choose."));
  discard_->setText(tr("&Throw the run away…"));
  really_->setText(tr("&Throw it away"));
  go_on_->setText(tr("&Continue training"));
  leave_->setText(tr("&Leave it running"));
  leave_->setToolTip(tr("It goes on without this window, and the Start page finds it again"));
  save_->setText(tr("&Stop and save"));
  back_->setText(tr("&Keep the run"));
}

}  // namespace luthier
