// SPDX-License-Identifier: GPL-3.0-or-later
// Layout of the empty state.
#include "ui/widgets/empty_state.h"

#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

EmptyState::EmptyState(const QString& icon, const QString& button_name, QWidget* parent)
    : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setSpacing(12);
  layout->addStretch(2);
  icon_ = new QLabel(this);
  icon_->setAlignment(Qt::AlignCenter);
  const auto tint = [this, icon] {
    icon_->setPixmap(themed_icon(icon, colours().muted).pixmap(40, 40));
  };
  tint();
  connect(&Theme::instance(), &Theme::changed, this, tint);
  layout->addWidget(icon_);
  title_ = new QLabel(this);
  title_->setFont(scaled_font(1.3, true));
  title_->setAlignment(Qt::AlignCenter);
  title_->setWordWrap(true);
  layout->addWidget(title_);
  text_ = muted_label(this, 1.0);
  text_->setAlignment(Qt::AlignHCenter | Qt::AlignTop);
  text_->setFixedWidth(480);
  // Between stretches, not by alignment: only so does the layout ask for the height of its wrapped
  // lines.
  auto* across = new QHBoxLayout;
  across->addStretch(1);
  across->addWidget(text_);
  across->addStretch(1);
  layout->addLayout(across);
  button_ = new QPushButton(this);
  button_->setObjectName(button_name);
  button_->setMinimumHeight(34);
  layout->addWidget(button_, 0, Qt::AlignHCenter);
  layout->addStretch(3);
}

void EmptyState::set_texts(const QString& title, const QString& what_to_do, const QString& button) {
  title_->setText(title);
  text_->setText(what_to_do);
  button_->setText(button);
  button_->setVisible(!button.isEmpty());
}

}  // namespace luthier
