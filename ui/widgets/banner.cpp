// SPDX-License-Identifier: GPL-3.0-or-later
// The banner's looks and its button.
#include "ui/widgets/banner.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
QColor ink_of(Banner::Kind kind) {
  return kind == Banner::Kind::Error ? colours().error : kind == Banner::Kind::Warning ? colours().warning : colours().accent;
}
}  // namespace

Banner::Banner(QWidget* parent) : QFrame(parent) {
  setObjectName(QStringLiteral("banner"));
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(12, 8, 8, 8);
  layout->setSpacing(8);
  icon_ = new QLabel(this);
  layout->addWidget(icon_, 0, Qt::AlignTop);
  text_ = text_label(this, true);
  text_->setObjectName(QStringLiteral("bannerText"));
  text_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  layout->addWidget(text_, 1);
  action_button_ = new QPushButton(this);
  action_button_->setObjectName(QStringLiteral("bannerAction"));
  layout->addWidget(action_button_, 0, Qt::AlignVCenter);
  close_ = new QToolButton(this);
  close_->setObjectName(QStringLiteral("bannerClose"));
  close_->setAutoRaise(true);
  set_themed_icon(close_, QStringLiteral("close"));
  on_language(this, [this] {
    close_->setToolTip(tr("Dismiss"));
    close_->setAccessibleName(tr("Dismiss"));
  });
  layout->addWidget(close_, 0, Qt::AlignTop);
  connect(close_, &QToolButton::clicked, this, &Banner::dismiss);
  connect(action_button_, &QPushButton::clicked, this, [this] {
    const auto action = action_;
    dismiss();
    if (action) action();
  });
  connect(&Theme::instance(), &Theme::changed, this, &Banner::restyle);
  dismiss();
}

void Banner::show_text(Kind kind, const QString& text) {
  kind_ = kind;
  text_->setText(text);
  setAccessibleName(text);
  action_button_->hide();
  action_ = nullptr;
  restyle();
  show();
}

void Banner::show_error(const Error& error) { show_text(Kind::Error, QString::fromStdString(error.sentence())); }

void Banner::offer(const QString& label, std::function<void()> action) {
  action_button_->setText(label);
  action_ = std::move(action);
  action_button_->show();
}

void Banner::dismiss() {
  hide();
  action_ = nullptr;
}

QString Banner::text() const { return text_->text(); }

void Banner::restyle() {
  const QString name = kind_ == Kind::Error ? QStringLiteral("error") : kind_ == Kind::Warning ? QStringLiteral("warning") : QStringLiteral("info");
  icon_->setPixmap(themed_icon(name, ink_of(kind_)).pixmap(20, 20));
  update();
}

void Banner::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  QColor fill = ink_of(kind_);
  p.setPen(QPen(fill, 1));
  fill.setAlphaF(0.09f);
  p.setBrush(fill);
  p.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8);
}

}  // namespace luthier
